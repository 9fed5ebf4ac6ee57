// The writer thread: one per process, for all its open files. Decides: what is put together into one SQLite transaction, who is served next, and
// who falls with a failed transaction. Requests of one file are served in order; files take turns. While a transaction is in its fsync, further
// commits queue up and become the next group. Rules: ST-4 (order), DU-1.
//
// A failure takes with it everything of that file that was sent before the sender could know of it: each request carries the sender's
// generation, which it raises when it sees a failure.

import { setImmediate } from 'node:timers'
import { workerData } from 'node:worker_threads'
import type { SynclineError } from '@syncline/protocol/stored'
import { monotonicMs, systemClock } from './clock.ts'
import { loadSqlite } from './load-sqlite.ts'
import { SpaceFile } from './space-file.ts'
import { asStoreError } from './sqlite-error.ts'
import type { UpgradeStage } from './upgrade-notice.ts'
import {
  sentError,
  type WriterAnswer,
  type WriterNotice,
  type WriterReply,
  type WriterRequest,
  type WriterStart,
} from './writer-messages.ts'

const GROUP_COMMITS_MAX = 512
const GROUP_BYTES_MAX = 8 * 1024 * 1024
const IDLE_MS = 2_000

type Work = Extract<WriterRequest, { kind: 'work' }>
type Commit = Work & { work: Extract<Work['work'], { kind: 'commit' }> }

interface OpenFile {
  readonly id: number
  readonly space: SpaceFile
  readonly queue: Work[]
  /** Requests up to this generation fall with `failure`. */
  failedGeneration: number
  failure: SynclineError | null
}

const { port, answered: answeredCount } = workerData as WriterStart
const Sqlite = await loadSqlite()
const files = new Map<number, OpenFile>()
let isScheduled = false
let cancelIdle = (): void => undefined

port.on('message', (request: WriterRequest) => {
  if (request.kind === 'end') port.close()
  else if (request.kind === 'open') open(request)
  else {
    files.get(request.file)!.queue.push(request)
    schedule()
  }
})

function open({ file, ticket, request }: Extract<WriterRequest, { kind: 'open' }>): void {
  try {
    const space = new SpaceFile(Sqlite, request, { onUpgrade: (upgrade) => notice(file, upgrade) })
    files.set(file, { id: file, space, queue: [], failedGeneration: -1, failure: null })
    reply(file, [done(ticket, space.opened)])
  } catch (error) {
    reply(file, [refused(ticket, asStoreError(error, `${request.path} cannot be opened`))])
  }
}

/** After the messages that are here already: they make up the group. */
function schedule(): void {
  if (isScheduled) return
  isScheduled = true
  cancelIdle()
  setImmediate(serve)
}

function serve(): void {
  isScheduled = false
  let isMore = false
  for (const file of files.values()) {
    if (file.queue.length > 0) serveNext(file)
    isMore ||= file.queue.length > 0
  }
  if (isMore) schedule()
  else cancelIdle = systemClock.after(IDLE_MS, tidy)
}

/** A piece at a time: whoever writes meanwhile does not wait for long. */
function tidy(): void {
  const unfinished = [...files.values()].filter(({ space }) => space.tidy())
  if (unfinished.length > 0) cancelIdle = systemClock.after(IDLE_MS, tidy)
}

/** One SQLite transaction of one file. */
function serveNext(file: OpenFile): void {
  const first = file.queue[0]!
  if (hasFallen(file, first) && first.work.kind !== 'close') {
    file.queue.shift()
    reply(file.id, [refused(first.ticket, file.failure!)])
  } else if (isCommit(first)) {
    commitGroup(file, takeGroup(file))
  } else {
    file.queue.shift()
    reply(file.id, [answered(file, first)])
  }
}

function isCommit(request: Work | undefined): request is Commit {
  return request?.work.kind === 'commit'
}

function hasFallen(file: OpenFile, { generation }: Work): boolean {
  return generation <= file.failedGeneration
}

function takeGroup(file: OpenFile): Commit[] {
  const group: Commit[] = []
  let bytes = 0
  while (group.length < GROUP_COMMITS_MAX && bytes < GROUP_BYTES_MAX) {
    const next = file.queue[0]
    if (!isCommit(next) || hasFallen(file, next)) break
    bytes += next.work.transaction.data.length
    group.push(next)
    file.queue.shift()
  }
  return group
}

function commitGroup(file: OpenFile, group: readonly Commit[]): void {
  try {
    const transactions = group.map(({ work }) => work.transaction)
    file.space.commit(transactions, group.at(-1)!.atMs)
    const answers = group.map(({ ticket }) => done(ticket, undefined))
    reply(file.id, answers, answers.length)
  } catch (error) {
    const failure = asStoreError(error, 'A commit failed')
    if (group.length === 1 || failure.code === 'store-replaced') fail(file, group, failure)
    else commitOneByOne(file, group)
  }
}

/** So that those before the one that failed are kept. */
function commitOneByOne(file: OpenFile, group: readonly Commit[]): void {
  for (const commit of group) {
    if (hasFallen(file, commit)) reply(file.id, [refused(commit.ticket, file.failure!)])
    else commitGroup(file, [commit])
  }
}

function fail(file: OpenFile, group: readonly Work[], failure: SynclineError): void {
  file.failure = failure
  for (const { generation } of group) file.failedGeneration = Math.max(file.failedGeneration, generation)
  reply(
    file.id,
    group.map(({ ticket }) => refused(ticket, failure)),
  )
}

function answered(file: OpenFile, { ticket, atMs, work, generation }: Work): WriterAnswer {
  const { space } = file
  try {
    if (work.kind === 'sweep') return done(ticket, space.sweep(work.docs, atMs))
    if (work.kind === 'rotate') return done(ticket, space.rotateEpoch('rollback', atMs))
    if (work.kind === 'quarantine') return done(ticket, space.quarantine(work.key, atMs))
    files.delete(file.id)
    space.close()
    return done(ticket, undefined)
  } catch (error) {
    file.failure = asStoreError(error, `The ${work.kind} failed`)
    file.failedGeneration = Math.max(file.failedGeneration, generation)
    return refused(ticket, file.failure)
  }
}

function done(ticket: number, value: WriterAnswer['value']): WriterAnswer {
  return { ticket, error: null, value }
}

function refused(ticket: number, failure: SynclineError): WriterAnswer {
  return { ticket, error: sentError(failure), value: undefined }
}

function notice(file: number, upgrade: UpgradeStage): void {
  const message: WriterNotice = { file, upgrade }
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
  port.postMessage(message)
}

function reply(file: number, answers: readonly WriterAnswer[], commits = 0): void {
  const message: WriterReply = { file, commits, answers, doneMs: monotonicMs() }
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
  port.postMessage(message)
  Atomics.add(answeredCount, 0, 1)
  Atomics.notify(answeredCount, 0)
}
