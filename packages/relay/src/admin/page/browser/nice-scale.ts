// Where a chart's axis ends, so that its marks are round numbers. Pure. Read by line-chart.ts.

/** The least round number that is at least `max` (and at least `least`): 1, 2 or 5 times a power of ten; of bytes, a power of two. */
export function roundAbove(max: number, least: number, binary: boolean): number {
  const wanted = Math.max(max, least)
  if (binary) return 2 ** Math.ceil(Math.log2(wanted))
  const power = 10 ** Math.floor(Math.log10(wanted))
  return [1, 2, 5, 10].map((step) => step * power).find((round) => round >= wanted * (1 - 1e-9))!
}
