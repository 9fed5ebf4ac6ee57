// People who type into y-websocket rooms and people who read along, in this process, over real sockets: how long each edit took to whoever reads along. Used by
// slow-readers.ts.

import { WebSocket } from 'ws'
import * as Y from 'yjs'
import * as codec from '../../packages/relay/src/y-websocket-codec.ts'

export interface Latencies {
  readonly samples: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
  /** Edits that nobody was sent within the time that the phase had left. */
  readonly lost: number
}

export interface BusyRooms {
  /** Lets all type for a while, and tells how long the edits took to their readers. */
  type(seconds: number): Promise<Latencies>
  /** Puts a large value in place of the one before, in each room. Resolves when it is echoed. */
  paste(bytes: number): Promise<void>
  /** A value that the last one to wake must have been sent, in each room. */
  mark(): Promise<(update: Uint8Array) => boolean>
  close(): void
}

const TYPING_EVERY_MS = 250
/** After the last edit of a phase. */
const SETTLE_MS = 30_000

export async function busyRooms(rooms: readonly string[], people: number): Promise<BusyRooms> {
  const watch = new Stopwatch()
  const roomOf = (index: number): string => rooms[index % rooms.length]!
  const typists = await Promise.all(Array.from({ length: people }, (_, index) => Person.open(roomOf(index), null)))
  const readers = await Promise.all(Array.from({ length: people }, (_, index) => Person.open(roomOf(index), watch)))
  const pasters = await Promise.all(rooms.map((room) => Person.open(room, null)))
  return {
    async type(seconds) {
      watch.start()
      const until = performance.now() + seconds * 1000
      // Not all in the same instant: that would measure the queue of a burst.
      await Promise.all(typists.map((typist, index) => typeUntil(typist, watch, until, (TYPING_EVERY_MS * index) / people)))
      await watch.settled(SETTLE_MS)
      return watch.stop()
    },
    async paste(bytes) {
      await Promise.all(pasters.map((paster) => paster.put('large', new Uint8Array(bytes))))
    },
    async mark() {
      const marker = Buffer.from(`the last one ${performance.now()}`)
      await Promise.all(pasters.map((paster) => paster.put('mark', new Uint8Array(marker))))
      return (update) => Buffer.from(update.buffer, update.byteOffset, update.byteLength).includes(marker)
    },
    close() {
      for (const person of [...typists, ...readers, ...pasters]) person.close()
    },
  }
}

async function typeUntil(typist: Person, watch: Stopwatch, until: number, firstAfterMs: number): Promise<void> {
  let due = performance.now() + firstAfterMs
  while (due < until) {
    await pause(due - performance.now())
    watch.sent(typist.typeOne())
    due += TYPING_EVERY_MS
  }
}

class Person {
  private readonly socket: WebSocket
  private readonly doc = new Y.Doc()
  private readonly body = new Y.Doc().getText('own')
  private update: Uint8Array = new Uint8Array(0)
  private readonly echoes = new Map<string, () => void>()

  private constructor(socket: WebSocket, watch: Stopwatch | null) {
    this.socket = socket
    this.doc.on('update', (update: Uint8Array) => (this.update = update))
    this.body.doc!.on('update', (update: Uint8Array) => (this.update = update))
    socket.on('error', () => undefined)
    socket.on('message', (data) => this.hear(data as Uint8Array, watch))
  }

  static async open(url: string, watch: Stopwatch | null): Promise<Person> {
    const socket = new WebSocket(url, { perMessageDeflate: false })
    const person = new Person(socket, watch)
    await new Promise<void>((resolve, reject) => {
      socket.once('open', resolve)
      socket.once('error', reject)
    })
    socket.send(codec.step1Frame(Uint8Array.of(0)))
    return person
  }

  /** One letter. Returns the update that was sent. */
  typeOne(): Uint8Array {
    this.body.insert(this.body.length, 'x')
    this.socket.send(codec.updateFrame(this.update))
    return this.update
  }

  /** Resolves when it is echoed, which is when it is stored. */
  put(key: string, value: Uint8Array): Promise<void> {
    this.doc.getMap('values').set(key, value)
    const { update } = this
    this.socket.send(codec.updateFrame(update))
    return new Promise((resolve) => this.echoes.set(idOf(update), resolve))
  }

  close(): void {
    this.socket.terminate()
  }

  private hear(data: Uint8Array, watch: Stopwatch | null): void {
    if (watch === null && this.echoes.size === 0) return
    const frame = codec.readFrame(data)
    if ('problem' in frame) throw new Error(`the relay sent ${frame.problem}`)
    for (const message of frame.messages) {
      if (message.kind !== 'update') continue
      const id = idOf(message.update)
      watch?.heard(id)
      this.echoes.get(id)?.()
      this.echoes.delete(id)
    }
  }
}

/** The first bytes of an update hold its client and clock. */
function idOf(update: Uint8Array): string {
  return Buffer.from(update.buffer, update.byteOffset, Math.min(update.byteLength, 24)).toString('latin1')
}

/** When each edit left, and how long it took to each of its readers. */
class Stopwatch {
  private readonly sentAt = new Map<string, number>()
  private readonly seen = new Set<string>()
  private durations: number[] = []

  start(): void {
    this.sentAt.clear()
    this.seen.clear()
    this.durations = []
  }

  sent(update: Uint8Array): void {
    this.sentAt.set(idOf(update), performance.now())
  }

  heard(id: string): void {
    const sentAt = this.sentAt.get(id)
    if (sentAt === undefined) return
    this.seen.add(id)
    this.durations.push(performance.now() - sentAt)
  }

  /** Resolves when every edit was heard by somebody, or the time is over. */
  async settled(withinMs: number): Promise<void> {
    const until = performance.now() + withinMs
    while (this.seen.size < this.sentAt.size && performance.now() < until) await pause(20)
    await pause(100)
  }

  stop(): Latencies {
    const sorted = this.durations.sort((a, b) => a - b)
    const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
    return {
      samples: sorted.length,
      p50Ms: at(0.5),
      p99Ms: at(0.99),
      maxMs: sorted.at(-1) ?? 0,
      lost: this.sentAt.size - this.seen.size,
    }
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)))
}
