// A worker: a relay that has some of the spaces and no port, as the messages of the process that has the port say. It ends when that process is gone. Run by
// worker-process.ts; the other side is seat.ts. Rules: WK-1, WK-3, WK-4, WK-7.

import type { Socket } from 'node:net'
import { DEFAULT_SPACE, SynclineError, type SpaceId } from '@syncline/protocol'
import type { Share } from '../admin/share.ts'
import { EXIT } from '../cli-command.ts'
import { configuredLog, openConfiguredRelay, type ConfiguredRelay } from '../configured-relay.ts'
import type { GivenSocket, RelayInside, RelayPart } from '../relay-options.ts'
import type { Terminal } from '../terminal.ts'
import { Arrivals } from './arrivals.ts'
import { TAKEN_TOLD_EVERY } from './handover.ts'
import type { Answers, FromWorker, Handed, ToWorker } from './messages.ts'
import { ownerOf } from './owner.ts'
import { listenPipe } from './tls-pipe.ts'

/** The way to the process that has the port. */
export interface WorkerChannel {
  send(message: FromWorker): void
  onMessage(listener: (message: ToWorker, socket: Socket | undefined) => void): void
  onGone(listener: () => void): void
  /** Ends this process. */
  exit(code: number): never
}

type Start = Extract<ToWorker, { kind: 'start' }>

export function runWorker(channel: WorkerChannel, terminal: Terminal): void {
  const worker = new Worker(channel, terminal)
  channel.onMessage((message, socket) => worker.hear(message, socket))
  channel.onGone(() => void worker.drain())
  // A terminal, or whoever ends all processes of a service, tells this one too. While it starts that is for the process with the port to decide.
  terminal.onSignal((count) => {
    if (count > 1) channel.exit(130)
    if (worker.serves) void worker.drain()
  })
}

const FAILED_LINGER_MS = 100
const NOTHING = new Uint8Array(0)

class Worker {
  private readonly channel: WorkerChannel
  private readonly terminal: Terminal
  private inside: RelayInside | null = null
  private listening: (at: { readonly url: string; readonly port: number }) => void = () => undefined
  private giveUp: (error: Error) => void = () => undefined
  private starting: Promise<ConfiguredRelay | null> = Promise.resolve(null)
  private draining = false
  serves = false
  private leaving: number[] = []
  private taken = 0
  private readonly arrivals: Arrivals<readonly [Handed, GivenSocket]>
  private nextTicket = 0
  private readonly asking = new Map<number, (shares: readonly Share[]) => void>()

  constructor(channel: WorkerChannel, terminal: Terminal) {
    this.channel = channel
    this.terminal = terminal
    this.arrivals = new Arrivals(terminal.clock, ([handed, given]) => this.take(handed, given))
  }

  hear(message: ToWorker, socket: Socket | undefined): void {
    if (message.kind === 'start') {
      this.starting = this.start(message)
      this.starting.catch((error: unknown) => this.failed(error))
    } else if (message.kind === 'listening') this.listening(message)
    else if (message.kind === 'drain') void this.drain()
    else if (message.kind === 'ask') void this.answer(message)
    else if (message.kind === 'elsewhere') this.asking.get(message.ticket)?.(message.shares)
    else {
      if (++this.taken % TAKEN_TOLD_EVERY === 0) this.channel.send({ kind: 'taken' })
      // Absent: the connection ended on its way here.
      if (socket === undefined) this.left(message.id)
      else this.arrivals.come([message, { socket, bytes: message.bytes, answered: message.answered }], message.more)
    }
  }

  /** Commits and acknowledges what was received, closes the connections, and ends this process. */
  async drain(): Promise<void> {
    if (this.draining) return
    this.draining = true
    this.giveUp(new SynclineError('shutting-down', 'The relay is closing.'))
    const opened = await this.starting.catch(() => null)
    await opened?.close()
    this.channel.exit(opened?.relay.drained === false ? EXIT.failure : EXIT.ok)
  }

  private async start({ values, index, workers, pipe }: Start): Promise<ConfiguredRelay> {
    const { clock } = this.terminal
    const part: RelayPart = {
      serves: (space) => ownerOf(space, workers) === index,
      elsewhere: (names) => this.elsewhere(names),
      opened: async (inside) => {
        this.inside = inside
        if (pipe !== null)
          await listenPipe(pipe, (handed, socket) => this.take(handed, { socket, bytes: NOTHING, answered: handed.answered }))
        const at = new Promise<{ url: string; port: number }>((resolve, reject) => {
          this.listening = resolve
          this.giveUp = reject
        })
        this.channel.send({ kind: 'opened' })
        return await at
      },
    }
    const opened = await openConfiguredRelay(values, { log: configuredLog(values, this.terminal), clock, certificate: null, part })
    this.serves = true
    this.channel.send({ kind: 'serving', replicaId: part.serves(DEFAULT_SPACE) ? opened.relay.replicaId : null })
    return opened
  }

  private failed(error: unknown): void {
    if (this.draining) return
    if (error instanceof SynclineError) this.channel.send({ kind: 'failed', code: error.code, words: sentenceOf(error) })
    else this.channel.send({ kind: 'failed', code: null, words: error instanceof Error ? (error.stack ?? error.message) : String(error) })
    this.draining = true
    // The message first.
    this.terminal.clock.after(FAILED_LINGER_MS, () => this.channel.exit(EXIT.failure))
  }

  private take({ id, port }: Pick<Handed, 'id' | 'port'>, given: GivenSocket): void {
    given.socket.once('close', () => this.left(id))
    if (this.inside === null) given.socket.destroy()
    else this.inside.take(port, given)
  }

  /** Told together: a thousand connections end at once. */
  private left(id: number): void {
    this.leaving.push(id)
    if (this.leaving.length > 1) return
    this.terminal.clock.soon(() => {
      this.channel.send({ kind: 'left', ids: this.leaving })
      this.leaving = []
    })
  }

  private async answer({ ticket, about, names }: Extract<ToWorker, { kind: 'ask' }>): Promise<void> {
    const { inside } = this
    if (inside === null) return
    const { health, metrics } = inside
    const answers: { readonly [K in keyof Answers]: () => Answers[K] | Promise<Answers[K]> } = {
      health: () => ({ live: health.live(), ready: health.ready() }),
      metrics: () => metrics.gather(),
      share: () => inside.share(names),
    }
    try {
      this.channel.send({ kind: 'answer', ticket, answer: await answers[about]() })
    } catch (error) {
      // Whoever asked gives up by itself.
      if (!(error instanceof Error)) throw error
    }
  }

  /** The process with the port answers always, or is gone. */
  private elsewhere(names: readonly SpaceId[]): Promise<readonly Share[]> {
    const ticket = this.nextTicket++
    this.channel.send({ kind: 'elsewhere', ticket, names })
    return new Promise<readonly Share[]>((resolve) => this.asking.set(ticket, resolve)).finally(() => this.asking.delete(ticket))
  }
}

/** Without the code and the remedy, which the other side appends again. */
function sentenceOf({ message, code }: SynclineError): string {
  return message.slice(0, message.indexOf(` [${code}]`))
}
