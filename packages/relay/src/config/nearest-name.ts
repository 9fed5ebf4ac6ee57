// Which known name a mistyped one was meant to be. Pure. Read by load-config.ts and config-file.ts. Rule: CF-3.

/** The known name with the fewest changed, missing, additional or swapped letters, capitals not counted; null when none is near. */
export function nearestName(written: string, known: Iterable<string>): string | null {
  let nearest: string | null = null
  let fewest = Math.max(2, Math.floor(written.length / 4)) + 1
  for (const name of known) {
    const changes = distance(written.toLowerCase(), name.toLowerCase(), fewest)
    if (changes < fewest) {
      nearest = name
      fewest = changes
    }
  }
  return nearest
}

/** Optimal string alignment; names are short. Anything from `enough` on may be told as `enough`. */
function distance(a: string, b: string, enough: number): number {
  if (Math.abs(a.length - b.length) >= enough) return enough
  let before: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let row = 1; row <= a.length; row++) {
    const now = [row]
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1]
      let least = Math.min(last[column - 1]! + (same ? 0 : 1), last[column]! + 1, now[column - 1]! + 1)
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1])
        least = Math.min(least, before[column - 2]! + 1)
      now.push(least)
    }
    before = last
    last = now
  }
  return last[b.length]!
}
