// One crash image: a replica file lives one to three lives on a simulated disk under the store's real writer code; each life ends with a power cut at a seeded operation, and
// recovery may be cut too. After each cut the store is opened by its real open code, by SQLite in WebAssembly or natively in a writer thread, and compared with the model.
// Decides what is written, where the cut falls and what must hold after it. The seed is all that a run depends on. Read by campaign.ts. Rules: DU-1, DU-2, ID-1, ST-4.

import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { DEFAULT_SPACE, type EpochNonce, type ReplicaId } from '@syncline/protocol'
import type { OpenReason, StoreReader } from '@syncline/store'
import type { SqliteDurability } from '@syncline/store/sqlite'
import { Random } from '@syncline/testing'
import { packTransaction } from '../../../packages/store/src/sqlite/packed-transaction.ts'
import { SpaceFile, type Opened } from '../../../packages/store/src/sqlite/space-file.ts'
import { SpaceReader } from '../../../packages/store/src/sqlite/space-reader.ts'
import { structureComplaints } from '../../../packages/store/src/sqlite/statements.ts'
import { Author, NAMES, keyOf } from './author.ts'
import { CommitOrder, type Phase } from './commit-order.ts'
import { checkNatively, type Reopened } from './native-check.ts'
import { MARKER, PublishedPositions, rowId } from './published-positions.ts'
import { SimulatedDisk, type CutPlace } from './simulated-disk.ts'
import { loadWasmSqlite, type WasmSqlite } from './wasm-sqlite.ts'

export interface ImageOptions {
  /** Of the files, empty or used for other images; a folder in memory is fastest. */
  readonly folder: string
  readonly durability: SqliteDurability
  /** Negative control: the disk does nothing when asked to sync, so that what is acknowledged must be found lost. */
  readonly ignoresSync?: boolean
  /** Cuts the power after so many disk operations of the file's creation, in place of where the seed says. */
  readonly creationCut?: number
}

export interface Cut {
  readonly phase: Phase
  /** Null: between operations. */
  readonly place: CutPlace | null
  /** Writes that came to the disk in part. */
  readonly torn: number
}

export interface ImageResult {
  readonly seed: number
  readonly durability: SqliteDurability
  readonly creationCut: number | null
  readonly cuts: readonly Cut[]
  /** Acknowledged transactions looked for after a cut, over all cuts. */
  readonly looked: number
  /** Of them, missing at the end. */
  readonly lost: number
  /** Cuts after which something acknowledged was missing at the end. */
  readonly suffixLosses: number
  /** What must not be, in words; empty when all held. */
  readonly violations: readonly string[]
  /** Cuts that left a transaction which was under way, whole. */
  readonly keptUnderWay: number
  /** Openings that reported a lost end of the WAL. */
  readonly tailLostReports: number
  readonly operations: number
}

/** Runs one image and removes its files. Does not reject for what the store does wrong: that is a violation. Cost: 0.1 to 0.3 s. */
export async function crashImage(seed: number, options: ImageOptions): Promise<ImageResult> {
  const image = new Image(seed, options)
  await image.run()
  return image.result()
}

const ACTION_WEIGHTS = { commit: 10, group: 3, sweep: 2, rotate: 1, quarantine: 1, tidy: 1, close: 1 } as const
type Action = keyof typeof ACTION_WEIGHTS
const CUT_WEIGHTS = {
  ...ACTION_WEIGHTS,
  commit: 4,
  group: 2,
  sweep: 4,
  rotate: 2,
  quarantine: 3,
  close: 4,
  create: 5,
  open: 2,
  idle: 3,
} as const
/** About how many disk operations each takes: the cut falls within. */
const CUT_WITHIN: Readonly<Record<Phase, number>> = {
  create: 100,
  recover: 16,
  open: 16,
  commit: 16,
  group: 24,
  sweep: 32,
  rotate: 10,
  quarantine: 24,
  tidy: 40,
  close: 40,
  idle: 0,
}

class PowerCut extends Error {}

class Image {
  private readonly seed: number
  private readonly options: ImageOptions
  private readonly random: Random
  private readonly path: string
  private readonly disk: SimulatedDisk
  private readonly sqlite: WasmSqlite
  private readonly author: Author
  private readonly order: CommitOrder
  private readonly positions = new PublishedPositions()
  private readonly cuts: Cut[] = []
  private readonly violations: string[] = []
  private readonly sums = { looked: 0, lost: 0, suffixLosses: 0, keptUnderWay: 0, tailLostReports: 0 }
  private phase: Phase = 'create'
  private file: SpaceFile | null = null
  private nonce = '' as EpochNonce
  private replicaId: ReplicaId | null = null
  private nowMs = 1_700_000_000_000

