// How fast a cost grows: straight lines through measured points by least squares. Pure.

export type Point = readonly [x: number, y: number]

export interface Line {
  /** Of y per x. */
  readonly slope: number
  readonly at0: number
  /** Of the slope, from how far the points lie off the line; 0 for fewer than three points. */
  readonly standardError: number
}

/** Throws for fewer than two different x. */
export function lineThrough(points: readonly Point[]): Line {
  const n = points.length
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / n
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / n
  const spreadX = points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0)
  if (!(spreadX > 0)) throw new Error('a line needs two points')
  const slope = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0) / spreadX
  const at0 = meanY - slope * meanX
  const off = points.reduce((sum, [x, y]) => sum + (y - at0 - slope * x) ** 2, 0)
  return { slope, at0, standardError: n < 3 ? 0 : Math.sqrt(off / (n - 2) / spreadX) }
}

/** The k of y ~ x^k: 0 for a cost that does not grow, 1 for one in proportion, 2 for a square. Null where fewer than two points are above 0. */
export function growthExponent(points: readonly Point[]): number | null {
  const logs = points.filter(([x, y]) => x > 0 && y > 0).map(([x, y]): Point => [Math.log(x), Math.log(y)])
  return new Set(logs.map(([x]) => x)).size < 2 ? null : lineThrough(logs).slope
}

/** The smallest value that at least `share` of the sorted values do not exceed; Infinity of nothing. */
export function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Infinity
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return percentile(sorted, 0.5)
}
