// The files of a data folder that an older release wrote, brought to the newest format one after the other, so that nobody waits for it later. Decides which files that is
// for and that one which fails leaves the others their turn. What an upgrade is: packages/store/src/sqlite/upgrade-file.ts. Read by relay.ts and the command upgrade.
// Rules: UP-4, UP-6.

import type { SpaceId } from '@syncline/protocol'
import { isOlderFormat, openSqliteStore, type UpgradeNotice } from '@syncline/store/sqlite'
import { spaceFile, storedSpaces } from './data-folder.ts'

export interface UpgradeOptions {
  readonly folder: string
  readonly durability: 'disk' | 'process'
  /** When a stage of a space begins, and every 5 s while it lasts. */
  onUpgrade(space: SpaceId, notice: UpgradeNotice): void
  /** The file is as it was; the next one is taken. */
  onFailed(space: SpaceId, error: unknown): void
}

/** Spaces whose file is of an older format, by name. Cost: the folder, and 100 bytes of each file. */
export function olderSpaces(folder: string): SpaceId[] {
  return storedSpaces(folder).filter((space) => isOlderFormat(spaceFile(folder, space)))
}

/** Resolves when each of them was upgraded or told as failed, with how many are of the newest format now. Takes their locks, one at a time. Cost: writes each file once and reads
 *  it twice. */
export async function upgradeSpaces(spaces: readonly SpaceId[], options: UpgradeOptions): Promise<number> {
  const { folder, durability, onUpgrade, onFailed } = options
  let done = 0
  for (const space of spaces) {
    try {
      const path = spaceFile(folder, space)
      const store = await openSqliteStore({ path, space, durability, onUpgrade: (notice) => onUpgrade(space, notice) })
      await store.close()
      done++
    } catch (error) {
      onFailed(space, error)
    }
  }
  return done
}
