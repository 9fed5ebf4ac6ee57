// Figures as a Markdown table that also reads well on a terminal: one row for each figure, one column for each case. Pure.

import { growthExponent, type Point } from './slope.ts'

export interface TableRow {
  readonly name: string
  /** One for each column; null: not measured. */
  readonly values: readonly (number | null)[]
  /** The largest that counts as kept, for each column. */
  readonly bound?: number
}

export interface Table {
  readonly title: string
  /** Heads of the columns. */
  readonly cases: readonly string[]
  /** The size that each case stands for: then each row ends with the exponent of its growth. */
  readonly sizes?: readonly number[]
  readonly rows: readonly TableRow[]
}

export function markdownTable({ title, cases, sizes, rows }: Table): string {
  const bounded = rows.some(({ bound }) => bound !== undefined)
  const head = [title, ...cases, ...(sizes === undefined ? [] : ['grows as size^']), ...(bounded ? ['at most'] : [])]
  const body = rows.map(({ name, values, bound }) => [
    name,
    ...values.map(numberWords),
    ...(sizes === undefined ? [] : [exponentWords(sizes, values)]),
    ...(bounded ? [bound === undefined ? '' : numberWords(bound)] : []),
  ])
  const widths = head.map((_, column) => Math.max(...[head, ...body].map((cells) => cells[column]!.length), 3))
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!))).join(' | ')} |`
  const rule = `| ${widths.map((width, column) => (column === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)).join(' | ')} |`
  return [line(head), rule, ...body.map(line)].join('\n')
}

/** True when every bounded value that was measured is kept. */
export function allKept({ rows }: Table): boolean {
  return rows.every(({ values, bound }) => bound === undefined || values.every((value) => value === null || value <= bound))
}

/** Three digits that mean something. */
export function numberWords(value: number | null): string {
  if (value === null) return ''
  if (!Number.isFinite(value)) return 'never'
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString('en-US')
  return String(Number(value.toPrecision(3)))
}

function exponentWords(sizes: readonly number[], values: readonly (number | null)[]): string {
  const points = values.flatMap((value, at): Point[] => (value === null ? [] : [[sizes[at]!, value]]))
  const exponent = growthExponent(points)
  return exponent === null ? '' : exponent.toFixed(2)
}
