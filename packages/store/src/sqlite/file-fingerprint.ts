// What tells a file from its copy: inode and birth time. Decides: when an opened file counts as a copy (it gets a new replica id), and when the
// file under an open store was moved, replaced or deleted. A copy written over the file in place keeps both and cannot be seen here; peers see
// it by their cursors. Rules: ID-1.

import { statSync, type BigIntStats } from 'node:fs'

/** Both as decimal text. Birth time is null where the file system does not keep one. */
export interface Fingerprint {
  readonly inode: string
  readonly birthtimeNs: string | null
}

/** Null when there is no file. Throws what the file system says otherwise. */
export function fingerprintOf(path: string): Fingerprint | null {
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false })
  return stat === undefined ? null : { inode: String(stat.ino), birthtimeNs: birthtimeOf(stat) }
}

/** A birth time equal to the change time may be a file system without birth times, which reports the one for the other: it proves nothing. */
function birthtimeOf(stat: BigIntStats): string | null {
  return stat.birthtimeNs === 0n || stat.birthtimeNs === stat.ctimeNs ? null : String(stat.birthtimeNs)
}

export function isSameFile(a: Fingerprint, b: Fingerprint): boolean {
  return a.inode === b.inode && (a.birthtimeNs === null || b.birthtimeNs === null || a.birthtimeNs === b.birthtimeNs)
}
