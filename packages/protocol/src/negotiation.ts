// Which protocol version two sides speak: the highest that both can. Read by the link machine's owner. Rule: IN-1.

export interface VersionRange {
  readonly versionMin: number
  readonly versionMax: number
}

/** The highest version in both inclusive ranges, or null when they share none. */
export function highestShared(a: VersionRange, b: VersionRange): number | null {
  const highest = Math.min(a.versionMax, b.versionMax)
  return highest >= Math.max(a.versionMin, b.versionMin) ? highest : null
}
