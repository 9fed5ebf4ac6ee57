// One space file, open for writing in the writer thread. Decides, in this order: what the file is, whether commits were lost, the schema, whose
// file it is now (created, opened, copied), and the new epoch; then, while it is open, that it is still the file at its path; then what is tidied
// when idle and at close. The lock on the file is held by the main thread (space-lock.ts). Rules: ID-1, DU-1, DU-2.
//
// Why a copy keeps the epochs of its original: a nonce vouches for a prefix of a log, and the copy has that very prefix. Peers keep cursors by
// replica id, so nobody shows the copy a cursor of the original; if somebody did, positions up to the copy's head are answered truly, and later
// ones are beyond the end that is fixed here, so they lead to a reconciliation. Receive cursors, acks and refusals are dropped: they are
// agreements between peers and the original.

import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import { SynclineError, ZERO_DIGEST, replicaIdFromBytes, type ReplicaId, type SpaceId } from '@syncline/protocol/stored'
import type { CompactedDoc, OpenReason, SweepResult } from '../store.ts'
import { Ballast } from './ballast.ts'
import { fingerprintOf, isSameFile, type Fingerprint } from './file-fingerprint.ts'
import { readIdentity, readState, writeIdentity, writeState, type Identity } from './file-meta.ts'
import { formatOf, inspectFile, isWalTailLost, walBytes } from './inspect-file.ts'
import type { Database, DatabaseConstructor } from './load-sqlite.ts'
import { migrate, migrations, type Migration } from './migrations.ts'
import type { PackedTransaction } from './packed-transaction.ts'
import { readDurability, setPragmas } from './pragmas.ts'
import type { SqliteDurability } from './sqlite-api.ts'
import { SpaceWriter, type EpochWhy } from './space-writer.ts'
import { asStoreError } from './sqlite-error.ts'
import {
  atomically,
  checkpoint,
  readStatements,
  freePages,
  releasePages,
  writeStatements,
  type ReadStatements,
  type WriteStatements,
} from './statements.ts'
import { upgradeFile } from './upgrade-file.ts'
import type { UpgradeStage } from './upgrade-notice.ts'

export interface OpenRequest {
  readonly path: string
  readonly space: SpaceId
  readonly durability: SqliteDurability
  /** Of a new file or of a copy; random when null. */
  readonly replicaId: ReplicaId | null
  readonly maxPages: number | null
  readonly atMs: number
}

/** What opening found out. */
export interface Opened {
  readonly replicaId: ReplicaId
  readonly durability: SqliteDurability
  readonly openReason: OpenReason
  /** Commits at the end of the WAL could not be read back: the store is an older prefix than it was. Peers notice by their cursors. */
  readonly tailLost: boolean
  /** The log has fewer rows than it counted. Its epochs were forgotten, so that no peer resumes over the gap; documents are checked as they are read. */
  readonly logDamaged: boolean
}

/** What only a simulation, a test or the writer thread gives. */
export interface OpenWith {
  /** Where replica ids and nonces come from; only a simulated disk, which must replay, gives another. */
  readonly random?: (n: number) => Uint8Array
  /** Default: the formats of this release. */
  readonly steps?: readonly Migration[]
  /** A file of an older format is being upgraded. */
  readonly onUpgrade?: (stage: UpgradeStage) => void
}

/** Logs up to this many rows are counted at open (about 0.1 s per million). */
const COUNTED_ROWS_MAX = 1_000_000
const REPLACED_CHECK_MS = 1_000
const IDLE_WAL_BYTES = 256 * 1024
const IDLE_FREE_PAGES = 16
const IDLE_PAGES_RELEASED = 1_000
const CLOSE_PAGES_RELEASED = 4_000
const BUSY_MS = 1_000

export class SpaceFile {
  readonly opened: Opened
  private readonly path: string
  private readonly db: Database
  private readonly writer: SpaceWriter
  private readonly ballast: Ballast
  private readonly fingerprint: Fingerprint
  private checkedAtMs: number
  private replaced: SynclineError | null = null

