// One worker process, as the process that has the port sees it: started, asked, given connections, started again when it ends by itself, drained. Why it may end and what
// is done then is decided here; what it does is in worker.ts. Made by pool.ts. Rules: WK-3, WK-4, WK-7.
//
//   starting ──opened──► opened ──serving──► serving ──drain──► draining ──► ended
//      └───────────────────┴───────────────────┴── ended by itself ──► waiting ──backoff──► starting

import { fork, type ChildProcess } from 'node:child_process'
import { SynclineError, type SpaceId } from '@syncline/protocol'
import type { Clock } from '@syncline/replica'
import type { Share } from '../admin/share.ts'
import type { SettingValues } from '../config/settings.ts'
import { Handover } from './handover.ts'
import type { Answers, FromWorker, Handed, PortName, ToWorker } from './messages.ts'
import type { GivenGuest } from './porter.ts'
import { pipeTo } from './tls-pipe.ts'

export type SeatPhase = 'starting' | 'opened' | 'serving' | 'waiting' | 'draining' | 'ended'

export interface WorkerExit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export interface SeatOptions {
  readonly index: number
  readonly workers: number
  readonly values: SettingValues
  readonly clock: Clock
  /** Path of the socket on which it takes connections whose TLS ends at the port; null: there is no TLS. */
  readonly pipe: string | null
  /** Where clients connect; null: the port does not listen yet. */
  listening(): { readonly url: string; readonly port: number } | null
  /** It ended and nobody asked for it; `retryInMs` until it is started again. */
  onLost(exit: WorkerExit, retryInMs: number): void
  /** A later start failed; it is tried again. */
  onFailed(error: Error): void
  onServing(pid: number, replicaId: string | null): void
  /** What the other workers say. */
  onElsewhere(names: readonly SpaceId[]): Promise<readonly Share[]>
  /** A connection that it was given is gone. */
  onLeft(port: PortName, id: number): void
}

const RETRY_FIRST_MS = 250
const RETRY_MAX_MS = 15_000
/** Who served this long begins with a short wait again. */
const STEADY_MS = 30_000

interface Question {
  readonly resolve: (answer: never) => void
  readonly reject: (error: Error) => void
}

export class Seat {
  readonly index: number
  phase: SeatPhase = 'starting'
  /** Since when it has not served. */
  awaySinceMs: number
  private readonly options: SeatOptions
  private child: ChildProcess
  private servingSinceMs = 0
  private losses = 0
  private nextTicket = 0
  private readonly questions = new Map<number, Question>()
  private readonly handover: Handover
  private readonly ports = new Map<number, PortName>()
  private cancelRetry: () => void = () => undefined
  private settled: { readonly opened: () => void; readonly failed: (error: Error) => void } | null = null
  private over: () => void = () => undefined
  /** Resolves with how it ended after a drain. */
  private readonly finished: Promise<void>
  private lastExit: WorkerExit = { code: null, signal: null }

  constructor(options: SeatOptions) {
    this.index = options.index
    this.options = options
    this.awaySinceMs = options.clock.now()
    this.finished = new Promise((resolve) => (this.over = resolve))
    this.handover = new Handover((guest, more) => this.hand(guest, more))
    this.child = this.begin()
  }

  get pid(): number | null {
    return this.phase === 'waiting' || this.phase === 'ended' ? null : (this.child.pid ?? null)
  }

  /** Of the first start: resolves when its stores are open, rejects with why they are not. */
  opened(): Promise<void> {
    return new Promise((resolve, reject) => (this.settled = { opened: resolve, failed: reject }))
  }

  /** The port listens: it serves from now on. */
  serve(): void {
    const at = this.options.listening()
    if (at !== null) this.send({ kind: 'listening', ...at })
  }

  /** False: it is not there, or too many wait already. */
  give(port: PortName, guest: GivenGuest): boolean {
    if (this.phase !== 'serving') return false
    const { id, socket } = guest
    const { pipe } = this.options
    this.ports.set(id, port)
    if (pipe === null || !guest.secure) {
      if (this.handover.give(guest)) return true
      this.ports.delete(id)
      return false
    }
    pipeTo(pipe, this.handed(guest), socket, () => this.left(id))
    return true
  }

  /** Rejects when it is not there, or does not answer in time. */
  ask<K extends keyof Answers>(about: K, withinMs: number, names: readonly SpaceId[] = []): Promise<Answers[K]> {
    const ticket = this.nextTicket++
    return new Promise<Answers[K]>((resolve, reject) => {
      if (this.phase !== 'serving' && this.phase !== 'draining') return reject(new Error('This worker is not there.'))
      const cancel = this.options.clock.after(withinMs, () => reject(new Error('This worker does not answer.')))
      this.questions.set(ticket, {
        resolve: (answer: Answers[K]) => {
          cancel()
          resolve(answer)
        },
        reject: (error) => {
          cancel()
          reject(error)
        },
      })
      this.send({ kind: 'ask', ticket, about, names })
    }).finally(() => this.questions.delete(ticket))
  }

