// Campaign WK-3, WK-4, DU-1: rounds of kill -9 of a relay with workers under load. In each round writers on native and y-websocket links write into spaces of both workers;
// then a worker is killed (sometimes again as soon as it is started anew), or the process with the port, which is started again at once, beside its workers that end now or
// (stopped by SIGSTOP, as on a machine that swaps) live on for a while with their files, or all processes together. Afterwards everything acknowledged is looked for, in the files and in what a fresh client is served; onlookers that stay for the whole campaign have
// the roots of the files; each space has one owner, whose lock keeps others out; and no process of before is left.

import { DEFAULT_SPACE, parseDocId, SynclineError, type SpaceId } from '@syncline/protocol'
import { Replica } from '@syncline/replica'
import { dial, nodeClock, nodeCompression, nodeRandom } from '@syncline/replica/ws'
import { createMemoryStore } from '@syncline/store/memory'
import { openSqliteStore } from '@syncline/store/sqlite'
import { Random } from '@syncline/testing'
import { ownerOf } from '../../packages/relay/src/workers/owner.ts'
import { commandHere } from '../integration/command-here.ts'
import type { RelayProcess } from '../integration/relay-process.ts'
import { missingOnDisk, missingServed } from './acknowledged-edits.ts'
import { NativeWriter, RoomWriter, type Edit, type Writer } from './acknowledged-writers.ts'
import type { Scene } from './scene.ts'
import { rootOf, storeFile } from './stored-content.ts'
import { lives, WorkerTree } from './worker-tree.ts'

export interface KillWorkersOptions {
  readonly rounds: number
  /** Of native and y-websocket links by turns, over four spaces. */
  readonly writers: number
  /** Acknowledged before the kill, at least. */
  readonly ackedMin: number
  /** Under way at the kill, at least. */
  readonly underWayMin: number
}

export const KILLS = ['worker', 'port', 'tree'] as const
export type Kill = (typeof KILLS)[number]

export interface KillWorkersRound {
  readonly round: number
  readonly kill: Kill
  /** 'again': a worker was killed again while it started. 'held': a worker lived on beside the next relay, with its files. */
  readonly more: 'again' | 'held' | null
  readonly acked: number
  readonly underWay: number
  /** Edits that were under way and are stored nevertheless. */
  readonly survived: number
  /** From the kill until all spaces acknowledge again. */
  readonly backMs: number
  /** From the kill until no process of before lives. */
  readonly goneMs: number
  /** Of 'worker': edits that writers of the other one made after the kill, all of them acknowledged over the connections of before, and the longest pause between two. */
  readonly others: { readonly acked: number; readonly pauseMs: number } | null
  readonly lost: readonly string[]
  readonly problems: readonly string[]
}

export interface KillWorkersResult {
  readonly rounds: readonly KillWorkersRound[]
  readonly lostAtEnd: readonly string[]
  /** Found at the end: by `syncline verify`, of owners, of processes that are left. */
  readonly problems: readonly string[]
  /** How often it was looked who has which file, and of these while processes of two trees lived. */
  readonly looks: number
  readonly overlaps: number
}

const WORKERS = 2
const ARGS = ['--space-prefix', '/s/', '--insecure', '--workers', String(WORKERS)]
const DOCUMENTS = 3
const ROUND_MS_MAX = 60_000
/** drainMs, and the grace after it. */
const DRAINED_WITHIN_MS = 15_000

/** Null where the system does not show its processes. Rejects when a round does not get to its kill; what is lost or wrong is in the result. */
export async function killWorkersCampaign(
  scene: Scene,
  options: KillWorkersOptions,
  onRound: (round: KillWorkersRound) => void,
): Promise<KillWorkersResult | null> {
  // Each stock provider listens for the end of this process.
  process.setMaxListeners(2 * options.writers)
  const folder = scene.subfolder('data')
  const spaces = spacesOfBoth()
  const tree = WorkerTree.of(folder, spaces)
  if (tree === null) return null
  scene.atEnd(() => tree.end())
  const relay = await scene.relay(folder, { args: ARGS, onSpawn: (pid) => tree.watch(pid) })
  const campaign = new Campaign(scene, options, { folder, spaces, tree }, relay)
  const rounds: KillWorkersRound[] = []
  let order: Kill[] = []
  for (let round = 1; round <= options.rounds; round++) {
    if (order.length === 0) order = shuffled(KILLS, scene.random)
    const result = await campaign.round(round, order.pop()!)
    rounds.push(result)
    onRound(result)
  }
  return { rounds, ...(await campaign.end()) }
}

