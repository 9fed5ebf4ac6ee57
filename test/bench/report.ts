// Figures of a benchmark: printed as a table, with the bound that the project set where there is one.

export interface Figure {
  readonly name: string
  readonly value: number
  readonly unit: string
  /** The figure must not exceed it. */
  readonly bound?: number
}

export type Progress = (line: string) => void

/** Prints the figures; true when every bound is kept. */
export function printFigures(figures: readonly Figure[]): boolean {
  const width = Math.max(...figures.map((figure) => figure.name.length))
  for (const { name, value, unit, bound } of figures) {
    const verdict = bound === undefined ? '' : value <= bound ? `  (at most ${bound}: kept)` : `  (at most ${bound}: EXCEEDED)`
    console.log(`${name.padEnd(width)}  ${String(value).padStart(10)} ${unit}${verdict}`)
  }
  return figures.every(({ value, bound }) => bound === undefined || value <= bound)
}
