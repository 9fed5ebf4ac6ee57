// Campaign DU-1: rounds of kill -9 of a relay under load. In each round writers on native and y-websocket links write until enough updates were acknowledged and enough
// are under way; at a random instant after that the relay is killed. It is started again on its folder and port, and every acknowledged update of the round must be
// there: in the committed log as a reader of the file sees it, and in what a fresh client is served. At the end every round's are looked for once more.

import { join } from 'node:path'
import {
  DEFAULT_SPACE,
  docKeyOf,
  isRefusal,
  judge,
  Knowledge,
  parseDocId,
  unframeUpdates,
  walkUpdate,
  type DocId,
} from '@syncline/protocol'
import { nodeClock } from '@syncline/replica/ws'
import { openSqliteReader } from '@syncline/store/sqlite'
import * as Y from 'yjs'
import * as codec from '../../packages/relay/src/y-websocket-codec.ts'
import { startRelay, temporaryFolder, type RelayProcess } from '../integration/relay-process.ts'
import { BareClient } from '../integration/room-client.ts'
import { Random } from '@syncline/testing'
import { NativeWriter, RoomWriter, type Edit, type Writer } from './acknowledged-writers.ts'

export interface KillRelayOptions {
  readonly rounds: number
  readonly seed: number
  /** Half of them on native links, half on y-websocket links. Default 20. */
  readonly writers?: number
  /** Acknowledged before the kill, at least. Default 1,000. */
  readonly ackedMin?: number
  /** Under way at the kill, at least. Default 100. */
  readonly underWayMin?: number
  /** A round that takes longer has failed. Default 60 s. */
  readonly roundMsMax?: number
  /** A line per round. */
  readonly onRound?: (round: KillRound) => void
  /** Starts its relays; default startRelay. */
  readonly start?: typeof startRelay
}

export interface KillRound {
  readonly round: number
  readonly ackedNative: number
  readonly ackedRoom: number
  /** At the moment of the kill. */
  readonly underWay: number
  /** Edits that were under way and are stored nevertheless. */
  readonly survived: number
  readonly restartMs: number
  readonly lost: readonly string[]
}

export interface KillRelayResult {
  readonly rounds: readonly KillRound[]
  /** Acknowledged in any round and missing at the end. */
  readonly lostAtEnd: readonly string[]
  readonly seed: number
  readonly tookMs: number
}

const documentsPerRound = 6

/** Runs the campaign in a temporary folder. Rejects when a round does not get to its kill; what is lost is in the result. */
export async function killRelayCampaign(options: KillRelayOptions): Promise<KillRelayResult> {
  const clock = nodeClock()
  const began = clock.now()
  const random = new Random(options.seed)
  const folder = temporaryFolder()
  const rounds: KillRound[] = []
  const ackedEver: Edit[] = []
  const start = options.start ?? startRelay
  let relay = await start(folder.path)
  try {
    for (let round = 1; round <= options.rounds; round++) {
      const load = await loadUntilKill(relay, round, options, random)
      const restartAt = clock.now()
      relay = await start(folder.path, { port: relay.port })
      const restartMs = clock.now() - restartAt
      const lost = await missing(folder.path, relay, load.acked)
      const survived = load.underWay.length - (await missingOnDisk(folder.path, load.underWay)).length
      const native = load.acked.filter((edit) => edit.token.startsWith('native')).length
      const result = {
        round,
        ackedNative: native,
        ackedRoom: load.acked.length - native,
        underWay: load.underWay.length,
        survived,
        restartMs,
        lost,
      }
      rounds.push(result)
      ackedEver.push(...load.acked)
      options.onRound?.(result)
    }
    return { rounds, lostAtEnd: await missingOnDisk(folder.path, ackedEver), seed: options.seed, tookMs: clock.now() - began }
  } finally {
    await relay.end('SIGKILL')
    folder.remove()
  }
}

interface Load {
  readonly acked: readonly Edit[]
  readonly underWay: readonly Edit[]
}

