// How the link rules see a transport: a replica whose links end in a recorder in place of the engine, and one connection between two of these. Decides
// what is checked of every connection, whatever the rule: closed() comes once, and nothing after it. Used by the link rules.

import { DEFAULT_SPACE, LIMITS } from '@syncline/protocol'
import { Replica, type AttachedLink, type Clock, type LinkPort } from '@syncline/replica'
import { createMemoryStore } from '@syncline/store/memory'
import { Random } from '../random.ts'
import { countingClock, type CountingClock } from './counting-clock.ts'
import type { LinkConnection, LinkHarness, LinkSide } from './link-harness.ts'
import { check } from './rule.ts'

const WAIT_MS = 10_000
const LOOK_EVERY_MS = 2
/** What a transport may have read already when it is told to stop. */
export const READ_AHEAD_BYTES_MAX = 2 * LIMITS.nativeFrameBytesMax
/** Kernels buffer some megabytes on a loopback connection: this is more. */
const FILL_BYTES_MAX = 64 * LIMITS.nativeFrameBytesMax

export const NO_HOLD = 'the rule cannot stop an end from reading: give the connection of the harness a hold(), or the port a pause()'

/** Waits until `holds`, or rejects with `words` after the time of the harness. */
export async function until({ clock, waitMs = WAIT_MS }: LinkHarness, holds: () => boolean, words: () => string): Promise<void> {
  const deadline = clock.now() + waitMs
  while (!holds()) {
    check(clock.now() < deadline, `after ${waitMs} ms: ${words()}`)
    await pass(clock, LOOK_EVERY_MS)
  }
}

export function pass(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => void clock.after(ms, resolve))
}

/** Lets one turn of the event loop pass: what a transport does at once is done, what it does later is not. */
export function turn(clock: Clock): Promise<void> {
  return new Promise((resolve) => clock.soon(resolve))
}

/** One end of a link, as a replica would see it. */
export class ProbeEnd implements AttachedLink {
  readonly id: number
  readonly port: LinkPort
  readonly messages: Uint8Array[] = []
  receivedBytes = 0
  closedCalls = 0
  callsAfterClosed = 0
  /** What buffered() answered each time drained() was called. */
  readonly bufferedAtDrained: number[] = []

  constructor(id: number, port: LinkPort) {
    this.id = id
    this.port = port
  }

  received(bytes: Uint8Array): void {
    if (this.closedCalls > 0) this.callsAfterClosed++
    this.messages.push(bytes)
    this.receivedBytes += bytes.length
  }

  closed(): void {
    this.closedCalls++
  }

  drained(): void {
    if (this.closedCalls > 0) this.callsAfterClosed++
    this.bufferedAtDrained.push(this.port.buffered())
  }

  get isClosed(): boolean {
    return this.closedCalls > 0
  }
}

class ProbeReplica extends Replica {
  readonly ends: ProbeEnd[] = []

  override attachLink(port: LinkPort): AttachedLink {
    const end = new ProbeEnd(this.ends.length + 1, port)
    this.ends.push(end)
    return end
  }
}

let replicas = 0

/** What a replica of the rules is made of. Its id repeats from run to run, and no two are equal in one. */
export function replicaParts(clock: Clock): ConstructorParameters<typeof Replica>[0] {
  const chance = new Random(++replicas)
  const random = (length: number): Uint8Array => chance.bytes(length)
  return { store: createMemoryStore({ space: DEFAULT_SPACE, random, durability: 'process' }), role: 'device', clock, random }
}

/** One connection between two recorders. */
export interface ProbedLink {
  readonly connection: LinkConnection
  readonly dialler: ProbeEnd
  readonly listener: ProbeEnd
}

export class ProbeScene {
  readonly clock: CountingClock
  readonly #harness: LinkHarness
  readonly #replicas: ProbeReplica[] = []
  readonly #connections: LinkConnection[] = []

  constructor(harness: LinkHarness) {
    this.#harness = harness
    this.clock = countingClock(harness.clock)
  }