  /** Throws "store-foreign", "store-newer", "store-corrupt", "store-io", "store-full", "store-locked", "store-pragma"; a refused file keeps its bytes. */
  constructor(Sqlite: DatabaseConstructor, request: OpenRequest, how: OpenWith = {}) {
    const { path } = request
    const { random = randomBytes, steps = migrations, onUpgrade: tell = () => undefined } = how
    const format = inspectFile(Sqlite, path, steps.at(-1)!.version)
    this.path = path
    this.checkedAtMs = request.atMs
    this.ballast = new Ballast(path)
    this.db = connect(Sqlite, path)
    try {
      const { opened, identity } = openSpace(Sqlite, this.db, request, { format, random, steps, tell })
      this.opened = opened
      this.fingerprint = identity.fingerprint
      this.writer = new SpaceWriter(this.db, request.space, random)
      this.writer.rotateEpoch(opened.openReason, request.atMs)
      if (format === 0) checkpoint(this.db) // so that the file is ours even without its WAL
      this.ballast.lay()
    } catch (error) {
      this.db.close()
      throw asStoreError(error, `The file ${path} cannot be opened`)
    }
  }

  /** All or nothing. On return: committed at the durability of the file, and the file was still at its path within the last second. */
  commit(group: readonly PackedTransaction[], atMs: number): void {
    if (!this.ballast.isInPlace()) throw new SynclineError('store-full', `The disk of ${this.path} is still full.`)
    this.writing(atMs, () => this.writer.commit(group, atMs))
  }

  sweep(docs: readonly CompactedDoc[], atMs: number): SweepResult {
    return this.writing(atMs, () => this.writer.sweep(docs, atMs))
  }

  rotateEpoch(why: EpochWhy, atMs: number): ReturnType<SpaceWriter['rotateEpoch']> {
    return this.writing(atMs, () => this.writer.rotateEpoch(why, atMs))
  }

  quarantine(key: Parameters<SpaceWriter['quarantine']>[0], atMs: number): ReturnType<SpaceWriter['quarantine']> {
    return this.writing(atMs, () => this.writer.quarantine(key, atMs))
  }

  /** Called when nothing was written for a while. True: there is more to tidy at the next pause. What is left undone is done then, at close or at the next open. */
  tidy(): boolean {
    this.writer.forget()
    const free = freePages(this.db)
    if (walBytes(this.path) < IDLE_WAL_BYTES && free < IDLE_FREE_PAGES) return false
    try {
      releasePages(this.db, IDLE_PAGES_RELEASED)
      checkpoint(this.db)
      return free > IDLE_PAGES_RELEASED
    } catch {
      // a reader in the way or a full disk: later
      return false
    }
  }

  /** Tidies and closes. What cannot be tidied (a full disk) stays in the WAL, committed as it is. */
  close(): void {
    try {
      if (this.replaced === null) {
        this.completeFingerprint()
        releasePages(this.db, CLOSE_PAGES_RELEASED)
        checkpoint(this.db)
      }
    } catch {
      // the next open takes the WAL up
    } finally {
      this.db.close()
    }
  }

  /** A file is too young at its creation to tell its birth time from its last change; at its close it no longer is. */
  private completeFingerprint(): void {
    const found = fingerprintOf(this.path)
    if (this.fingerprint.birthtimeNs !== null || found?.birthtimeNs == null) return
    const fingerprint = found
    atomically(this.db, () => writeIdentity(writeStatements(this.db), { ...readIdentity(readStatements(this.db)), fingerprint }))
  }

  private writing<T>(atMs: number, write: () => T): T {
    if (this.replaced !== null) throw this.replaced
    try {
      const result = write()
      this.assertStillThere(atMs)
      return result
    } catch (error) {
      const typed = asStoreError(error, `Writing ${this.path} failed`)
      if (typed.code === 'store-full') this.ballast.giveUp()
      throw typed
    }
  }

  /** An unlinked or replaced file takes writes without an error, and loses them (TRAPS T23). */
  private assertStillThere(atMs: number): void {
    if (Math.abs(atMs - this.checkedAtMs) < REPLACED_CHECK_MS) return
    const found = fingerprintOf(this.path)
    if (found !== null && isSameFile(found, this.fingerprint)) {
      this.checkedAtMs = atMs
      return
    }
    this.replaced = new SynclineError('store-replaced', `${this.path} ${found === null ? 'was deleted or moved' : 'is another file now'}.`)
    throw this.replaced
  }
}

