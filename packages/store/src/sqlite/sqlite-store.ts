// A store in one SQLite file: reads on this thread over a read-only connection, writes in the writer thread. Decides: the order of opening (lock,
// file, reader) and of closing (finish, reader, file, lock). Rules: ST-1 onward, DU-1, ID-1.

import { existsSync, realpathSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { SynclineError, type DocKey, type EpochNonce, type ReplicaId, type SpaceId } from '@syncline/protocol/stored'
import type { CompactedDoc, OpenReason, SweepResult, Transaction } from '../store.ts'
import { systemClock, type Clock } from './clock.ts'
import { loadSqlite } from './load-sqlite.ts'
import { buffersOf, packCompacted, packTransaction } from './packed-transaction.ts'
import { SpaceReader } from './space-reader.ts'
import type { CommitCounters, SqliteDurability, SqliteStore, SqliteStoreOptions } from './sqlite-api.ts'
import { lockSpace, type SpaceLock } from './space-lock.ts'
import { asStoreError } from './sqlite-error.ts'
import type { OpenRequest } from './space-file.ts'
import { relayNotices } from './upgrade-notice.ts'
import { WriterFile } from './writer.ts'
import type { FileAnswers, FileWork } from './writer-messages.ts'

/** How long close() waits for the disk before it gives up with "store-io". */
const CLOSE_DEADLINE_MS = 10_000

/** Opens or creates the file. Rejects with "sqlite-missing", "store-locked", "store-foreign", "store-newer", "store-corrupt", "store-full", "store-io",
 *  "store-pragma", "argument-invalid"; a refused file keeps its bytes. A file of an older format is upgraded, with a backup of it kept beside it. Cost: some 10 ms, the
 *  first one of a process about 100 (it starts the thread); an upgrade writes and reads the whole file. */
export async function openSqliteStore(options: SqliteStoreOptions): Promise<SqliteStore> {
  const Sqlite = await loadSqlite()
  const path = realPath(options.path)
  const clock = options.clock ?? systemClock
  const lock = lockSpace(Sqlite, path)
  let file: WriterFile | null = null
  try {
    const { space, durability, replicaId = null, maxPages = null, waits = false } = options
    file = await openFile({ path, space, durability, replicaId, maxPages, atMs: clock.now() }, clock, options.onUpgrade)
    const reader = new SpaceReader(new Sqlite(path, { readonly: true, fileMustExist: true }))
    return new StoreInSqlite({ space, file, reader, lock, clock, waits })
  } catch (error) {
    if (file !== null) {
      await file.ask({ kind: 'close' }, { generation: 0, atMs: 0 }).catch(() => undefined)
      file.release()
    }
    lock.release()
    throw asStoreError(error, `${path} cannot be opened`)
  }
}

async function openFile(request: OpenRequest, clock: Clock, onUpgrade?: SqliteStoreOptions['onUpgrade']): Promise<WriterFile> {
  const notices = relayNotices(clock, (notice) => onUpgrade?.(notice))
  try {
    return await WriterFile.open(request, (stage) => notices.heard(stage))
  } finally {
    notices.end()
  }
}

/** Where the file really is, so that two names of one file share one lock. Throws "argument-invalid", "store-io". */
export function realPath(path: string): string {
  if (path === '' || path === ':memory:' || path.trim() !== path || path.startsWith('file:')) {
    throw new SynclineError('argument-invalid', `"${path}" is not the path of a file.`)
  }
  const folder = dirname(resolve(path))
  if (!existsSync(folder)) throw new SynclineError('store-io', `The folder ${folder} does not exist.`, { detail: { path } })
  try {
    return existsSync(path) ? realpathSync(path) : join(realpathSync(folder), basename(path))
  } catch (error) {
    throw asStoreError(error, `${path} cannot be reached`)
  }
}

interface Parts {
  readonly space: SpaceId
  readonly file: WriterFile
  readonly reader: SpaceReader
  readonly lock: SpaceLock
  readonly clock: Clock
  readonly waits: boolean
}

class StoreInSqlite implements SqliteStore {
  readonly space: SpaceId
  readonly replicaId: ReplicaId
  readonly durability: SqliteDurability
  readonly openReason: OpenReason
  readonly tailLost: boolean
  readonly logDamaged: boolean
  readonly reader: SpaceReader
  readonly counters: Readonly<CommitCounters>
  private readonly file: WriterFile
  private readonly lock: SpaceLock
  private readonly clock: Clock
  private readonly waits: boolean
  private readonly pending = new Set<Promise<unknown>>()
  private generation = 0
  private closing: Promise<void> | null = null

  constructor({ space, file, reader, lock, clock, waits }: Parts) {
    const { opened } = file
    this.space = space
    this.replicaId = opened.replicaId
    this.durability = opened.durability
    this.openReason = opened.openReason
    this.tailLost = opened.tailLost
    this.logDamaged = opened.logDamaged
    this.counters = file.counters
    this.reader = reader
    this.file = file
    this.lock = lock
    this.clock = clock
    this.waits = waits
  }

  commit(transaction: Transaction): Promise<void> {
    if (this.closing !== null) return Promise.reject(storeClosed())
    const packed = packTransaction(transaction)
    return this.ask({ kind: 'commit', transaction: packed }, [packed.rows.buffer, packed.data.buffer])
  }

  commitAndWait(transaction: Transaction): true | Promise<void> {
    if (!this.waits || this.closing !== null) return this.commit(transaction)
    const packed = packTransaction(transaction)
    const how = { generation: this.generation, atMs: this.clock.now() }
    const answer = this.file.commitAndWait(packed, how, [packed.rows.buffer, packed.data.buffer])
    return answer === true ? true : this.answered(answer).then(() => undefined)
  }

  sweep(docs: readonly CompactedDoc[]): Promise<SweepResult> {
    const packed = packCompacted(docs)
    return this.ask({ kind: 'sweep', docs: packed }, buffersOf(packed.flatMap(({ update, knowledge }) => [update, knowledge])))
  }

  rotateEpoch(): Promise<EpochNonce> {
    return this.ask({ kind: 'rotate' })
  }

  quarantine(key: DocKey): Promise<EpochNonce> {
    return this.ask({ kind: 'quarantine', key })
  }

  close(): Promise<void> {
    this.closing ??= this.finish()
    return this.closing
  }

  private async ask<W extends FileWork>(work: W, transfer: readonly ArrayBuffer[] = []): Promise<FileAnswers[W['kind']]> {
    if (this.closing !== null) throw storeClosed()
    return this.answered(this.file.ask(work, { generation: this.generation, atMs: this.clock.now() }, transfer))
  }

  private async answered<T>(answer: Promise<T>): Promise<T> {
    this.pending.add(answer)
    try {
      return await answer
    } catch (error) {
      this.generation++
      throw error
    } finally {
      this.pending.delete(answer)
    }
  }

  /** The lock goes last, and stays when the disk does not answer: whoever took it then would write beside us. */
  private async finish(): Promise<void> {
    const finished = Promise.allSettled(this.pending).then(async () => {
      this.reader.close()
      // a dead thread has closed its files; "close" itself does not fail otherwise
      await this.file.ask({ kind: 'close' }, { generation: this.generation, atMs: this.clock.now() }).catch(() => undefined)
      this.file.release()
      this.lock.release()
    })
    await this.before(CLOSE_DEADLINE_MS, finished)
  }

  private async before(deadlineMs: number, work: Promise<void>): Promise<void> {
    const { promise: late, reject } = Promise.withResolvers<never>()
    const give = (): void =>
      reject(new SynclineError('store-io', `The disk did not finish within ${deadlineMs} ms; the file stays locked.`))
    const cancel = this.clock.after(deadlineMs, give)
    await Promise.race([work, late]).finally(cancel)
  }
}

function storeClosed(): SynclineError {
  return new SynclineError('store-closed', 'The store was closed.')
}