  async connect(): Promise<ProbedLink> {
    const [a, b] = [new ProbeReplica(replicaParts(this.clock)), new ProbeReplica(replicaParts(this.clock))]
    this.#replicas.push(a, b)
    const connection = await this.#harness.connect(a, b)
    this.#connections.push(connection)
    await this.until(
      () => a.ends.length > 0 && b.ends.length > 0,
      () => `the dialler has ${a.ends.length} and the listener ${b.ends.length} links, wanted one each`,
    )
    return { connection, dialler: a.ends[0]!, listener: b.ends[0]! }
  }

  until(holds: () => boolean, words: () => string): Promise<void> {
    return until(this.#harness, holds, words)
  }

  arrived(end: ProbeEnd, count: number, what = 'messages'): Promise<void> {
    return this.until(
      () => end.messages.length >= count,
      () => `${end.messages.length} of ${count} ${what} arrived`,
    )
  }

  ended(link: ProbedLink, how: string): Promise<void> {
    const told = (end: ProbeEnd): string => (end.isClosed ? 'told' : 'not told')
    return this.until(
      () => link.dialler.isClosed && link.listener.isClosed,
      () => `${how}: the dialler is ${told(link.dialler)} with closed(), the listener ${told(link.listener)}`,
    )
  }

  /** Sends messages of 256 KiB, numbered in their first bytes, until the network takes no more while `side` does not read. Returns how many. */
  async fill(from: ProbeEnd): Promise<number> {
    const size = LIMITS.frameTargetBytes
    for (let count = 0, full = 0; ;) {
      check(
        count * size < FILL_BYTES_MAX,
        `${count * size} bytes were sent to an end that does not read, and buffered() says ${from.port.buffered()}`,
      )
      for (let burst = 0; burst < 8; burst++) from.port.send(numbered(count++, size))
      await pass(this.clock, 2 * LOOK_EVERY_MS)
      const before = from.port.buffered()
      await pass(this.clock, 3 * LOOK_EVERY_MS)
      full = from.port.buffered() >= LIMITS.socketBufferBytesMax && from.port.buffered() === before ? full + 1 : 0
      if (full >= 3) return count
    }
  }

  /** Stops or resumes what `side` reads, by the network where the harness can, else by the port. */
  hold({ connection, ...ends }: ProbedLink, side: LinkSide, held: boolean): void {
    if (connection.hold !== undefined) return connection.hold(side, held)
    check(ends[side].port.pause !== undefined, NO_HOLD)
    ends[side].port.pause(held)
  }

  /** After a failure: closes what can be closed. */
  async abandon(): Promise<void> {
    await Promise.allSettled([...this.#connections, ...this.#replicas].map((opened) => opened.close()))
  }

  /** Closes everything, and checks what holds for every connection. */
  async end(): Promise<void> {
    for (const connection of this.#connections) await connection.close()
    const ends = this.#replicas.flatMap((replica) => replica.ends)
    await this.until(
      () => ends.every((end) => end.isClosed),
      () => 'a link is open although its connection was closed',
    )
    for (const replica of this.#replicas) await replica.close()
    for (const end of ends) {
      check(end.closedCalls === 1, `closed() was called ${end.closedCalls} times`)
      check(end.callsAfterClosed === 0, `received() or drained() was called ${end.callsAfterClosed} times after closed()`)
    }
    for (const replica of this.#replicas)
      check(replica.ends.length === 1, `one connection attached ${replica.ends.length} links at one side`)
  }
}

/** Runs a rule with a scene of its own. */
export async function probed(harness: LinkHarness, run: (scene: ProbeScene) => Promise<void>): Promise<void> {
  const scene = new ProbeScene(harness)
  try {
    await run(scene)
  } catch (error) {
    await scene.abandon()
    throw error
  }
  await scene.end()
}

/** What messages are cut from: no stretch of it repeats soon. */
const pattern = new Random(0).bytes(LIMITS.nativeFrameBytesMax + 256)

/** A message of `size` bytes, at most 1 MiB: its number in up to four bytes, then bytes that depend on the number too. */
export function numbered(number: number, size: number): Uint8Array {
  const bytes = pattern.slice(number & 0xff, (number & 0xff) + size)
  for (let at = 0; at < Math.min(4, size); at++) bytes[at] = (number >>> (8 * at)) & 0xff
  return bytes
}

/** Who sends to whom: both ways. */
export function directions({ dialler, listener }: ProbedLink): [from: ProbeEnd, to: ProbeEnd][] {
  return [
    [dialler, listener],
    [listener, dialler],
  ]
}