/** Two spaces of each worker. */
function spacesOfBoth(): readonly SpaceId[] {
  const names = [DEFAULT_SPACE, ...Array.from({ length: 16 }, (_, at) => `tenant-${at}` as SpaceId)]
  return Array.from({ length: WORKERS }, (_, worker) => names.filter((name) => ownerOf(name, WORKERS) === worker).slice(0, 2)).flat()
}

interface Place {
  readonly folder: string
  readonly spaces: readonly SpaceId[]
  readonly tree: WorkerTree
}

class Campaign {
  private readonly scene: Scene
  private readonly options: KillWorkersOptions
  private readonly place: Place
  private readonly onlookers: readonly Replica[]
  private readonly acked: Edit[] = []
  private relay: RelayProcess

  constructor(scene: Scene, options: KillWorkersOptions, place: Place, relay: RelayProcess) {
    this.scene = scene
    this.options = options
    this.place = place
    this.relay = relay
    this.onlookers = place.spaces.map((space) => this.onlooker(space))
  }

  async round(round: number, kill: Kill): Promise<KillWorkersRound> {
    const { scene, place } = this
    const writers = await this.writing(round)
    const { workers, pids } = this.target(kill)
    const isHit = (writer: Writer): boolean => workers.includes(ownerOf(writer.space, WORKERS))
    const [hit, others] = [writers.filter(isHit), writers.filter((writer) => !isHit(writer))]
    const before = place.tree.living()
    const more = kill === 'tree' || scene.random.chance(0.5) ? null : kill === 'port' ? 'held' : 'again'
    const held = more === 'held' ? scene.random.pick(before) : null
    if (held !== null) process.kill(held, 'SIGSTOP')
    const pauses = new Pauses(scene, others)
    const killedAtMs = scene.now()
    for (const pid of pids) process.kill(pid, 'SIGKILL')
    const underWay = hit.flatMap((writer) => writer.sentAndOpen())
    for (const writer of hit) writer.stop()
    // What was sent to them before arrives still, and counts as acknowledged.
    const cut = Promise.all(hit.map((writer) => writer.disconnected()))
    const gone = this.gone(kill === 'worker' ? pids : before)
    // Waited for below, after what may take as long.
    gone.catch(() => undefined)
    const problems: string[] = []
    if (kill === 'worker') await this.lostWorker(before, more === 'again')
    else problems.push(...(await (held === null ? this.startAgain() : this.startBeside(held))))
    const goneMs = await gone
    const backMs = (await this.allAcknowledge(round)) - killedAtMs
    const undisturbed = kill === 'worker' ? await this.undisturbed(others, pauses) : null
    problems.push(...(undisturbed?.problems ?? []))
    await scene.within('the connections of what was killed are gone', cut, ROUND_MS_MAX)
    const acked = writers.flatMap((writer) => writer.acked)
    await Promise.all(writers.map((writer) => writer.close()))
    this.acked.push(...acked)
    problems.push(...(await this.owned()), ...(await this.rootsEqual()))
    const lost = [...new Set([...(await missingOnDisk(place.folder, acked)), ...(await missingServed((space) => this.room(space), acked))])]
    const survived = underWay.length - (await missingOnDisk(place.folder, underWay)).length
    const counts = { acked: acked.length, underWay: underWay.length, survived, backMs, goneMs: goneMs - killedAtMs }
    return { round, kill, more, ...counts, others: undisturbed, lost, problems }
  }

