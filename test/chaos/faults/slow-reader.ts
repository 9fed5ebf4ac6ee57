// C18: clients that never read, while others type. Rule: RS-1.

import { nodeClock } from '@syncline/replica/ws'
import * as codec from '../../../packages/relay/src/y-websocket-codec.ts'
import type { RelayProcess } from '../../integration/relay-process.ts'
import { BareClient } from '../../integration/room-client.ts'
import { FaultyProxy } from '../faulty-proxy.ts'
import { neverRead } from '../link-faults.ts'
import { residentMib } from '../process-memory.ts'
import { verdict, type Scenario } from '../scenario.ts'
import type { Scene } from '../scene.ts'
import { percentile, Typist } from '../typist.ts'

/** Written to before, and the one that is not read. */
const [OTHER, BUSY] = ['busy/0', 'busy/1']
const VALUE_BYTES = 150_000
const TYPISTS = 10
const READERS = 16
const FOR_MS = 6_000
/** A reader may cost what its socket holds here and one frame; the rest is the allowance of the process itself, which collects its garbage when it likes. */
const MIB_PER_READER_MAX = 3
const MIB_ALLOWED = 140

export const slowReader: Scenario = {
  id: 'slow-reader',
  fault: 'clients that never read',
  how: `${READERS} connections, native and y-websocket, stop reading a document into which 3 MB a second are written, while ${TYPISTS} others type elsewhere`,
  expected: `the relay grows by less than ${READERS * MIB_PER_READER_MAX + MIB_ALLOWED} MiB; ack p99 of the others is at most 250 ms, or four times what it is without them; when they read again they get everything`,
  deadlineMs: 120_000,
  async run(scene) {
    const relay = await scene.relay(scene.subfolder('data'), { args: ['--durability', 'process'] })
    const [bulkBefore, bulk] = await Promise.all([openBulk(scene, relay, OTHER), openBulk(scene, relay, BUSY)])
    const typists = await Promise.all(
      Array.from({ length: TYPISTS }, (_, index) =>
        Typist.open(scene, { name: `typist-${index}`, peers: [relay.url], ...only(`note/${index}`), everyMs: 50, window: 1 }),
      ),
    )
    for (const typist of [bulkBefore, ...typists]) typist.start()
    await scene.lasting(1_000)
    const before = await measure(scene, relay, typists)
    bulkBefore.stop()
    const readers = await neverReadingClients(scene, relay)
    scene.report(`${READERS} connections stopped reading`)
    bulk.start()
    const during = await measure(scene, relay, typists)
    const unreadMb = (bulk.made.length * (VALUE_BYTES / 1e6) * READERS).toFixed(0)
    bulk.stop()
    await bulk.settled(20_000)
    const caughtUpMs = await readers.readOn(bulk.made)
    // Once more without: what else the machine did is in both.
    bulkBefore.start()
    const after = await measure(scene, relay, typists)
    for (const typist of [bulkBefore, ...typists]) typist.stop()
    const problems: string[] = []
    const grown = during.mib === null || before.mib === null ? null : during.mib - before.mib
    if (grown !== null && grown > READERS * MIB_PER_READER_MAX + MIB_ALLOWED) problems.push(`the relay grew by ${grown.toFixed(0)} MiB`)
    const without = Math.max(before.p99, after.p99)
    if (during.p99 > Math.max(250, 4 * without)) problems.push(`p99 rose from ${without.toFixed(0)} to ${during.p99.toFixed(0)} ms`)
    const memory =
      grown === null ? 'memory not measured here' : `relay ${before.mib!.toFixed(0)} MiB before, ${during.mib!.toFixed(0)} at most with`
    return verdict(
      `${memory}, for ${unreadMb} MB unread; ack p99 of others ${before.p99.toFixed(1)} ms before, ${during.p99.toFixed(1)} ms with, ${after.p99.toFixed(1)} ms after; read on: all there in ${Math.round(caughtUpMs)} ms`,
      problems,
    )
  },
}

function openBulk(scene: Scene, relay: RelayProcess, doc: string): Promise<Typist> {
  return Typist.open(scene, {
    name: `bulk-${doc.at(-1)!}`,
    peers: [relay.url],
    ...only(doc),
    everyMs: 50,
    window: 3,
    valueBytes: VALUE_BYTES,
  })
}

function only(doc: string): { documents: string[]; subscribe: string[] } {
  return { documents: [doc], subscribe: [doc] }
}

/** Highest memory of the relay and p99 of acks, over some seconds. */
async function measure(scene: Scene, relay: RelayProcess, typists: readonly Typist[]): Promise<{ p99: number; mib: number | null }> {
  const from = typists.map(({ acked }) => acked.length)
  let mib: number | null = null
  const stop = nodeClock().every(250, () => {
    const now = residentMib(relay.pid)
    if (now !== null) mib = Math.max(mib ?? 0, now)
  })
  await scene.lasting(FOR_MS)
  stop()
  const took = typists.flatMap(({ acked }, index) => acked.slice(from[index]).map(({ tookMs }) => tookMs))
  return { p99: percentile(took, 99), mib }
}

interface Readers {
  /** They read again; resolves when all of them have these tokens, with how long it took. */
  readOn(tokens: readonly string[]): Promise<number>
}

/** Half of them native replicas behind a proxy that stops reading, half bare WebSockets of the y-websocket door. */
async function neverReadingClients(scene: Scene, relay: RelayProcess): Promise<Readers> {
  let stalled = false
  const proxy = await FaultyProxy.open(relay.port)
  scene.atEnd(() => proxy.close())
  proxy.fault = neverRead(() => stalled)
  const native = await Promise.all(
    Array.from({ length: READERS / 2 }, (_, index) => Typist.open(scene, { name: `reader-${index}`, peers: [proxy.url], ...only(BUSY) })),
  )
  const rooms = await Promise.all(
    Array.from({ length: READERS / 2 }, async () => {
      const room = new BareClient(`${relay.url}/${BUSY}`)
      scene.atEnd(() => room.terminate())
      await room.opened
      room.send(codec.step1Frame(Uint8Array.of(0)))
      await room.messageWhere((message) => message.kind === 'step-2')
      room.socket.pause()
      return room
    }),
  )
  stalled = true
  return {
    async readOn(tokens) {
      const began = scene.now()
      const updatesBefore = rooms.map((room) => room.messages.length)
      proxy.resume()
      stalled = false
      for (const room of rooms) room.socket.resume()
      await scene.until(
        'those that did not read have everything',
        () =>
          rooms.every((room, index) => room.messages.length > updatesBefore[index]! && room.socket.readyState === 1) &&
          native.every((reader) => reader.tokens().size >= tokens.length),
        30_000,
      )
      return scene.now() - began
    },
  }
}
