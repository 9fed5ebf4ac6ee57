// Links in memory, each broken in one way that transports are broken in: the link contract must find every one of them by the rule that is named.

import { LIMITS } from '@syncline/protocol'
import type { AttachedLink, Clock, LinkPort, Replica } from '@syncline/replica'
import {
  memoryLinkPair,
  type LinkConnection,
  type LinkHarness,
  type LinkHost,
  type LinkSide,
  type MemoryLinkPair,
} from '@syncline/testing/contracts'
import { memoryLinkHarness } from './contracts-link-harnesses.ts'

export interface BrokenLink {
  readonly fault: string
  readonly foundBy: string
  /** A rule that waits for what never comes waits this long; default 400 ms. */
  readonly waitMs?: number
  make(dialler: Replica, listener: Replica): LinkConnection
  readonly leftOpen?: readonly string[]
}

/** One end of a broken link, as the breakages see it. */
interface End {
  readonly side: LinkSide
  readonly clock: Clock
  /** The whole port and the whole way to the replica. */
  readonly port: LinkPort
  readonly link: AttachedLink
  /** Shared by both halves of a breakage. */
  readonly notes: Set<string>
  cut(): void
}

interface Breakage {
  /** Changes what the port does. `link` is not there yet when this is called, only later. */
  readonly port?: (end: End) => Partial<LinkPort>
  /** Changes what the replica is told. */
  readonly told?: (end: End) => Partial<AttachedLink>
  readonly connection?: (pair: MemoryLinkPair) => Partial<LinkConnection>
}

export function brokenHarness({ make, waitMs = 400, leftOpen = [] }: BrokenLink): LinkHarness {
  return { ...memoryLinkHarness(make), waitMs, leftOpen: () => leftOpen }
}

function broken(fault: string, foundBy: string, breakage: Breakage, waitMs?: number): BrokenLink {
  return {
    fault,
    foundBy,
    ...(waitMs === undefined ? {} : { waitMs }),
    make(dialler, listener) {
      let pair: MemoryLinkPair | null = null
      const cut = (): void => pair?.cut()
      pair = memoryLinkPair(brokenHost(dialler, 'dialler', breakage, cut), brokenHost(listener, 'listener', breakage, cut))
      return { ...pair, ...breakage.connection?.(pair) }
    },
  }
}

function brokenHost(replica: Replica, side: LinkSide, { port, told }: Breakage, cut: () => void): LinkHost {
  const { clock } = replica
  return {
    clock,
    attachLink(whole) {
      const end: { -readonly [key in keyof End]: End[key] } = { side, clock, port: whole, link: null!, notes: new Set(), cut }
      end.link = replica.attachLink({
        dialled: whole.dialled,
        send: (bytes) => whole.send(bytes),
        close: (code, reason) => whole.close(code, reason),
        buffered: () => whole.buffered(),
        pause: (paused) => whole.pause!(paused),
        ...port?.(end),
      })
      return {
        id: end.link.id,
        received: (bytes) => end.link.received(bytes),
        closed: () => end.link.closed(),
        drained: () => end.link.drained(),
        ...told?.(end),
      }
    },
  }
}

/** Every port of every link with the fault that its links share one count. */
const countedTogether: LinkPort[] = []
/** Every link with the fault that a cut takes others along. */
const bundled: MemoryLinkPair[] = []

