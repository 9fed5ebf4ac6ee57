// The open spaces of a relay: one SQLite store and one replica each. Without authentication there is only `default`; spaces that open at first use and close when
// idle come to this map. Read by relay.ts and the import command. Rules: DU-1.

import { mkdir } from 'node:fs/promises'
import { DEFAULT_SPACE, type SpaceId } from '@syncline/protocol'
import { Replica, type Clock, type CoreLimits, type ReplicaObserver } from '@syncline/replica'
import { nodeCompression, nodeRandom } from '@syncline/replica/ws'
import type { OpenReason } from '@syncline/store'
import { openSqliteStore } from '@syncline/store/sqlite'
import { spaceFile } from './data-folder.ts'

export interface SpaceOptions {
  readonly folder: string
  readonly durability: 'disk' | 'process'
  readonly clock: Clock
  /** Of each space; default those of the engine. */
  readonly limits?: Partial<Pick<CoreLimits, 'documentBytesMax' | 'documentsMax'>>
  /** Of each space. */
  readonly observer?: ReplicaObserver
  onOpened?(opening: Opening): void
  /** In the turn in which it was made. */
  onReplica?(replica: Replica): void
}

/** What a store found when it opened. */
export interface Opening {
  readonly space: SpaceId
  readonly openReason: OpenReason
  /** Commits at the end were lost with the power, or the log is damaged: peers bring it back (store sqlite). */
  readonly tailLost: boolean
  readonly logDamaged: boolean
}

export class Spaces {
  private readonly options: SpaceOptions
  private readonly open = new Map<SpaceId, Replica>()

  constructor(options: SpaceOptions) {
    this.options = options
  }

  /** Opens a space or returns it. Throws what openSqliteStore throws: "store-locked" names the process that holds the folder. */
  async get(space: SpaceId = DEFAULT_SPACE): Promise<Replica> {
    const found = this.open.get(space)
    if (found !== undefined) return found
    const { folder, durability, clock, limits = {}, observer } = this.options
    await mkdir(folder, { recursive: true })
    const store = await openSqliteStore({ path: spaceFile(folder, space), space, durability })
    const { openReason, tailLost, logDamaged } = store
    this.options.onOpened?.({ space, openReason, tailLost, logDamaged })
    const watched = observer === undefined ? {} : { observer }
    const replica = new Replica({ store, role: 'relay', clock, random: nodeRandom, compression: nodeCompression, limits, ...watched })
    this.options.onReplica?.(replica)
    this.open.set(space, replica)
    return replica
  }

  /** Commits what is under way, ends the links, checkpoints, releases the locks. */
  async close(): Promise<void> {
    const spaces = [...this.open.values()]
    this.open.clear()
    await Promise.all(spaces.map((replica) => replica.close()))
  }
}
