// The spaces of a relay: which are open, who uses them, and when they open and close. A space is one SQLite store and one replica; it opens at its first use and closes
// when nobody uses it for a while, or when another needs its place. Whoever uses one holds it open. Decides nothing about who may come: visit.ts and the doors ask the
// pass first, so that nobody without rights opens a space, or makes its file. Read by relay.ts, visit.ts, native-door.ts and the admin API. Rules: SP-1 to SP-6, DU-1.
//
//   absent ──use, may create──► opening ──► open ──idle, or its place is needed──► closing ──► absent from the table
//
// Uses that come while it opens share the opening; those that come while it closes wait for the end, and open it anew.

import { existsSync, mkdirSync } from 'node:fs'
import { SynclineError, type SpaceId } from '@syncline/protocol'
import { Replica, type Clock, type CoreLimits, type ReplicaObserver } from '@syncline/replica'
import { nodeCompression, nodeRandom } from '@syncline/replica/ws'
import type { OpenReason } from '@syncline/store'
import { openSqliteStore, type UpgradeNotice } from '@syncline/store/sqlite'
import { spaceFile, spaceOrNull, storedSpaces } from './data-folder.ts'

/** What stands around the replica of one open space: made before it, told of it. */
export interface SpaceWatch {
  readonly observer?: ReplicaObserver
  /** In the turn in which the replica was made. */
  opened(replica: Replica): void
  /** Somebody uses it while it is open, and nobody did before. */
  used?(): void
  /** Nobody uses it any more. */
  unused?(): void
  /** Before the replica closes. */
  closing(): Promise<void>
  /** After. */
  closed(): void
}

export interface OpenOptions {
  readonly folder: string
  readonly durability: 'disk' | 'process'
  readonly clock: Clock
  /** Of each space; default those of the engine. */
  readonly limits?: Partial<CoreLimits>
  onOpened?(opening: Opening): void
  onUpgrade?(space: SpaceId, notice: UpgradeNotice): void
}

/** What a store found when it opened. */
export interface Opening {
  readonly space: SpaceId
  readonly openReason: OpenReason
  /** Commits at the end were lost with the power, or the log is damaged: peers bring it back (store sqlite). */
  readonly tailLost: boolean
  readonly logDamaged: boolean
}

export interface SpaceBounds {
  /** Open at a time. */
  readonly spacesOpenMax: number
  /** Files in the data folder. */
  readonly spacesMax: number
  /** A space that nobody uses closes after this time. */
  readonly spaceIdleMs: number
}

export interface SpacesOptions<W extends SpaceWatch> extends OpenOptions {
  readonly bounds: SpaceBounds
  /** Other processes have spaces of this folder: whether this one has the space. */
  serves?(space: SpaceId): boolean
  watch(space: SpaceId): W
  /** A space could not be opened, or not be closed in order. Whoever wanted it is told "storage-failed", without the words. */
  onFailed(space: SpaceId, error: unknown): void
}

/** A space, held open. */
export interface SpaceUse<W extends SpaceWatch> {
  readonly replica: Replica
  readonly watch: W
  /** Idempotent. */
  release(): void
}

/** Opens the store and makes the replica, whoever uses them. Throws what openSqliteStore throws: "store-locked" names the process that holds the file. */
export async function openReplica(options: OpenOptions, space: SpaceId, watch?: SpaceWatch): Promise<Replica> {
  const { folder, durability, clock, limits = {}, onOpened } = options
  const onUpgrade = (notice: UpgradeNotice): void => options.onUpgrade?.(space, notice)
  mkdirSync(folder, { recursive: true })
  const store = await openSqliteStore({ path: spaceFile(folder, space), space, durability, waits: true, onUpgrade })
  const { openReason, tailLost, logDamaged } = store
  onOpened?.({ space, openReason, tailLost, logDamaged })
  const observer = watch?.observer
  const observed = observer === undefined ? {} : { observer }
  const replica = new Replica({ store, role: 'relay', clock, random: nodeRandom, compression: nodeCompression, limits, ...observed })
  watch?.opened(replica)
  return replica
}

interface Open<W> {
  readonly replica: Replica
  readonly watch: W
}