  constructor(seed: number, options: ImageOptions) {
    this.seed = seed
    this.options = options
    this.random = new Random(seed)
    this.path = join(options.folder, `image-${seed}.db`)
    const streamFor = (cause: string): Random => Random.of(seed, cause)
    this.disk = new SimulatedDisk({ folder: options.folder, random: streamFor('disk'), ignoresSync: options.ignoresSync ?? false })
    const checkpointPages = this.random.pick([4, 12, 40, 2000])
    this.sqlite = loadWasmSqlite({ disk: this.disk, random: streamFor('salts'), checkpointPages })
    this.author = new Author(streamFor('author'), this.random.weighted({ 60: 6, 3_000: 2, 60_000: 1 }) as unknown as number)
    this.order = new CommitOrder(this.author)
  }

  async run(): Promise<void> {
    const lives = 1 + this.random.below(3)
    const endsNatively = this.random.chance(0.7)
    try {
      for (let life = 1; life <= lives; life++) {
        this.live(life)
        if (life < lives || !endsNatively) this.recover()
      }
      if (!endsNatively) this.shut()
      await this.reopenNatively(endsNatively)
    } catch (error) {
      this.violations.push(error instanceof Error ? error.message : String(error))
    } finally {
      this.file?.close()
      this.sqlite.closeAll()
      this.disk.release()
      for (const suffix of ['', '-wal', '-shm', '-journal', '.lock.db', '.lock.pid']) rmSync(this.path + suffix, { force: true })
    }
  }

  result(): ImageResult {
    const { seed, cuts, violations, sums } = this
    const { durability, creationCut = null } = this.options
    return { seed, durability, creationCut, cuts, violations, ...sums, operations: this.disk.operations }
  }

  /** Writes until the power goes. */
  private live(life: number): void {
    const { random } = this
    const drawn = random.weighted(life === 1 ? CUT_WEIGHTS : { ...CUT_WEIGHTS, create: 0 })
    const { creationCut } = this.options
    const target = life === 1 && creationCut !== undefined ? 'create' : drawn
    this.untilCut(() => {
      if (life === 1) {
        if (target === 'create') this.disk.cutAfter(creationCut ?? random.below(CUT_WITHIN.create))
        this.create()
      }
      const before = random.below(16)
      for (let i = 0; i < before; i++) this.act(random.weighted(ACTION_WEIGHTS))
      if (target === 'idle' || target === 'create') return
      if (target === 'open') this.shut()
      this.disk.cutAfter(random.below(CUT_WITHIN[target]))
      if (target === 'open') this.open('open')
      else this.act(target)
      // what its operations were fewer than thought
      for (let i = 0; i < 6; i++) this.act(random.weighted(ACTION_WEIGHTS))
    })
  }

  /** Runs `work` until it ends or the power goes; then the power is gone, and what survived stands in the files. */
  private untilCut(work: () => void): void {
    try {
      work()
      this.phase = 'idle'
    } catch (error) {
      if (this.disk.cutPlace === null) throw new Error(`${this.phase} failed: ${wordsOf(error)}`, { cause: error })
    }
    this.cutPower()
  }

  private cutPower(): void {
    const place = this.disk.cutPlace
    this.disk.die()
    this.sqlite.closeAll()
    this.file = null
    const { torn } = this.disk.restorePower()
    this.cuts.push({ phase: this.phase, place, torn })
  }

  /** Opens after a cut; the opening may be cut in turn. */
  private recover(): void {
    for (let attempt = 0; ; attempt++) {
      this.phase = 'recover'
      if (attempt < 3 && this.random.chance(0.35)) this.disk.cutAfter(this.random.below(CUT_WITHIN.recover))
      try {
        const opened = this.openFile()
        this.disk.cancelCut()
        const reader = new SpaceReader(this.sqlite.newest())
        const complaints = structureComplaints(this.sqlite.newest(), 10)
        if (complaints.length > 0) throw new Error(`SQLite finds ${complaints.join('; ')}`)
        this.check(reader, opened)
        this.author.takeUp(reader)
        return
      } catch (error) {
        if (this.disk.cutPlace === null) throw new Error(`after ${this.whereCut()}: ${wordsOf(error)}`, { cause: error })
        this.cutPower()
      }
    }
  }

  /** What must hold of a store that was opened after a cut. Then the next life stands on it. */
  private check(reader: StoreReader, opened: Pick<Opened, 'openReason' | 'replicaId' | 'tailLost' | 'logDamaged'>): void {
    if (opened.logDamaged) throw new Error('rows are missing from the log')
    if (opened.tailLost) this.sums.tailLostReports++
    this.note(opened.openReason === 'created' ? this.order.recoverNothing() : this.order.recover(reader), opened.openReason)
    if (opened.openReason === 'opened' && this.replicaId !== null && opened.replicaId !== this.replicaId) {
      throw new Error(`the replica ${this.replicaId} opened as ${opened.replicaId}`)
    }
    if (opened.openReason === 'copied') throw new Error('the file was taken for a copy')
    const forks = this.positions.forks(reader)
    if (forks.length > 0) throw new Error(forks[0])
    this.positions.reopened(reader)
    this.started('recover', opened, reader)
  }

