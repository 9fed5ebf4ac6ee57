// The main thread's end of the writer thread. Decides: when the thread starts (first file) and ends (a moment after the last file closed, since
// starting costs more than waiting), and that its death is an error to those who wait, not to the process. While nothing is asked, the thread
// does not keep the process alive. A file of an older format that is opened while others are open gets into a second thread, for as long as it
// is open: its upgrade takes as long as it takes, and the commits of the others do not wait for it. Rule: UP-6.

import { MessageChannel, receiveMessageOnPort, Worker, type MessagePort } from 'node:worker_threads'
import { SynclineError } from '@syncline/protocol/stored'
import type { PackedTransaction } from './packed-transaction.ts'
import type { Opened, OpenRequest } from './space-file.ts'
import { monotonicMs, systemClock } from './clock.ts'
import { HandOver } from './hand-over.ts'
import type { CommitCounters } from './sqlite-api.ts'
import { isOlderFormat } from './upgrade-file.ts'
import type { UpgradeStage } from './upgrade-notice.ts'
import {
  receivedError,
  type FileAnswers,
  type FileWork,
  type WriterNotice,
  type WriterReply,
  type WriterRequest,
  type WriterStart,
} from './writer-messages.ts'

const LINGER_MS = 1_000

interface Waiting {
  readonly resolve: (value: FileAnswers[keyof FileAnswers]) => void
  readonly reject: (error: SynclineError) => void
}

class Writer {
  readonly thread: Worker
  private readonly port: MessagePort
  private readonly answered = new Int32Array(new SharedArrayBuffer(4))
  private readonly handOver = new HandOver(monotonicMs())
  readonly counters = new Map<number, CommitCounters>()
  /** Of the files that are being opened: who hears of an upgrade. */
  readonly upgrades = new Map<number, (stage: UpgradeStage) => void>()
  private readonly waiting = new Map<number, Waiting>()
  private nextTicket = 0
  /** A commit that is not waited for. */
  private watched: { readonly ticket: number; readonly sentMs: number } | null = null
  private isDead = false
  private cancelEnd: (() => void) | null = null

  constructor() {
    const isSource = import.meta.url.endsWith('.ts')
    const entry = new URL(isSource ? './writer-thread.ts' : './writer-thread.js', import.meta.url)
    const { port1, port2 } = new MessageChannel()
    const workerData: WriterStart = { port: port2, answered: this.answered }
    const execArgv = isSource ? ['--conditions=syncline-source'] : []
    this.thread = new Worker(entry, { name: 'syncline-writer', execArgv, workerData, transferList: [port2] })
    this.port = port1
    this.port.on('message', (message: WriterReply | WriterNotice) => this.receive(message))
    this.keepAlive(false)
    this.thread.on('error', (error) => this.die(error))
    this.thread.on('exit', () => this.die(undefined))
  }

  ask(request: (ticket: number) => WriterRequest, transfer: readonly ArrayBuffer[]): Promise<FileAnswers[keyof FileAnswers]> {
    if (this.isDead) return Promise.reject(died(undefined))
    const ticket = this.nextTicket++
    return new Promise((resolve, reject) => {
      this.port.postMessage(request(ticket), transfer)
      this.waiting.set(ticket, { resolve, reject })
      if (this.waiting.size === 1) this.keepAlive(true)
    })
  }

  /** As ask(), and waits on the spot where that is worth it (hand-over.ts). True: it is done, and was not refused. */
  askAndWait(request: (ticket: number) => WriterRequest, transfer: readonly ArrayBuffer[]): true | Promise<unknown> {
    // Before it is sent: on one core the thread may be through with it when this one goes on.
    const seen = Atomics.load(this.answered, 0)
    const ticket = this.nextTicket
    let isDone = false
    const answer = this.ask(request, transfer)
    const waiting = this.waiting.get(ticket)
    // Behind others it would wait for these, too.
    if (waiting === undefined || this.waiting.size > 1) return answer
    const fromMs = monotonicMs()
    const waitMs = this.handOver.waitMs(fromMs)
    if (waitMs === 0) {
      this.watched = { ticket, sentMs: fromMs }
      return answer
    }
    const resolve: Waiting['resolve'] = (value) => {
      isDone = true
      waiting.resolve(value)
    }
    this.waiting.set(ticket, { ...waiting, resolve })
    this.waitFor(ticket, seen, fromMs + waitMs)
    this.handOver.waited(fromMs, monotonicMs(), !this.waiting.has(ticket))
    return isDone ? true : answer
  }

  private waitFor(ticket: number, seen: number, untilMs: number): void {
    for (let nowMs = monotonicMs(); this.waiting.has(ticket) && nowMs < untilMs; nowMs = monotonicMs()) {
      Atomics.wait(this.answered, 0, seen, untilMs - nowMs)
      seen = Atomics.load(this.answered, 0)
      for (let got = receiveMessageOnPort(this.port); got !== undefined; got = receiveMessageOnPort(this.port)) this.receive(got.message)
    }
  }

