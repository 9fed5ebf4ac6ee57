// A disk that loses power. Decides: what is durable and what only the system's cache holds. The cache is a real file in a real folder, which the program reads and which
// `stat` sees; beside it this keeps, per file, the bytes that were synced and the writes and truncations since, and the same for the folder's entries. A cut keeps what was
// synced, and of the rest nothing, everything, a subset or a prefix, each write possibly torn at 512 bytes; restorePower() writes that image over the files in place, so that
// inode and birth time stay, as they do on a real disk. Read by wasm-sqlite.ts, whose SQLite calls these functions in place of node:fs. Assumed, as SQLite's own unix layer
// does: a write never harms bytes outside its range, and the first sync of a journal or WAL after its opening syncs the folder.

import * as host from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { Random } from '@syncline/testing'

const SECTOR_BYTES = 512

type Change = { readonly at: number; readonly bytes: Uint8Array } | { readonly size: number }

interface Pending {
  /** Position in the order of everything that was done to the disk. */
  readonly order: number
  readonly change: Change
}

interface DiskFile {
  synced: Uint8Array
  pending: Pending[]
}

interface OpenFile {
  readonly name: string
  /** Null: the folder itself. */
  readonly file: DiskFile | null
  /** The next sync brings the folder along. */
  syncsFolder: boolean
}

interface FolderChange {
  readonly order: number
  readonly name: string
  /** Null: the name was deleted. */
  readonly file: DiskFile | null
}

/** Which of the unsynced operations survive a cut. */
export type Survival = 'none' | 'all' | 'subset' | 'prefix'

export interface CutFacts {
  readonly survival: Survival
  /** Operations that were not synced. */
  readonly unsynced: number
  readonly lost: number
  readonly torn: number
}

export interface CutPlace {
  readonly operation: 'create' | 'write' | 'truncate' | 'sync' | 'delete'
  /** Name of the file. */
  readonly file: string
}

export class SimulatedDisk {
  readonly folder: string
  /** What the power was cut in; null while it is on. */
  cutPlace: CutPlace | null = null
  /** Operations that change something, since the disk exists. */
  operations = 0
  private readonly random: Random
  private readonly ignoresSync: boolean
  private countdown = Infinity
  private isDead = false
  private readonly synced = new Map<string, DiskFile>()
  private readonly cached = new Map<string, DiskFile>()
  private folderChanges: FolderChange[] = []
  private readonly open = new Map<number, OpenFile>()

  /** `ignoresSync`: a disk that says "synced" and syncs nothing. */
  constructor(options: { readonly folder: string; readonly random: Random; readonly ignoresSync?: boolean }) {
    this.folder = options.folder
    this.random = options.random
    this.ignoresSync = options.ignoresSync ?? false
  }

  /** Cuts the power in the operation after the next `operations`. Everything after it fails. */
  cutAfter(operations: number): void {
    this.countdown = operations
  }

  cancelCut(): void {
    this.countdown = Infinity
  }

  /** The power goes now, between two operations, where it is not gone yet. */
  die(): void {
    this.isDead = true
  }

  /** Lets go of the files. */
  release(): void {
    for (const fd of this.open.keys()) host.closeSync(fd)
    this.open.clear()
  }

  /** After a cut: puts the files into the state that survived it. The program must have let go of its files. */
  restorePower(): CutFacts {
    this.release()
    const facts = this.survivors()
    for (const name of new Set([...this.cached.keys(), ...this.synced.keys()])) {
      const file = this.synced.get(name)
      if (file === undefined) host.rmSync(this.pathOf(name), { force: true })
      else writeInPlace(this.pathOf(name), file.synced)
    }
    this.cached.clear()
    for (const [name, file] of this.synced) this.cached.set(name, file)
    this.folderChanges = []
    this.cutPlace = null
    this.isDead = false
    this.countdown = Infinity
    return facts
  }