function connect(Sqlite: DatabaseConstructor, path: string): Database {
  try {
    return new Sqlite(path, { timeout: BUSY_MS })
  } catch (error) {
    throw asStoreError(error, `The file ${path} cannot be opened for writing`)
  }
}

interface Settled {
  readonly opened: Opened
  readonly identity: Identity
}

interface Opening {
  /** Of the file, 0: new. */
  readonly format: number
  readonly random: (n: number) => Uint8Array
  readonly steps: readonly Migration[]
  readonly tell: (stage: UpgradeStage) => void
}

function openSpace(Sqlite: DatabaseConstructor, db: Database, request: OpenRequest, { format, random, steps, tell }: Opening): Settled {
  const { path, space, durability, maxPages } = request
  const fresh = format === 0
  // the writing connection is the first that may roll a journal back
  if (fresh && formatOf(db, path) !== 0) throw new SynclineError('store-corrupt', `The journal of ${path} brought content back.`)
  const framesRead = fresh ? 0 : frameCount(db)
  const tailLost = !fresh && isWalTailLost(path, framesRead)
  setPragmas(db, { fresh, durability, maxPages })
  const settled = (): Settled => settle(db, request, { format, random, steps, tailLost })
  const isCurrent = fresh || format === steps.at(-1)!.version
  return isCurrent ? settled() : upgradeFile(Sqlite, db, { path, from: format, steps, tell }, space, settled)
}

/** One transaction: the schema, whose file it is, and whether its log is whole. */
function settle(
  db: Database,
  request: OpenRequest,
  { format, random, steps, tailLost }: Omit<Opening, 'tell'> & { readonly tailLost: boolean },
): Settled {
  const { path, space } = request
  return atomically(db, () => {
    migrate(db, format, steps)
    const [reads, writes] = [readStatements(db), writeStatements(db)]
    const stored = format === 0 ? null : readIdentity(reads)
    if (stored !== null && stored.space !== space) {
      throw new SynclineError('store-foreign', `${path} holds the space "${stored.space}", not "${space}".`)
    }
    if (stored === null) writeState(writes, { head: 0, removed: 0, documents: 0, root: ZERO_DIGEST })
    const { identity, openReason } = identify(stored, fingerprintOf(path)!, request, random)
    if (openReason === 'copied') {
      writes.dropCursors.run()
      writes.dropAcks.run()
      writes.dropRefusals.run()
    }
    writeIdentity(writes, identity)
    const logDamaged = !isLogComplete(reads)
    if (logDamaged) acceptGap(reads, writes)
    return { opened: { replicaId: identity.replicaId, durability: readDurability(db), openReason, tailLost, logDamaged }, identity }
  })
}

function identify(
  stored: Identity | null,
  fingerprint: Fingerprint,
  request: OpenRequest,
  random: (n: number) => Uint8Array,
): { identity: Identity; openReason: OpenReason } {
  const openReason = stored === null ? 'created' : isSameFile(stored.fingerprint, fingerprint) ? 'opened' : 'copied'
  const replicaId = openReason === 'opened' ? stored!.replicaId : (request.replicaId ?? replicaIdFromBytes(random(16)))
  // a birth time once known is kept: a later stat may not tell it
  const birthtimeNs = fingerprint.birthtimeNs ?? (openReason === 'opened' ? stored!.fingerprint.birthtimeNs : null)
  return { identity: { replicaId, space: request.space, fingerprint: { ...fingerprint, birthtimeNs }, host: hostname() }, openReason }
}

/** Frames that SQLite took from the WAL, which this moves into the file. */
function frameCount(db: Database): number {
  const [result] = db.pragma('wal_checkpoint(PASSIVE)') as { log: number }[]
  return Math.max(result?.log ?? 0, 0)
}

function isLogComplete(reads: ReadStatements): boolean {
  const { head, removed } = readState(reads)
  if ((reads.lastLogSeq.get() ?? 0) > head) return false
  return head - removed > COUNTED_ROWS_MAX || reads.logRowCount.get() === head - removed
}

/** The count is taken from the rows that are there, and no older position is vouched for. */
function acceptGap(reads: ReadStatements, writes: WriteStatements): void {
  const state = readState(reads)
  const head = Math.max(state.head, reads.lastLogSeq.get() ?? 0)
  writeState(writes, { ...state, head, removed: head - (reads.logRowCount.get() ?? 0) })
  writes.forgetEpochs.run()
}
