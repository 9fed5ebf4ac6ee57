// A file of 4 MB beside the space files, given up when the disk is full: on a full disk SQLite can neither delete nor compact, because both write
// first. Decides: when it is given up, and that commits wait until it could be put back, so that the room it made goes to sweeps and checkpoints
// and not to the next commits. One per folder. Source: TRAPS T23.

import { closeSync, openSync, rmSync, statSync, statfsSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

const BALLAST_BYTES = 4 * 1024 * 1024
/** It is written in such pieces: all of it at once would stay in memory until this thread collects garbage, which may be never. */
const PIECE_BYTES = 64 * 1024
/** Room that must be left beside it when it is put back, so that the next commit does not fill the disk again. */
const MARGIN_BYTES = 1024 * 1024
export const BALLAST_FILE = 'syncline.ballast'

export class Ballast {
  private readonly path: string
  private isGivenUp = false

  constructor(spacePath: string) {
    this.path = join(dirname(spacePath), BALLAST_FILE)
  }

  /** Called when a write met a full disk. Keeps the ballast when the disk has room: then a limit of the file was met, not of the disk. */
  giveUp(): void {
    if (this.freeBytes() >= BALLAST_BYTES) return
    rmSync(this.path, { force: true })
    this.isGivenUp = true
  }

  /** Called before a commit. False while the disk is too full to put the ballast back. */
  isInPlace(): boolean {
    if (!this.isGivenUp) return true
    this.isGivenUp = this.freeBytes() < BALLAST_BYTES + MARGIN_BYTES || !this.lay()
    return !this.isGivenUp
  }

  /** Writes the ballast where it is missing. False when there is no room for it: nothing of it is left then. */
  lay(): boolean {
    if (statSync(this.path, { throwIfNoEntry: false })?.size === BALLAST_BYTES) return true
    try {
      writeBallast(this.path)
      return true
    } catch {
      rmSync(this.path, { force: true })
      return false
    }
  }

  private freeBytes(): number {
    const { bavail, bsize } = statfsSync(dirname(this.path))
    return bavail * bsize
  }
}

function writeBallast(path: string): void {
  const piece = Buffer.alloc(PIECE_BYTES, 'syncline')
  const file = openSync(path, 'w')
  try {
    for (let bytes = 0; bytes < BALLAST_BYTES; bytes += PIECE_BYTES) writeFileSync(file, piece)
  } finally {
    closeSync(file)
  }
}