  private note({ looked, lost, missing, keptUnderWay }: ReturnType<CommitOrder['recover']>, reason: OpenReason): void {
    this.sums.looked += looked
    this.sums.lost += lost
    if (keptUnderWay) this.sums.keptUnderWay++
    if (missing.length === 0) return
    this.sums.suffixLosses++
    if (this.options.durability === 'disk') throw new Error(`acknowledged and lost (${reason}): ${missing.join(', ')}`)
  }

  private create(): void {
    this.phase = 'create'
    const opened = this.openFile()
    this.started('create', opened, new SpaceReader(this.sqlite.newest()))
  }

  private open(phase: Phase): void {
    this.phase = phase
    const opened = this.openFile()
    if (opened.openReason !== 'opened') throw new Error(`an opening without a crash was "${opened.openReason}"`)
    this.started(phase, opened, new SpaceReader(this.sqlite.newest()))
  }

  private openFile(): Opened {
    const { path, nowMs: atMs } = this
    const request = { path, space: DEFAULT_SPACE, durability: this.options.durability, replicaId: null, maxPages: null, atMs }
    this.file = new SpaceFile(this.sqlite.Database, request, { random: (n) => this.random.bytes(n) })
    return this.file.opened
  }

  private started(phase: Phase, { replicaId }: Pick<Opened, 'replicaId'>, reader: StoreReader): void {
    this.replicaId = replicaId
    if (phase !== 'create') this.order.begin(phase)
    this.startEpoch(reader.nonce())
  }

  /** The newest step is done, and began this epoch. */
  private startEpoch(nonce: EpochNonce): void {
    this.nonce = nonce
    this.order.acknowledge(nonce)
    this.positions.startEpoch(nonce)
  }

  private shut(): void {
    this.phase = 'close'
    this.file!.close()
    this.file = null
    // close() keeps what it cannot do for the next opening
    if (this.disk.cutPlace !== null) throw new PowerCut()
  }

  private act(action: Action): void {
    this.phase = action
    this.nowMs += this.random.below(1500)
    if (action === 'commit') this.commit(1)
    else if (action === 'group') this.commit(2 + this.random.below(3))
    else if (action === 'sweep') this.sweep()
    else if (action === 'rotate') this.rotate()
    else if (action === 'quarantine') this.quarantine()
    else if (action === 'tidy') {
      this.file!.tidy()
      if (this.disk.cutPlace !== null) throw new PowerCut()
    } else {
      this.shut()
      this.open('open')
    }
  }

  private commit(count: number): void {
    const { model } = this.order
    const group = Array.from({ length: count }, () => {
      const transaction = this.author.transaction(model.reader, this.nonce)
      model.commitNow(transaction)
      return transaction
    })
    this.order.begin(this.phase, count)
    this.file!.commit(group.map(packTransaction), this.nowMs)
    this.order.acknowledge()
    for (const transaction of group) {
      this.positions.publish(transaction.rows.map(rowId))
      this.author.publish(transaction)
    }
  }

  private sweep(): void {
    const { model } = this.order
    const docs = this.author.compaction(model.reader)
    const expected = model.sweepNow(docs)
    this.order.begin('sweep')
    const { installed, nonce, head } = this.file!.sweep(docs, this.nowMs)
    if (JSON.stringify([installed, head]) !== JSON.stringify([expected.installed, expected.head])) {
      throw new Error(`a sweep installed ${JSON.stringify(installed)}, expected ${JSON.stringify(expected.installed)}`)
    }
    this.startEpoch(nonce)
    this.positions.publish(installed.map(() => MARKER))
  }

  private rotate(): void {
    this.order.model.rotateEpochNow()
    this.order.begin('rotate')
    this.startEpoch(this.file!.rotateEpoch('rollback', this.nowMs))
  }

  private quarantine(): void {
    const name = this.random.pick(NAMES)
    this.order.model.quarantineNow(keyOf(name))
    this.order.begin('quarantine')
    const nonce = this.file!.quarantine(keyOf(name), this.nowMs)
    this.author.forget(name)
    this.startEpoch(nonce)
  }

  private async reopenNatively(afterCut: boolean): Promise<void> {
    const { author, path, options } = this
    const check = ({ reader, opened }: Reopened): void => {
      this.check(reader, opened)
      author.takeUp(reader)
    }
    const next = (): ReturnType<Author['transaction']> => {
      const transaction = author.transaction(this.order.model.reader, this.nonce)
      this.order.model.commitNow(transaction)
      author.publish(transaction)
      return transaction
    }
    try {
      const found = await checkNatively({ path, durability: options.durability, author, seed: this.seed, nowMs: this.nowMs, check, next })
      this.violations.push(...found)
    } catch (error) {
      throw new Error(`${afterCut ? `after ${this.whereCut()}` : 'after a close'}, opened natively: ${wordsOf(error)}`, { cause: error })
    }
  }

  private whereCut(): string {
    const { phase, place } = this.cuts.at(-1)!
    return place === null ? `a cut while ${phase}` : `a cut in ${phase} (${place.operation} of ${place.file.replace(/^image-\d+/, '')})`
  }
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