/** Writes until the conditions hold, waits for a random number of further acks, kills, and collects what was acknowledged until the sockets were gone. */
async function loadUntilKill(relay: RelayProcess, round: number, options: KillRelayOptions, random: Random): Promise<Load> {
  const { writers: count = 20, ackedMin = 1000, underWayMin = 100, roundMsMax = 60_000 } = options
  const writers = Array.from({ length: count }, (_, index): Writer => {
    const doc = parseDocId(`round-${round}/${index % documentsPerRound}`)
    const native = index % 2 === 0
    const settings = {
      url: relay.url,
      doc,
      window: 8 + random.below(16),
      random: new Random(random.uint32()),
      name: `${native ? 'native' : 'room'}-${round}-${index}`,
    }
    return native ? new NativeWriter(settings) : new RoomWriter(settings)
  })
  await within(
    roundMsMax,
    Promise.all(writers.map((writer) => writer.ready)),
    () => `round ${round}: the writers did not sync. ${relay.troubles()}`,
  )
  const acked = (): number => writers.reduce((sum, writer) => sum + writer.acked.length, 0)
  const underWay = (): number => writers.reduce((sum, writer) => sum + writer.underWay, 0)
  const ackedEnough = ackedMin + random.below(400)
  const delayMs = random.below(20)
  const stuck = (): string => `round ${round}: ${acked()} acknowledged and ${underWay()} under way. ${relay.troubles()}`
  let look: () => void = () => undefined
  for (const writer of writers) writer.start(() => look())
  const holds = (): Promise<void> =>
    new Promise((resolve) => {
      look = () => {
        if (acked() >= ackedEnough && underWay() >= underWayMin && writers.every((writer) => writer.acked.length > 0)) resolve()
      }
      look()
    })
  await within(roundMsMax, holds(), stuck)
  await new Promise<void>((resolve) => nodeClock().after(delayMs, resolve))
  await within(roundMsMax, holds(), stuck)
  relay.signal('SIGKILL')
  const underWayAtKill = writers.flatMap((writer) => writer.sentAndOpen())
  for (const writer of writers) writer.stop()
  await relay.exited
  // What the relay had sent before it died still arrives, and counts as acknowledged.
  await Promise.all(writers.map((writer) => writer.disconnected()))
  const all = writers.flatMap((writer) => writer.acked)
  await Promise.all(writers.map((writer) => writer.close()))
  return { acked: all, underWay: underWayAtKill }
}

/** Tokens of edits that the file, or a fresh client, lacks. */
async function missing(folder: string, relay: RelayProcess, edits: readonly Edit[]): Promise<string[]> {
  const lost = new Set(await missingOnDisk(folder, edits))
  for (const [doc, ofDocument] of Map.groupBy(edits, (edit) => edit.doc)) {
    const client = new BareClient(`${relay.url}/${doc}`)
    await client.opened
    client.send(codec.step1Frame(Uint8Array.of(0)))
    const answer = await client.messageWhere((message) => message.kind === 'step-2')
    client.terminate()
    for (const token of missingIn([(answer as { update: Uint8Array }).update], ofDocument)) lost.add(token)
  }
  return [...lost]
}

async function missingOnDisk(folder: string, edits: readonly Edit[]): Promise<string[]> {
  const reading = await openSqliteReader(join(folder, `${DEFAULT_SPACE}.db`))
  try {
    return [...Map.groupBy(edits, (edit) => edit.doc)].flatMap(([doc, ofDocument]) =>
      missingIn(storedUpdates(reading.reader, doc), ofDocument),
    )
  } finally {
    reading.close()
  }
}

function storedUpdates(reader: Awaited<ReturnType<typeof openSqliteReader>>['reader'], doc: DocId): Uint8Array[] {
  const content = reader.content(docKeyOf(DEFAULT_SPACE, doc))
  if (content === undefined) return []
  return [...(content.snapshot === null ? [] : [content.snapshot.update]), ...content.tail.flatMap((row) => unframeUpdates(row.data)!)]
}

/** By ids, deletes, and content: an edit is there when all three are. */
function missingIn(updates: readonly Uint8Array[], edits: readonly Edit[]): string[] {
  const knowledge = new Knowledge()
  const doc = new Y.Doc()
  for (const update of updates) {
    const facts = walkUpdate(update)
    if (isRefusal(facts) || judge(facts, knowledge).kind === 'missing') throw new Error('the stored updates do not follow one another')
    knowledge.admit(facts)
    Y.applyUpdate(doc, update)
  }
  const tokens = new Set(doc.getArray('tokens').toArray())
  const holds = ({ token, ids, deletes }: Edit): boolean =>
    tokens.has(token) &&
    everyRange(ids, (client, _, to) => knowledge.clockOf(client) >= to) &&
    everyRange(deletes, (client, from, to) => knowledge.coversDeletes(client, from, to))
  return edits.filter((edit) => !holds(edit)).map((edit) => edit.token)
}

function everyRange(ranges: readonly number[], holds: (client: number, from: number, to: number) => boolean): boolean {
  for (let at = 0; at < ranges.length; at += 3) if (!holds(ranges[at]!, ranges[at + 1]!, ranges[at + 2]!)) return false
  return true
}

function within<T>(ms: number, work: Promise<T>, words: () => string): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = nodeClock().after(ms, () => reject(new Error(words())))
    work.then(resolve, reject).finally(cancel)
  })
}

/** One line of progress. */
export function roundLine(round: KillRound, rounds: number): string {
  const { ackedNative, ackedRoom, underWay, survived, restartMs, lost } = round
  return `round ${round.round} of ${rounds}: acked ${ackedNative + ackedRoom} (native ${ackedNative}, y-websocket ${ackedRoom}), in flight ${underWay} (${survived} of them survived), lost ${lost.length}, restart ${Math.round(restartMs)} ms`
}