  /** What SQLite's file layer asks of node:fs. */
  readonly fs = {
    constants: host.constants,
    openSync: (path: string, flags: number | string, mode?: number): number => this.openFile(path, flags, mode),
    closeSync: (fd: number): void => {
      if (this.open.delete(fd)) host.closeSync(fd)
    },
    readSync: (fd: number, buffer: Uint8Array, offset: number, length: number, position: bigint | number): number => {
      this.assertPower()
      return host.readSync(fd, buffer, offset, length, Number(position))
    },
    writeSync: (fd: number, buffer: Uint8Array, offset: number, length: number, position: number): number => {
      const { name, file } = this.open.get(fd)!
      const bytes = buffer.slice(offset, offset + length)
      // a write under way when the power goes may have reached the medium
      this.changing('write', name, () => file!.pending.push({ order: this.operations, change: { at: position, bytes } }))
      return host.writeSync(fd, bytes, 0, length, position)
    },
    ftruncateSync: (fd: number, size: number): void => {
      const { name, file } = this.open.get(fd)!
      this.changing('truncate', name, () => file!.pending.push({ order: this.operations, change: { size } }))
      host.ftruncateSync(fd, size)
    },
    fsyncSync: (fd: number): void => this.sync(fd),
    fstatSync: (fd: number): host.Stats => {
      this.assertPower()
      return host.fstatSync(fd)
    },
    unlinkSync: (path: string): void => {
      const name = basename(path)
      if (!this.cached.has(name)) throw Object.assign(new Error(`${name} does not exist`), { code: 'ENOENT' })
      this.changing('delete', name, () => this.folderChanges.push({ order: this.operations, name, file: null }))
      this.cached.delete(name)
      host.unlinkSync(path)
    },
    accessSync: (path: string): void => {
      this.assertPower()
      if (!this.cached.has(basename(path))) throw Object.assign(new Error(`${path} does not exist`), { code: 'ENOENT' })
    },
    // its lock on an open file; the store has a lock of its own, and no lock outlives a power cut
    mkdirSync: (): void => this.assertPower(),
    rmdirSync: (): void => undefined,
    readFileSync: host.readFileSync,
  }

  private openFile(path: string, flags: number | string, mode?: number): number {
    this.assertPower()
    if (typeof flags === 'string') {
      const fd = host.openSync(path, flags)
      this.open.set(fd, { name: '', file: null, syncsFolder: true })
      return fd
    }
    const name = basename(path)
    let file = this.cached.get(name)
    if (file === undefined) {
      if ((flags & host.constants.O_CREAT) === 0) throw Object.assign(new Error(`${name} does not exist`), { code: 'ENOENT' })
      const created = { synced: new Uint8Array(0), pending: [] }
      this.changing('create', name, () => this.folderChanges.push({ order: this.operations, name, file: created }))
      this.cached.set(name, created)
      file = created
      createAged(path)
    }
    const fd = host.openSync(path, flags, mode)
    this.open.set(fd, { name, file, syncsFolder: (flags & host.constants.O_CREAT) !== 0 && /-(wal|journal)$/.test(name) })
    return fd
  }

  private sync(fd: number): void {
    const opened = this.open.get(fd)!
    const { name, file } = opened
    let done = false
    this.changing('sync', name, () => (done = !this.isDead))
    if (!done || this.ignoresSync) return
    if (opened.syncsFolder) this.syncFolder()
    opened.syncsFolder = false
    if (file === null) return
    file.synced = contentAfter(file, () => 'whole', this.random).bytes
    file.pending = []
  }

  private syncFolder(): void {
    for (const change of this.folderChanges) this.makeEntry(change)
    this.folderChanges = []
  }

  private makeEntry({ name, file }: FolderChange): void {
    if (file === null) this.synced.delete(name)
    else this.synced.set(name, file)
  }

  /** Counts an operation and notes it; throws where the power goes, or is gone. */
  private changing(operation: CutPlace['operation'], file: string, note: () => unknown): void {
    this.assertPower()
    this.operations++
    if (this.countdown-- <= 0) {
      this.cutPlace = { operation, file }
      this.isDead = true
    }
    note()
    this.assertPower()
  }

  private assertPower(): void {
    if (this.isDead) throw Object.assign(new Error('the power is gone'), { code: 'EIO' })
  }

  /** Draws what survives and makes it the synced state. */
  private survivors(): CutFacts {
    const survival = this.random.weighted<Survival>({ none: 2, all: 1, subset: 5, prefix: 2 })
    const files = new Set([...this.synced.values(), ...this.folderChanges.flatMap(({ file }) => file ?? [])])
    const orders = [...this.folderChanges, ...[...files].flatMap((file) => file.pending)]
      .map(({ order }) => order)
      .toSorted((a, b) => a - b)
    const fate = this.drawFates(survival, orders)
    let torn = 0
    for (const change of this.folderChanges) if (fate(change.order) !== 'lost') this.makeEntry(change)
    for (const file of files) {
      const after = contentAfter(file, fate, this.random)
      torn += after.torn
      file.synced = after.bytes
      file.pending = []
    }
    return { survival, unsynced: orders.length, lost: orders.filter((order) => fate(order) === 'lost').length, torn }
  }

