// What is expected of a link that is harmed for a while: two relays and a client behind a faulty proxy, and clients with links that are whole. Links may be cut,
// nothing wrong is stored, and once the harm is over everybody is equal. Read by the scenarios of links. Rules: IN-1, CV-1, CV-2, DU-1.

import { FaultyProxy, harmless, type Fault } from '../faulty-proxy.ts'
import type { RelayProcess } from '../../integration/relay-process.ts'
import { Onlooker } from '../onlooker.ts'
import type { Scene } from '../scene.ts'
import { equalFolders, faultsIn, foreignIn, missingFrom } from '../stored-content.ts'
import { Typist } from '../typist.ts'

const DOCUMENTS = ['note/1', 'note/2', 'note/3']
/** Twice the longest pause between two tries of a relay. */
const CONVERGE_MS_MAX = 60_000

export interface HarmedLink {
  readonly fault: Fault
  readonly forMs: number
  /** Bytes of each edit; default 2,000. */
  readonly valueBytes?: number
  /** Called when the harm begins; with what goes through the proxy. */
  readonly during?: (standing: Standing) => Promise<void>
}

export interface Standing {
  readonly proxy: FaultyProxy
  /** Behind the proxy for the other relay and for `far`. */
  readonly a: RelayProcess
  readonly b: RelayProcess
  /** At a, at a through the proxy, at b. */
  readonly typists: readonly Typist[]
  readonly folders: readonly string[]
}

export interface LinkReport {
  readonly problems: readonly string[]
  readonly acked: number
  /** From the end of the harm until all were equal. */
  readonly equalMs: number
  /** How links ended, at the relays: code and how often, most frequent first. */
  readonly ends: string
  readonly endCodes: ReadonlyMap<string, number>
}

export async function meetHarmedLink(scene: Scene, link: HarmedLink): Promise<LinkReport> {
  const standing = await stand(scene, link.valueBytes ?? 2_000)
  const { proxy, a, b, typists } = standing
  const [before, writing] = [a.troubles().length, typists.map((typist) => typist.acked.length)]
  proxy.become(link.fault)
  await link.during?.(standing)
  await scene.lasting(link.forMs)
  proxy.become(harmless)
  for (const typist of typists) typist.stop()
  const began = scene.now()
  const endCodes = codesIn(a.troubles().slice(before), b.troubles())
  scene.report(
    `harm over after ${typists.reduce((sum, { acked }, index) => sum + acked.length - writing[index]!, 0)} acks; links ended: ${words(endCodes)}`,
  )
  for (const typist of typists) await typist.settled(CONVERGE_MS_MAX)
  await equalFolders(scene, standing.folders, CONVERGE_MS_MAX)
  const equalMs = scene.now() - began
  const problems = await wrongIn(scene, standing)
  if (equalMs > CONVERGE_MS_MAX) problems.push(`equal only after ${Math.round(equalMs)} ms`)
  return { problems, acked: typists.reduce((sum, { acked }) => sum + acked.length, 0), equalMs, ends: words(endCodes), endCodes }
}

async function stand(scene: Scene, valueBytes: number): Promise<Standing> {
  const folders = [scene.subfolder('a'), scene.subfolder('b')]
  const a = await scene.relay(folders[0]!)
  const proxy = await FaultyProxy.open(a.port)
  scene.atEnd(() => proxy.close())
  const b = await scene.relay(folders[1]!, { args: ['--peer', proxy.url] })
  const typist = (name: string, url: string): Promise<Typist> =>
    Typist.open(scene, { name, peers: [url], documents: DOCUMENTS, everyMs: 30, valueBytes })
  const typists = await Promise.all([typist('near', a.url), typist('far', proxy.url), typist('other', b.url)])
  for (const one of typists) one.start()
  await scene.until('all write', () => typists.every(({ acked }) => acked.length >= 10), 30_000)
  return { proxy, a, b, typists, folders }
}

async function wrongIn(scene: Scene, { a, b, typists, folders }: Standing): Promise<string[]> {
  const problems: string[] = []
  const made = new Set(typists.flatMap((typist) => typist.made))
  const acked = typists.flatMap((typist) => typist.acked.map(({ token }) => token))
  for (const [name, relay] of [
    ['a', a],
    ['b', b],
  ] as const) {
    const onlooker = await Onlooker.open(scene, relay.url, DOCUMENTS, made)
    await onlooker.synced(30_000)
    const shown = onlooker.tokens()
    problems.push(...missingFrom(`relay ${name}`, acked, shown), ...foreignIn(`relay ${name}`, [...shown, ...onlooker.foreign], made))
    await onlooker.close()
    for (const line of relay.troubles().split('\n'))
      if (/^(refused|rejected|quarantined|divergence|storage-failed|rollback-detected)/.test(line)) problems.push(`relay ${name}: ${line}`)
  }
  for (const typist of typists) {
    const { rejected, diverged } = typist.replica.status.get()
    if (rejected.length + diverged.length > 0) problems.push(`${typist.name}: ${JSON.stringify({ rejected, diverged })}`)
    if (typist.refusals.length > 0) problems.push(`${typist.name} was refused: ${typist.refusals.join(', ')}`)
  }
  return [...problems, ...(await faultsIn(...folders))]
}

function codesIn(...troubles: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const [, code] of troubles.join('\n').matchAll(/^link-ended:.*code ([a-z-]+)/gm)) counts.set(code!, (counts.get(code!) ?? 0) + 1)
  return counts
}

function words(codes: ReadonlyMap<string, number>): string {
  const sorted = [...codes].toSorted((one, other) => other[1] - one[1])
  return sorted.length === 0 ? 'none' : sorted.map(([code, count]) => `${code} ${count}`).join(', ')
}