  /** What a look at everything finds when all is over; the relay is ended in order. */
  async end(): Promise<Omit<KillWorkersResult, 'rounds'>> {
    const { scene, place, relay } = this
    const lostAtEnd = await missingOnDisk(place.folder, this.acked)
    const problems: string[] = []
    for (const space of place.spaces) {
      const { code, stdout, stderr } = await commandHere('verify', place.folder, '--space', space)
      if (code !== 0) problems.push(`verify of ${space} ends with ${code}: ${(stdout + stderr).trim()}`)
    }
    await Promise.all(this.onlookers.map((onlooker) => onlooker.close()))
    const { code } = await scene.within('the relay drains', relay.end('SIGTERM'), DRAINED_WITHIN_MS)
    if (code !== 0) problems.push(`SIGTERM ends with ${code}: ${relay.troubles()}`)
    const left = place.tree.living()
    if (left.length > 0) problems.push(`the processes ${left.join(', ')} are left`)
    const { looks, overlaps, doubles } = place.tree
    return { lostAtEnd, problems: [...problems, ...doubles], looks, overlaps }
  }

  /** Writers at work, of whom enough was acknowledged and enough is under way. */
  private async writing(round: number): Promise<readonly Writer[]> {
    const { scene, options, place } = this
    const { random } = scene
    const writers = Array.from({ length: options.writers }, (_, index): Writer => {
      const space = place.spaces[index % place.spaces.length]!
      const doc = parseDocId(`round-${round}/${Math.floor(index / place.spaces.length) % DOCUMENTS}`)
      return this.writer(index, space, { doc, name: `${round}-${index}`, window: 8 + random.below(16) })
    })
    const waiting = new Set(writers)
    for (const writer of writers) void writer.ready.then(() => waiting.delete(writer))
    const words = (): string => [...waiting].map(({ link, space }) => `${link} ${space}`).join(', ')
    await scene
      .until(`round ${round}: the writers are synced`, () => waiting.size === 0, ROUND_MS_MAX)
      .catch((error: Error) => {
        throw new Error(`${error.message}: ${words()}. ${this.relay.troubles()}`)
      })
    const acked = (): number => writers.reduce((sum, writer) => sum + writer.acked.length, 0)
    const underWay = (): number => writers.reduce((sum, writer) => sum + writer.underWay, 0)
    const ackedEnough = options.ackedMin + random.below(options.ackedMin)
    for (const writer of writers) writer.start(() => undefined)
    const holds = (): boolean =>
      acked() >= ackedEnough && underWay() >= options.underWayMin && writers.every((writer) => writer.acked.length > 0)
    await scene.until(`round ${round}: ${ackedEnough} edits are acknowledged`, holds, ROUND_MS_MAX)
    return writers
  }

  /** Which workers' spaces are hit, and what is killed. */
  private target(kill: Kill): { workers: readonly number[]; pids: readonly number[] } {
    const { place, relay, scene } = this
    if (kill === 'port') return { workers: [0, 1], pids: [relay.pid] }
    if (kill === 'tree') return { workers: [0, 1], pids: shuffled([relay.pid, ...place.tree.workers()], scene.random) }
    const space = scene.random.pick(place.spaces)
    return { workers: [ownerOf(space, WORKERS)], pids: [place.tree.ownerOf(space)!] }
  }

  /** Resolves with when none of them lives. */
  private async gone(pids: readonly number[]): Promise<number> {
    const { scene, place } = this
    const isGone = (): boolean => !place.tree.living().some((pid) => pids.includes(pid))
    await scene.until(`the processes ${pids.join(', ')} are gone`, isGone, 2 * ROUND_MS_MAX)
    return scene.now()
  }

  /** It is started again by itself; `again`: and killed again. */
  private async lostWorker(before: readonly number[], again: boolean): Promise<void> {
    const { scene, place } = this
    const fresh = (): number | undefined => place.tree.workers().find((pid) => !before.includes(pid))
    await scene.until('a lost worker is started again', () => fresh() !== undefined, ROUND_MS_MAX)
    if (again) process.kill(fresh()!, 'SIGKILL')
  }

  /** Whose port is gone is started again at once; its workers may still be at their last commit. */
  private async startAgain(): Promise<string[]> {
    const { scene, place, relay } = this
    // Its output stays open as long as a worker lives, and `exited` waits for that.
    await scene.until('the process with the port is gone', () => !lives(relay.pid), ROUND_MS_MAX)
    this.relay = await scene.relay(place.folder, { port: relay.port, args: ARGS, onSpawn: (pid) => place.tree.watch(pid) })
    return []
  }