interface Entry<W> {
  readonly space: SpaceId
  readonly opening: Promise<Open<W>>
  /** Null while it opens. */
  open: Open<W> | null
  uses: number
  /** Under way; they keep it from closing, and not from being idle. */
  looks: number
  /** Since when nobody uses it. */
  idleSinceMs: number
  /** Not null: it closes. */
  closing: Promise<void> | null
}

export class Spaces<W extends SpaceWatch> {
  private readonly options: SpacesOptions<W>
  private readonly entries = new Map<SpaceId, Entry<W>>()
  /** With a file, as far as known; also those that get one now. */
  private readonly stored: Set<SpaceId>
  private readonly stopSweep: () => void
  private closed = false

  constructor(options: SpacesOptions<W>) {
    this.options = options
    this.stored = new Set(storedSpaces(options.folder))
    const { spaceIdleMs } = options.bounds
    this.stopSweep = options.clock.every(Math.max(1, Math.ceil(spaceIdleMs / 4)), () => this.closeIdle())
  }

  /** The space, opened if need be and held open until it is released. `mayCreate`: whether a file may be made for it. Rejects with "access-denied" when there is none and may be
   *  none, "spaces-full", "relay-busy" (all places are in use), "storage-failed" (it does not open), "shutting-down". */
  use(space: SpaceId, mayCreate: boolean): Promise<SpaceUse<W>> {
    return this.take(space, mayCreate, (error) => {
      this.options.onFailed(space, error)
      // What the store says names files of this machine.
      return new SynclineError('storage-failed', 'This space cannot be opened now.', { cause: error })
    })
  }

  /** The space while it is open, for who watches: it opens none, and does not count as a use. Null: it is not open. */
  look(space: SpaceId): SpaceUse<W> | null {
    const entry = this.entries.get(space)
    if (entry === undefined || entry.open === null || entry.closing !== null) return null
    entry.looks++
    let held = true
    const release = (): void => {
      if (held) entry.looks--
      held = false
    }
    return { ...entry.open, release }
  }

  /** As use(), for the relay itself: makes the space where there is none, and rejects with what openReplica rejects with. */
  open(space: SpaceId): Promise<SpaceUse<W>> {
    return this.take(space, true, (error) => error)
  }

  /** False: another process has it. */
  serves(space: SpaceId): boolean {
    return this.options.serves?.(space) ?? true
  }

  /** The open ones, the longest unused first. */
  *opened(): Generator<Open<W> & { readonly space: SpaceId }, void, undefined> {
    for (const { space, open, closing } of this.entries.values()) if (open !== null && closing === null) yield { space, ...open }
  }

  /** Whether somebody holds it open. */
  isUsed(space: SpaceId): boolean {
    return (this.entries.get(space)?.uses ?? 0) > 0
  }

  /** Whether it has a file. */
  isStored(space: SpaceId): boolean {
    return this.serves(space) && existsSync(this.file(space))
  }

  /** Where its file is, or would be. */
  file(space: SpaceId): string {
    return spaceFile(this.options.folder, space)
  }

  /** Names of the spaces that have a file, in order. Cost: reads the folder. */
  names(): SpaceId[] {
    return storedSpaces(this.options.folder)
  }

  /** As far as known without reading the folder, which is read where others make spaces too. */
  get storedCount(): number {
    return this.options.serves === undefined ? this.stored.size : this.names().length
  }

  /** Commits what is under way, ends the links, checkpoints, releases the locks. Idempotent. */
  async close(): Promise<void> {
    this.closed = true
    this.stopSweep()
    const all = [...this.entries.values()]
    await Promise.all(
      all.map((entry) =>
        entry.opening.then(
          () => this.end(entry),
          () => undefined,
        ),
      ),
    )
  }

  private async take(space: SpaceId, mayCreate: boolean, told: (error: unknown) => unknown): Promise<SpaceUse<W>> {
    for (;;) {
      this.mustServe()
      const entry = this.entries.get(space)
      if (entry?.closing === null) return await this.hold(entry, told)
      if (entry === undefined) {
        const begun = this.begin(space, mayCreate)
        if (begun !== null) return await this.hold(begun, told)
      }
      // It closes, or another makes room for it. How that ends is told already.
      await (entry?.closing ?? this.makeRoom()).catch(() => undefined)
    }
  }

