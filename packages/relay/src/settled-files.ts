// Tells when files have changed and come to rest. Files are polled: notices of the file system miss mounted and linked files, and files that are replaced. Read by
// tls-files.ts and config/doorman-of.ts. Rule: TC-2.

import { stat } from 'node:fs/promises'
import type { Clock } from '@syncline/replica'

/** How often the files are looked at. A change counts at the second look that finds the same: whoever renews writes one file after the other. */
const LOOK_EVERY_MS = 500

/**
 * Calls `changed` within 2 s of each change of any of the files, once it has come to rest, until the returned function is called. A file that is gone or comes back
 * has changed. Called once at the beginning too: what changed between the caller's reading and the first look is not missed. `changed` must not reject; the next
 * look waits for it.
 */
export function watchFiles(files: readonly string[], clock: Clock, changed: () => void | Promise<void>): () => void {
  let known: string | null = null
  let last: string | null = null
  let stopped = false
  let looking = false
  const look = async (): Promise<void> => {
    const mark = await markOf(files)
    const settled = mark === last
    last = mark
    if (!settled || mark === known || stopped) return
    known = mark
    await changed()
  }
  const lookOnce = (): void => {
    if (looking) return
    looking = true
    void look().finally(() => (looking = false))
  }
  const stop = clock.every(LOOK_EVERY_MS, lookOnce)
  lookOnce()
  return () => {
    stopped = true
    stop()
  }
}

/** Changes when a file does: by its content, its times, or the file that a link leads to. */
async function markOf(files: readonly string[]): Promise<string> {
  const marks = files.map((file) =>
    stat(file, { bigint: true }).then(
      ({ ino, size, mtimeNs, ctimeNs }) => `${ino} ${size} ${mtimeNs} ${ctimeNs}`,
      (error: NodeJS.ErrnoException) => `no file: ${error.code}`,
    ),
  )
  return (await Promise.all(marks)).join('\n')
}
