// One replica of a mesh, in a process of its own, at `disk` durability like a relay, over real sockets. It counts what its links bring: frames and payload bytes always, the
// updates in them when asked. Started by mesh.ts; speaks member-calls.ts with its parent.

import { createServer } from 'node:http'
import { decodeFrame, parseDocId, SUBPROTOCOL, unframeUpdates } from '@syncline/protocol'
import type { Guest, Replica, WriteOutcome } from '@syncline/replica'
import { acceptSocket, socketOptions } from '@syncline/replica/ws'
import { WebSocket, WebSocketServer } from 'ws'
import { benchReplica, until } from '../bench-replica.ts'
import { pause } from '../peers/load-client.ts'
import { readLetters, typedUpdate, type Letters } from '../peers/typed-updates.ts'
import { nowMs, type CallName, type MemberCalls, type Options, type Report, type Request, type Written } from './member-calls.ts'

class Member {
  private readonly replica: Replica
  private readonly number: number
  private readonly own: Guest
  private clock = 0
  private decoding = false
  private framesIn = 0
  private bytesIn = 0
  private updatesIn = 0
  private arrivals: number[] = []
  private cpuFrom = process.cpuUsage()

  constructor(replica: Replica, number: number, documents: number) {
    this.replica = replica
    this.number = number
    const letters: Letters = {
      found: (writer, clock, count) => {
        for (let at = clock; at < clock + count; at++) this.arrivals.push(writer, at, nowMs())
      },
    }
    const guests = Array.from({ length: documents }, (_, index) =>
      replica.attachGuest(parseDocId(`mesh/${index}`), {
        deliver: (updates) => {
          if (this.decoding) for (const update of updates) readLetters(update, 0, letters)
        },
        presence() {},
        ping() {},
        close: (code) => fail(new Error(`a document was closed: ${code}`)),
        buffered: () => 0,
      }),
    )
    this.own = guests[number % documents]!
  }

  async listen(): Promise<{ port: number }> {
    const http = createServer()
    const sockets = new WebSocketServer({ server: http, ...socketOptions, handleProtocols: () => SUBPROTOCOL })
    sockets.on('connection', (socket) => this.link(socket, false))
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
    return { port: (http.address() as { port: number }).port }
  }

  async dial(ports: readonly number[]): Promise<null> {
    for (const port of ports) {
      const socket = new WebSocket(`ws://127.0.0.1:${port}`, SUBPROTOCOL, socketOptions)
      await new Promise<void>((resolve, reject) => socket.once('open', resolve).once('error', reject))
      this.link(socket, true)
    }
    await until(() => this.replica.status().peers.filter(({ synced }) => synced).length >= ports.length, 30_000, 'links synced')
    return null
  }

  private link(socket: WebSocket, dialled: boolean): void {
    socket.on('message', (data: Buffer) => {
      this.framesIn++
      this.bytesIn += data.length
      if (this.decoding) this.updatesIn += updatesIn(data)
    })
    acceptSocket(this.replica, socket, { dialled })
  }

  count(decode: boolean): null {
    this.decoding = decode
    this.framesIn = 0
    this.bytesIn = 0
    this.updatesIn = 0
    this.arrivals = []
    this.cpuFrom = process.cpuUsage()
    return null
  }

  async type(perSecond: number, ms: number): Promise<Written> {
    const firstClock = this.clock
    const dueAt: number[] = []
    const outcomes: Promise<WriteOutcome>[] = []
    // Members take turns: all in the same instant would measure the queue of a burst.
    const start = nowMs() + ((this.number * 0.618) % 1) * (1000 / perSecond)
    while (dueAt.length < (ms * perSecond) / 1000) {
      const due = start + (dueAt.length * 1000) / perSecond
      while (nowMs() < due) await pause(Math.max(0, due - nowMs()))
      dueAt.push(due)
      outcomes.push(this.own.write(typedUpdate(this.number, this.clock++)))
    }
    for (const outcome of await Promise.all(outcomes)) assertCommitted(outcome)
    return { firstClock, dueAt }
  }

  async hurry(inFlight: number, ms: number): Promise<Written> {
    const firstClock = this.clock
    const until = nowMs() + ms
    const typist = async (): Promise<void> => {
      while (nowMs() < until) assertCommitted(await this.own.write(typedUpdate(this.number, this.clock++)))
    }
    await Promise.all(Array.from({ length: inFlight }, typist))
    return { firstClock, dueAt: Array.from({ length: this.clock - firstClock }, () => 0) }
  }

  get root(): string {
    return this.replica.root
  }

  report(): Report {
    const { framesIn, bytesIn, updatesIn, arrivals } = this
    const { user, system } = process.cpuUsage(this.cpuFrom)
    return { framesIn, bytesIn, updatesIn, arrivals, cpuMs: (user + system) / 1000 }
  }
}

function updatesIn(data: Buffer): number {
  const frame = decodeFrame(new Uint8Array(data), null)
  if (!frame.ok) throw new Error(`a link brought ${frame.reason}`)
  let updates = 0
  for (const message of frame.messages)
    if (message.kind === 'entries') for (const row of message.rows) updates += unframeUpdates(row.bytes)!.length
  return updates
}

function assertCommitted(outcome: WriteOutcome): void {
  if (outcome.kind !== 'committed') throw new Error(`a write was ${outcome.kind}`)
}

let member: Member | null = null

const calls: { readonly [C in CallName]: (options: Options<C>) => ReturnType<MemberCalls[C]> | Promise<ReturnType<MemberCalls[C]>> } = {
  async open({ path, number, documents }) {
    member = new Member(await benchReplica(path, { durability: 'disk' }), number, documents)
    return member.listen()
  },
  dial: ({ ports }) => member!.dial(ports),
  count: ({ decode }) => member!.count(decode),
  type: ({ perSecond, ms }) => member!.type(perSecond, ms),
  hurry: ({ inFlight, ms }) => member!.hurry(inFlight, ms),
  root: () => member!.root,
  report: () => member!.report(),
  close: () => process.exit(0),
}

function fail(error: unknown): void {
  process.send?.({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) })
}

process.on('message', ({ call, options }: Request) => {
  Promise.resolve()
    .then(() => calls[call](options as never))
    .then((answer) => process.send?.({ answer }), fail)
})
process.once('disconnect', () => process.exit(0))