  /** One worker lives on, stopped. Whoever starts beside it does not get its files: where it has the default space, the start is refused in words, and else its spaces are, until it
   *  goes on and ends. */
  private async startBeside(held: number): Promise<string[]> {
    const { scene, place } = this
    const kept = place.spaces.filter((space) => place.tree.ownerOf(space) === held)
    const goesOn = (): boolean => process.kill(held, 'SIGCONT')
    if (kept.includes(DEFAULT_SPACE)) {
      const words = await this.startAgain().then(String, (error: Error) => error.message)
      const problems = words.includes('store-locked') && words.includes(`process ${held} `) ? [] : [`a start beside ${held}: ${words}`]
      goesOn()
      await this.gone([held])
      return [...problems, ...(await this.startAgain())]
    }
    await this.startAgain()
    const probe = this.writer(0, kept[0]!, { doc: parseDocId('probe/beside'), name: 'beside', window: 1 })
    const refused = (): boolean => this.relay.troubles().includes('store-locked')
    await scene.until('a space of a worker of before is refused', refused, ROUND_MS_MAX)
    const others = await Promise.all(kept.map((space) => intrude(place.folder, space)))
    goesOn()
    await probe.close()
    return others.every((pid) => pid === held) ? [] : [`files of ${held} are open in ${others.join(' and ')}`]
  }

  /** Resolves with when each space acknowledged an edit of a new writer, who comes again until it is served. */
  private async allAcknowledge(round: number): Promise<number> {
    const { scene, place } = this
    const probes = place.spaces.map((space, at) =>
      this.writer(at + round, space, { doc: parseDocId(`probe/${round}`), name: `probe-${round}-${at}`, window: 1 }),
    )
    for (const probe of probes) void probe.ready.then(() => probe.start(() => probe.stop()))
    await scene.until(`round ${round}: all spaces acknowledge again`, () => probes.every((probe) => probe.acked.length > 0), ROUND_MS_MAX)
    const atMs = scene.now()
    this.acked.push(...probes.flatMap((probe) => probe.acked))
    await Promise.all(probes.map((probe) => probe.close()))
    return atMs
  }

  /** Writers of the worker that was not killed have the connections of before, and all that they wrote is acknowledged. */
  private async undisturbed(
    others: readonly Writer[],
    pauses: Pauses,
  ): Promise<{ acked: number; pauseMs: number; problems: readonly string[] }> {
    const { acked, pauseMs } = pauses.end()
    for (const writer of others) writer.stop()
    await this.scene.until('the others are acknowledged', () => others.every((writer) => writer.underWay === 0), ROUND_MS_MAX)
    const cut = others.filter((writer) => writer.losses > 0)
    const problems = cut.map(
      (writer) => `a ${writer.link} writer of ${writer.space} lost its connection, which was not of the killed worker`,
    )
    return { acked, pauseMs, problems }
  }

  /** Each space is open in one worker, the same for all of one number, and nobody else may open it. */
  private async owned(): Promise<string[]> {
    const { place } = this
    const problems: string[] = []
    const workers = place.tree.workers()
    const pids = place.spaces.map((space) => place.tree.ownerOf(space))
    for (const [at, space] of place.spaces.entries()) {
      const pid = pids[at]
      const number = ownerOf(space, WORKERS)
      const alike = place.spaces.every((other, index) => (pids[index] === pid) === (ownerOf(other, WORKERS) === number))
      if (pid === null || pid === undefined || !workers.includes(pid) || !alike)
        problems.push(`${space} is open in ${pid}, where the workers are ${workers.join(' and ')} and all have ${pids.join(', ')}`)
      const refused = await intrude(place.folder, space)
      if (refused !== pid) problems.push(`whoever else opens ${space} is told that ${refused ?? 'nobody'} has it, where ${pid} does`)
    }
    return problems
  }