  private async hold(entry: Entry<W>, told: (error: unknown) => unknown): Promise<SpaceUse<W>> {
    entry.uses++
    if (entry.uses === 1) entry.open?.watch.used?.()
    let held = true
    const release = (): void => {
      if (held) this.released(entry)
      held = false
    }
    try {
      const { replica, watch } = await entry.opening
      return { replica, watch, release }
    } catch (error) {
      release()
      throw told(error)
    }
  }

  private mustServe(): void {
    if (this.closed) throw new SynclineError('shutting-down', 'The relay is closing.')
  }

  private released(entry: Entry<W>): void {
    entry.uses--
    if (entry.uses > 0) return
    entry.idleSinceMs = this.options.clock.now()
    if (entry.closing === null) entry.open?.watch.unused?.()
    // The map's order is that of disuse.
    if (this.entries.get(entry.space) !== entry) return
    this.entries.delete(entry.space)
    this.entries.set(entry.space, entry)
  }

  /** Null: no place is free. */
  private begin(space: SpaceId, mayCreate: boolean): Entry<W> | null {
    const { folder, bounds, clock } = this.options
    if (spaceOrNull(space) === null) throw new SynclineError('space-id-invalid', `No space of this relay can be called ${space}.`)
    if (!this.serves(space)) throw new SynclineError('space-unknown', `This process does not have the space ${space}.`)
    const exists = existsSync(spaceFile(folder, space))
    if (!exists && !mayCreate) throw new SynclineError('access-denied', 'This space cannot be used here.')
    if (!exists && this.options.serves !== undefined) for (const name of storedSpaces(folder)) this.stored.add(name)
    if (!exists && !this.stored.has(space) && this.stored.size >= bounds.spacesMax)
      throw new SynclineError('spaces-full', `This relay has the ${bounds.spacesMax} spaces that it may have.`)
    if (this.entries.size >= bounds.spacesOpenMax) return null
    this.stored.add(space)
    const entry: Entry<W> = { space, opening: this.start(space), open: null, uses: 0, looks: 0, idleSinceMs: clock.now(), closing: null }
    this.entries.set(space, entry)
    entry.opening.then(
      (open) => (entry.open = open),
      () => {
        this.entries.delete(space)
        if (!existsSync(spaceFile(folder, space))) this.stored.delete(space)
      },
    )
    return entry
  }

  private async start(space: SpaceId): Promise<Open<W>> {
    const watch = this.options.watch(space)
    try {
      return { replica: await openReplica(this.options, space, watch), watch }
    } catch (error) {
      watch.closed()
      throw error
    }
  }

  /** Ends the space that nobody has used for longest. Throws "relay-busy" when all are in use. */
  private makeRoom(): Promise<void> {
    for (const entry of this.entries.values()) {
      if (entry.closing !== null) return entry.closing
      if (isUnused(entry)) return this.end(entry)
    }
    throw new SynclineError('relay-busy', `All ${this.options.bounds.spacesOpenMax} spaces that may be open are in use.`)
  }

  private closeIdle(): void {
    const untilMs = this.options.clock.now() - this.options.bounds.spaceIdleMs
    for (const entry of this.entries.values())
      if (isUnused(entry) && entry.closing === null && entry.idleSinceMs <= untilMs) this.end(entry).catch(() => undefined)
  }

  private end(entry: Entry<W>): Promise<void> {
    if (entry.closing === null) {
      entry.closing = this.finish(entry)
      entry.closing.catch((error: unknown) => this.options.onFailed(entry.space, error))
    }
    return entry.closing
  }

  private async finish({ space, opening }: Entry<W>): Promise<void> {
    const { replica, watch } = await opening
    try {
      await watch.closing()
      await replica.close()
    } finally {
      watch.closed()
      this.entries.delete(space)
    }
  }
}

function isUnused({ uses, looks, open }: Entry<SpaceWatch>): boolean {
  return uses === 0 && looks === 0 && open !== null
}