  private drawFates(survival: Survival, orders: readonly number[]): (order: number) => Fate {
    const keeps = this.random.pick([0.1, 0.5, 0.9, 0.97])
    const tears = this.random.pick([0, 0.1, 0.5])
    const last = this.random.below(orders.length + 1)
    const fates = new Map(
      orders.map((order, index): [number, Fate] => {
        if (survival === 'none') return [order, 'lost']
        if (survival === 'all') return [order, 'whole']
        if (survival === 'prefix') return [order, index < last ? 'whole' : index === last ? 'torn' : 'lost']
        return [order, this.random.chance(keeps) ? (this.random.chance(tears) ? 'torn' : 'whole') : 'lost']
      }),
    )
    return (order) => fates.get(order)!
  }

  private pathOf(name: string): string {
    return join(this.folder, name)
  }
}

type Fate = 'whole' | 'torn' | 'lost'

/** The file's bytes when its pending changes met their fates. What a file grew over without it being written holds zeros, or whatever was on the medium before. */
function contentAfter(file: DiskFile, fate: (order: number) => Fate, random: Random): { bytes: Uint8Array; torn: number } {
  let bytes: Uint8Array = file.synced
  let length = bytes.length
  let torn = 0
  let stale: boolean | null = null
  const grow = (size: number): void => {
    if (size > bytes.length) {
      const larger = new Uint8Array(Math.max(size, bytes.length * 2))
      larger.set(bytes.subarray(0, length))
      bytes = larger
    }
    if (size > length) bytes.fill(0, length, size)
  }
  if (file.pending.length > 0) bytes = bytes.slice()
  for (const { order, change } of file.pending) {
    const meets = fate(order)
    if (meets === 'lost') continue
    if ('size' in change) {
      grow(change.size)
      length = change.size
      continue
    }
    const { at } = change
    if (at > length) {
      grow(at)
      stale ??= random.chance(0.25)
      if (stale) bytes.set(random.bytes(Math.min(at - length, 4 * SECTOR_BYTES)), length)
    }
    const parts = sectorsOf(at, change.bytes)
    const isTorn = meets === 'torn' && parts.length > 1
    if (isTorn) torn++
    for (const part of isTorn ? tornParts(parts, random) : parts) {
      const end = part.at + part.bytes.length
      grow(end)
      bytes.set(part.bytes, part.at)
      length = Math.max(length, end)
    }
  }
  return { bytes: bytes.slice(0, length), torn }
}

interface Part {
  readonly at: number
  readonly bytes: Uint8Array
}

function sectorsOf(at: number, bytes: Uint8Array): Part[] {
  const parts: Part[] = []
  for (let from = at; from < at + bytes.length;) {
    const to = Math.min(at + bytes.length, (Math.floor(from / SECTOR_BYTES) + 1) * SECTOR_BYTES)
    parts.push({ at: from, bytes: bytes.subarray(from - at, to - at) })
    from = to
  }
  return parts
}

/** The first of them, the last of them, or any: at least one is missing, and at least one is there. */
function tornParts(parts: readonly Part[], random: Random): Part[] {
  const split = 1 + random.below(parts.length - 1)
  const how = random.below(3)
  if (how === 0) return parts.slice(0, split)
  if (how === 1) return parts.slice(split)
  const missing = random.below(parts.length)
  const kept = parts.filter((_, index) => index !== missing && random.chance(0.5))
  return kept.length > 0 ? kept : [parts[(missing + 1) % parts.length]!]
}

/** A file whose change time is later than its birth time: one that is too young cannot be told from a copy, and the store would take another way at its close. */
function createAged(path: string): void {
  host.writeFileSync(path, '', { flag: 'wx' })
  const times = new Date(1_700_000_000_000)
  // some file systems keep no birth times: then there is nothing to wait for
  for (let tries = 0; tries < 10_000; tries++) {
    const { birthtimeNs, ctimeNs } = host.statSync(path, { bigint: true })
    if (birthtimeNs !== ctimeNs) return
    host.utimesSync(path, times, times)
  }
}

function writeInPlace(path: string, bytes: Uint8Array): void {
  if (host.existsSync(dirname(path))) host.writeFileSync(path, bytes, { flag: host.existsSync(path) ? 'r+' : 'w' })
  host.truncateSync(path, bytes.length)
}