  private keepAlive(keeps: boolean): void {
    for (const handle of [this.thread, this.port]) {
      if (keeps) handle.ref()
      else handle.unref()
    }
  }

  addFile(): number {
    this.cancelEnd?.()
    const file = nextFile++
    this.counters.set(file, { groups: 0, commits: 0 })
    return file
  }

  removeFile(file: number): void {
    this.counters.delete(file)
    if (this.counters.size > 0 || this.isDead) return
    this.cancelEnd = systemClock.after(LINGER_MS, () => {
      this.leave()
      const message: WriterRequest = { kind: 'end' }
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
      this.port.postMessage(message)
    })
  }

  private receive(message: WriterReply | WriterNotice): void {
    if ('upgrade' in message) return this.upgrades.get(message.file)?.(message.upgrade)
    const { file, commits, answers, doneMs } = message
    if (this.watched !== null && answers.some(({ ticket }) => ticket === this.watched!.ticket)) {
      this.handOver.came(this.watched.sentMs, doneMs, monotonicMs())
      this.watched = null
    }
    const counters = this.counters.get(file)
    if (counters !== undefined && commits > 0) {
      counters.groups++
      counters.commits += commits
    }
    for (const { ticket, error, value } of answers) {
      const { resolve, reject } = this.waiting.get(ticket)!
      this.waiting.delete(ticket)
      if (error === null) resolve(value)
      else reject(receivedError(error))
    }
    if (this.waiting.size === 0) this.keepAlive(false)
  }

  /** The next file starts another thread. */
  private leave(): void {
    if (writer === this) writer = null
    if (upgrader === this) upgrader = null
  }

  private die(cause: unknown): void {
    this.isDead = true
    this.leave()
    for (const { reject } of this.waiting.values()) reject(died(cause))
    this.waiting.clear()
  }
}

/** Of this process; null when it does not run. */
let writer: Writer | null = null
/** As `writer`, for files that are upgraded while that one is in use. */
let upgrader: Writer | null = null
let nextFile = 0

function writerFor(path: string): Writer {
  if (writer !== null && writer.counters.size > 0 && isOlderFormat(path)) return (upgrader ??= new Writer())
  return (writer ??= new Writer())
}

/** One open file in the writer thread. */
export class WriterFile {
  readonly opened: Opened
  readonly counters: CommitCounters
  private readonly writer: Writer
  private readonly file: number

  private constructor(writer: Writer, file: number, opened: Opened) {
    this.writer = writer
    this.file = file
    this.opened = opened
    this.counters = writer.counters.get(file)!
  }

  /** Starts the thread when it does not run. `onUpgrade` hears of an upgrade to the newest format while it goes on. Rejects with what opening refused. */
  static async open(request: OpenRequest, onUpgrade: (stage: UpgradeStage) => void = () => undefined): Promise<WriterFile> {
    const own = writerFor(request.path)
    const file = own.addFile()
    own.upgrades.set(file, onUpgrade)
    try {
      const opened = (await own.ask((ticket) => ({ kind: 'open', file, ticket, request }), [])) as Opened
      return new WriterFile(own, file, opened)
    } catch (error) {
      own.removeFile(file)
      throw error
    } finally {
      own.upgrades.delete(file)
    }
  }

  /** Rejects with what the thread refused, or "store-io" when it died. `transfer`: buffers given away. */
  async ask<W extends FileWork>(
    work: W,
    how: { readonly generation: number; readonly atMs: number },
    transfer: readonly ArrayBuffer[] = [],
  ): Promise<FileAnswers[W['kind']]> {
    const answer = await this.writer.ask((ticket) => ({ kind: 'work', file: this.file, ticket, ...how, work }), transfer)
    return answer as FileAnswers[W['kind']]
  }

  /** As ask() for a commit, and waits on the spot where that is worth it: true when it is done. Blocks for 2 ms at most. */
  commitAndWait(
    transaction: PackedTransaction,
    how: { readonly generation: number; readonly atMs: number },
    transfer: readonly ArrayBuffer[],
  ): true | Promise<unknown> {
    return this.writer.askAndWait(
      (ticket) => ({ kind: 'work', file: this.file, ticket, ...how, work: { kind: 'commit', transaction } }),
      transfer,
    )
  }

  /** To be called once, after "close" was answered or the thread died. */
  release(): void {
    this.writer.removeFile(this.file)
  }
}

/** Ends the thread with whatever it has under way, as a crash of it would: what tests of that are made with. */
export async function endWriterThread(): Promise<void> {
  await writer?.thread.terminate()
}

function died(cause: unknown): SynclineError {
  const why = cause instanceof Error ? `: ${cause.message}` : ''
  return new SynclineError('store-io', `The writer thread ended${why}.`, { cause })
}
