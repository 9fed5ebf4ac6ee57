// What the data of a relay takes on disk, from the file system alone: SQLite is not asked, so a scrape never waits for a commit. Read by relay-metrics.ts.

import { stat, statfs } from 'node:fs/promises'
import { dirname } from 'node:path'

export interface DataSizes {
  readonly storeBytes: number
  readonly walBytes: number
  /** What this user may still write; null when the file system does not say. */
  readonly freeBytes: number | null
}

/** `files`: paths of SQLite files on one disk; one that is not there counts 0. Cost: two stats a file. */
export async function dataSizes(files: readonly string[]): Promise<DataSizes> {
  const sum = async (paths: readonly string[]): Promise<number> => {
    const sizes = await Promise.all(
      paths.map((path) =>
        stat(path).then(
          ({ size }) => size,
          () => 0,
        ),
      ),
    )
    return sizes.reduce((all, size) => all + size, 0)
  }
  const [first] = files
  const free =
    first === undefined
      ? null
      : await statfs(dirname(first)).then(
          ({ bavail, bsize }) => bavail * bsize,
          () => null,
        )
  return { storeBytes: await sum(files), walBytes: await sum(files.map((path) => `${path}-wal`)), freeBytes: free }
}
