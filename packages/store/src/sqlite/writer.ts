// The main thread's end of the writer thread. Decides: when the thread starts (first file) and ends (a moment after the last file closed, since
// starting costs more than waiting), and that its death is an error to those who wait, not to the process. While nothing is asked, the thread
// does not keep the process alive. A file of an older format that is opened while others are open gets into a second thread, for as long as it
// is open: its upgrade takes as long as it takes, and the commits of the others do not wait for it. Rule: UP-6.

import { Worker } from 'node:worker_threads'
import { SynclineError } from '@syncline/protocol/stored'
import type { Opened, OpenRequest } from './space-file.ts'
import { systemClock } from './clock.ts'
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
} from './writer-messages.ts'

const LINGER_MS = 1_000

interface Waiting {
  readonly resolve: (value: FileAnswers[keyof FileAnswers]) => void
  readonly reject: (error: SynclineError) => void
}

class Writer {
  readonly thread: Worker
  readonly counters = new Map<number, CommitCounters>()
  /** Of the files that are being opened: who hears of an upgrade. */
  readonly upgrades = new Map<number, (stage: UpgradeStage) => void>()
  private readonly waiting = new Map<number, Waiting>()
  private nextTicket = 0
  private isDead = false
  private cancelEnd: (() => void) | null = null

  constructor() {
    const isSource = import.meta.url.endsWith('.ts')
    const entry = new URL(isSource ? './writer-thread.ts' : './writer-thread.js', import.meta.url)
    this.thread = new Worker(entry, { name: 'syncline-writer', execArgv: isSource ? ['--conditions=syncline-source'] : [] })
    this.thread.unref()
    this.thread.on('message', (message: WriterReply | WriterNotice) => {
      if ('upgrade' in message) this.upgrades.get(message.file)?.(message.upgrade)
      else this.receive(message)
    })
    this.thread.on('error', (error) => this.die(error))
    this.thread.on('exit', () => this.die(undefined))
  }

  ask(request: (ticket: number) => WriterRequest, transfer: readonly ArrayBuffer[]): Promise<FileAnswers[keyof FileAnswers]> {
    if (this.isDead) return Promise.reject(died(undefined))
    const ticket = this.nextTicket++
    return new Promise((resolve, reject) => {
      this.thread.postMessage(request(ticket), transfer)
      this.waiting.set(ticket, { resolve, reject })
      if (this.waiting.size === 1) this.thread.ref()
    })
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
      this.thread.postMessage(message)
    })
  }

  private receive({ file, commits, answers }: WriterReply): void {
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
    if (this.waiting.size === 0) this.thread.unref()
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