export const brokenLinks: readonly BrokenLink[] = [
  broken('says at both ends that it dialled', 'LN-1', { port: () => ({ dialled: true }) }),
  broken('loses a message', 'LN-2', { told: ({ link }) => ({ received: nth(40, () => undefined, link) }) }),
  broken('delivers a message twice', 'LN-2', {
    told: ({ link }) => ({ received: nth(40, (bytes) => [bytes, bytes].forEach((copy) => link.received(copy)), link) }),
  }),
  broken('changes a byte', 'LN-2', { told: ({ link }) => ({ received: nth(30, (bytes) => link.received(changed(bytes)), link) }) }),
  broken('lets a small message overtake a large one', 'LN-2', {
    told: ({ link, clock }) => ({
      received: (bytes) => (bytes.length > 4096 ? clock.soon(() => link.received(bytes)) : link.received(bytes)),
    }),
  }),
  broken('delivers a large message in parts', 'LN-2', {
    told: ({ link }) => ({
      received(bytes) {
        for (let at = 0; at < bytes.length; at += LIMITS.frameTargetBytes) link.received(bytes.slice(at, at + LIMITS.frameTargetBytes))
      },
    }),
  }),
  broken('receives into one buffer', 'LN-3', {
    told({ link }) {
      const buffer = new Uint8Array(LIMITS.nativeFrameBytesMax)
      return {
        received(bytes) {
          buffer.set(bytes)
          link.received(buffer.subarray(0, bytes.length))
        },
      }
    },
  }),
  broken('masks the bytes of the sender in place', 'LN-3', {
    port: ({ port }) => ({
      send(bytes) {
        port.send(bytes)
        bytes.reverse()
      },
    }),
  }),
  broken('hands over views into large buffers', 'LN-4', {
    told: ({ link }) => ({
      received(bytes) {
        const chunk = new Uint8Array(65_536 + bytes.length)
        chunk.set(bytes, 1000)
        link.received(chunk.subarray(1000, 1000 + bytes.length))
      },
    }),
  }),
  broken('stops both directions when one stands still', 'LN-5', {
    connection: (pair) => ({
      hold(_, held) {
        pair.hold('dialler', held)
        pair.hold('listener', held)
      },
    }),
  }),
  broken('says that nothing is buffered', 'LN-6', { port: () => ({ buffered: () => 0 }) }),
  broken('counts everything that it ever sent as buffered', 'LN-6', {
    port({ port }) {
      let sent = 0
      return {
        send(bytes) {
          sent += bytes.length
          port.send(bytes)
        },
        buffered: () => sent,
      }
    },
  }),
  broken('never tells that it drained', 'LN-7', { told: () => ({ drained: () => undefined }) }),
  broken('ignores pause()', 'LN-8', { port: () => ({ pause: () => undefined }) }),
  broken('loses a message when it reads on after a pause', 'LN-8', {
    port: ({ port, notes }) => ({
      pause(paused) {
        if (!paused) notes.add('lose one')
        port.pause!(paused)
      },
    }),
    told: ({ link, notes }) => ({ received: (bytes) => (notes.delete('lose one') ? undefined : link.received(bytes)) }),
  }),
  broken('drops what waits when it is closed', 'LN-9', { port: ({ cut }) => ({ close: cut }) }),
  broken('sends on after close()', 'LN-9', {
    port: ({ port, clock }) => ({ close: (code, reason) => void clock.after(20, () => port.close(code, reason)) }),
  }),
  broken('keeps the reason of a close to itself', 'LN-10', { port: ({ port }) => ({ close: (code) => port.close(code, '') }) }),
  broken(
    'waits for ever for the other end to read before it closes',
    'LN-11',
    {
      port: ({ port, clock, notes }) => ({
        close(code, reason) {
          const look = (): void => {
            if (notes.has('ended')) return
            if (port.buffered() > 0) clock.after(5, look)
            else port.close(code, reason)
          }
          look()
        },
      }),
      told: ({ link, notes }) => ({
        closed() {
          notes.add('ended')
          link.closed()
        },
      }),
    },
    900,
  ),
  broken('tells a cut to one end alone', 'LN-12', {
    told: ({ link, side }) => ({ closed: () => (side === 'dialler' ? link.closed() : undefined) }),
  }),
  broken('tells the end twice', 'LN-12', { told: ({ link }) => ({ closed: () => [1, 2].forEach(() => link.closed()) }) }),
  broken('goes on delivering after the end', 'LN-13', {
    told: ({ link, clock }) => ({ received: (bytes) => void clock.after(30, () => link.received(bytes)) }),
  }),
  broken('throws when it is used after the end', 'LN-14', {
    port: ({ port, notes }) => ({
      send(bytes) {
        if (notes.has('ended')) throw new Error('the link is closed')
        port.send(bytes)
      },
    }),
    told: ({ link, notes }) => ({
      closed() {
        notes.add('ended')
        link.closed()
      },
    }),
  }),
  broken('starts a timer whenever it is closed', 'LN-14', {
    port: ({ port, clock }) => ({
      close(code, reason) {
        port.close(code, reason)
        clock.after(300, () => undefined)
      },
    }),
  }),
  broken('counts what waits in all of its links together', 'LN-15', {
    port({ port }) {
      countedTogether.push(port)
      return { buffered: () => countedTogether.reduce((sum, one) => sum + one.buffered(), 0) }
    },
  }),
  broken('ends all links with one', 'LN-15', {
    connection(pair) {
      bundled.push(pair)
      return { cut: () => bundled.forEach((one) => one.cut()) }
    },
  }),
  broken('cuts messages that are too large, and delivers the rest', 'LN-16', {
    port: ({ port }) => ({ send: (bytes) => port.send(bytes.subarray(0, LIMITS.nativeFrameBytesMax)) }),
  }),
  broken('changes a byte under the engine', 'LN-17', {
    told: ({ link }) => ({ received: nth(3, (bytes) => link.received(changed(bytes)), link) }),
  }),
  broken('does not tell a replica that the connection was cut', 'LN-18', { told: () => ({ closed: () => undefined }) }),
  broken('cuts off a slow reader', 'LN-19', { connection: (pair) => ({ hold: () => pair.cut() }) }),
  broken('leaves a timer running', 'LN-20', {
    told: ({ clock }) => {
      clock.after(3_000, () => undefined)
      return {}
    },
  }),
  { ...broken('leaves a server open', 'LN-20', {}), leftOpen: ['TCPServerWrap'] },
]

/** Receives as `link` does, except the message with this number, from 1. */
function nth(number: number, instead: (bytes: Uint8Array) => void, link: AttachedLink): (bytes: Uint8Array) => void {
  let call = 0
  return (bytes) => (++call === number ? instead(bytes) : link.received(bytes))
}

function changed(bytes: Uint8Array): Uint8Array {
  const copy = bytes.slice()
  copy[copy.length >> 1]! ^= 1
  return copy
}