  private async rootsEqual(): Promise<string[]> {
    const { scene, place, onlookers } = this
    const unequal = async (): Promise<string[]> => {
      const roots = await Promise.all(place.spaces.map((space) => rootOf(place.folder, space)))
      return place.spaces.filter((_, at) => !roots[at]!.endsWith(` ${onlookers[at]!.root}`))
    }
    const equal = async (): Promise<boolean> => (await unequal()).length === 0
    const wrong = await scene.until('the onlookers have the roots of the files', equal, 30_000).then(() => [], unequal)
    return wrong.map((space) => `an onlooker of ${space} does not come to the root of the file`)
  }

  private onlooker(space: SpaceId): Replica {
    const store = createMemoryStore({ space, random: nodeRandom })
    const replica = new Replica({ store, role: 'device', clock: nodeClock(), random: nodeRandom, compression: nodeCompression })
    const dialled = dial(replica, { url: this.relay.url, backoff: { maxMs: 1_000 } })
    this.scene.atEnd(() => dialled.close())
    this.scene.atEnd(() => replica.close())
    return replica
  }

  /** By turns: a room, a replica whose address names the space, a room, a replica whose greeting does. */
  private writer(
    index: number,
    space: SpaceId,
    more: Pick<ConstructorParameters<typeof RoomWriter>[0], 'doc' | 'name' | 'window'>,
  ): Writer {
    const turn = Math.floor(index / this.place.spaces.length) + index
    const settings = { ...more, space, random: new Random(this.scene.random.uint32()) }
    if (turn % 2 === 0) return new RoomWriter({ ...settings, url: this.room(space) })
    return new NativeWriter({ ...settings, url: turn % 4 === 1 ? this.room(space) : this.relay.url })
  }

  private room(space: SpaceId): string {
    return space === DEFAULT_SPACE ? this.relay.url : `${this.relay.url}/s/${space}`
  }
}

/** How long writers wait between two acknowledgements, from its making on. */
class Pauses {
  private readonly clock = nodeClock()
  private readonly writers: readonly Writer[]
  private readonly acked: number
  private readonly stop: () => void
  private heard: { atMs: number; count: number }[]
  private longestMs = 0

  constructor(scene: Scene, writers: readonly Writer[]) {
    this.writers = writers
    this.heard = writers.map((writer) => ({ atMs: scene.now(), count: writer.acked.length }))
    this.acked = this.heard.reduce((sum, { count }) => sum + count, 0)
    this.stop = this.clock.every(5, () => this.look())
  }

  end(): { acked: number; pauseMs: number } {
    this.stop()
    this.look()
    return { acked: this.heard.reduce((sum, { count }) => sum + count, 0) - this.acked, pauseMs: this.longestMs }
  }

  private look(): void {
    const atMs = this.clock.now()
    this.heard = this.writers.map((writer, at) => {
      const before = this.heard[at]!
      this.longestMs = Math.max(this.longestMs, atMs - before.atMs)
      return writer.acked.length === before.count ? before : { atMs, count: writer.acked.length }
    })
  }
}

/** Opens the file of a space as another process would: the process that its refusal names; null: it was not refused. */
async function intrude(folder: string, space: SpaceId): Promise<number | null> {
  try {
    const store = await openSqliteStore({ path: storeFile(folder, space), space, durability: 'process' })
    await store.close()
    return null
  } catch (error) {
    if (error instanceof SynclineError && error.code === 'store-locked') return Number(error.detail['pid'] ?? 0)
    throw error
  }
}

function shuffled<T>(items: readonly T[], random: Random): T[] {
  const left = [...items]
  return items.map(() => left.splice(random.below(left.length), 1)[0]!)
}

/** One line of progress. */
export function killWorkersLine({ round, kill, more, acked, underWay, survived, backMs, goneMs, others, lost }: KillWorkersRound): string {
  const what = { worker: 'a worker', port: 'the process with the port', tree: 'all processes' }[kill]
  const how = more === null ? '' : { again: ', again while it starts', held: ', a worker lives on' }[more]
  const rest = others === null ? '' : `; the others: ${others.acked} acked meanwhile, longest pause ${Math.round(others.pauseMs)} ms`
  return `round ${round}, ${what}${how}: acked ${acked}, in flight ${underWay} (${survived} of them survived), lost ${lost.length}, gone after ${Math.round(goneMs)} ms, back after ${Math.round(backMs)} ms${rest}`
}
