// Campaign DU-1: rounds of kill -9 of a relay under load. In each round writers on native and y-websocket links write until enough updates were acknowledged and enough
// are under way; at a random instant after that the relay is killed. It is started again on its folder and port, and every acknowledged update of the round must be
// there: in the committed log as a reader of the file sees it, and in what a fresh client is served. At the end every round's are looked for once more.

import { parseDocId } from '@syncline/protocol'
import { nodeClock } from '@syncline/replica/ws'
import { startRelay, temporaryFolder, type RelayProcess } from '../integration/relay-process.ts'
import { Random } from '@syncline/testing'
import { missingOnDisk, missingServed } from './acknowledged-edits.ts'
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
      const lost = [...new Set([...(await missingOnDisk(folder.path, load.acked)), ...(await missingServed(() => relay.url, load.acked))])]
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