  /** Resolves with true when it ended in order. */
  async drain(): Promise<boolean> {
    this.cancelRetry()
    if (this.phase === 'ended') return false
    if (this.phase === 'waiting') {
      this.phase = 'ended'
      return true
    }
    this.phase = 'draining'
    this.send({ kind: 'drain' })
    await this.finished
    return this.lastExit.code === 0
  }

  kill(): void {
    this.child.kill('SIGKILL')
  }

  private begin(): ChildProcess {
    const isSource = import.meta.url.endsWith('.ts')
    const entry = new URL(isSource ? './worker-process.ts' : './worker-process.js', import.meta.url)
    // Its own lines go where those of this process go.
    const child = fork(entry, [], { serialization: 'advanced' })
    const { values, index, workers, pipe } = this.options
    child.on('message', (message: FromWorker) => {
      // What one that ended had said before may come after its exit.
      if (child === this.child) this.hear(message)
    })
    // Of what could not be sent its exit tells. What was never there has none.
    child.on('error', () => {
      if (child.pid === undefined) this.ended({ code: null, signal: null })
    })
    child.on('exit', (code, signal) => this.ended({ code, signal }))
    child.send({ kind: 'start', values, index, workers, pipe } satisfies ToWorker, () => undefined)
    return child
  }

  private hand(guest: GivenGuest, more: boolean): void {
    this.child.send({ ...this.handed(guest), more } satisfies ToWorker, guest.socket, (error) => {
      if (error !== null) guest.socket.destroy()
    })
  }

  private handed({ id, bytes, answered }: GivenGuest): Handed {
    return { kind: 'socket', id, port: this.ports.get(id)!, bytes, answered }
  }

  private send(message: ToWorker): void {
    // Who is gone is told of by its exit.
    if (this.child.connected) this.child.send(message, () => undefined)
  }

  private hear(message: FromWorker): void {
    if (message.kind === 'opened') {
      if (this.phase === 'starting') this.phase = 'opened'
      this.settled?.opened()
      this.serve()
    } else if (message.kind === 'serving') {
      if (this.phase !== 'opened') return
      this.phase = 'serving'
      this.servingSinceMs = this.options.clock.now()
      this.options.onServing(this.child.pid!, message.replicaId)
    } else if (message.kind === 'taken') this.handover.taken()
    else if (message.kind === 'left') {
      for (const id of message.ids) this.left(id)
    } else if (message.kind === 'elsewhere') {
      const { ticket, names } = message
      void this.options.onElsewhere(names).then((shares) => this.send({ kind: 'elsewhere', ticket, shares }))
    } else if (message.kind === 'answer') this.questions.get(message.ticket)?.resolve(message.answer as never)
    else this.failed(message)
  }

  private failed({ code, words }: Extract<FromWorker, { kind: 'failed' }>): void {
    const error = code === null ? new Error(words) : new SynclineError(code, words)
    if (this.settled !== null && this.options.listening() === null) this.settled.failed(error)
    else this.options.onFailed(error)
  }

  private left(id: number): void {
    const port = this.ports.get(id)
    this.ports.delete(id)
    if (port !== undefined) this.options.onLeft(port, id)
  }

  private ended(exit: WorkerExit): void {
    const { clock } = this.options
    const { phase } = this
    this.lastExit = exit
    this.handover.lost()
    for (const id of [...this.ports.keys()]) this.left(id)
    for (const { reject } of this.questions.values()) reject(new Error('This worker has ended.'))
    if (phase === 'draining') {
      this.phase = 'ended'
      return this.over()
    }
    const nowMs = clock.now()
    if (phase === 'serving') this.awaySinceMs = nowMs
    this.losses = phase === 'serving' && nowMs - this.servingSinceMs >= STEADY_MS ? 0 : this.losses
    const retryInMs = Math.min(RETRY_FIRST_MS * 2 ** this.losses++, RETRY_MAX_MS)
    this.phase = 'waiting'
    const how = exit.signal ?? `code ${exit.code}`
    this.settled?.failed(new SynclineError('request-failed', `A worker process ended with ${how} before it was ready.`))
    this.options.onLost(exit, retryInMs)
    this.cancelRetry = clock.after(retryInMs, () => {
      this.phase = 'starting'
      this.child = this.begin()
    })
  }
}
