// C8: bits of a relay's database file, or of its WAL, flip while it is stopped. SQLite alone serves most of such damage silently (TRAPS T23). Rules: ST-35,
// SQ-10, CV-3.

import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import type { RelayProcess } from '../../integration/relay-process.ts'
import { Onlooker } from '../onlooker.ts'
import { verdict, type Scenario } from '../scenario.ts'
import type { Scene } from '../scene.ts'
import { equalFolders, faultsIn, foreignIn, storeFile } from '../stored-content.ts'
import { Typist } from '../typist.ts'

const DOCUMENTS = Array.from({ length: 10 }, (_, index) => `note/${index}`)
const ROUNDS = 12
const HEAL_MS_MAX = 30_000

/** What became of the damage: nothing met it, it was met and fetched again from the peer, or the file was refused at open. */
type Outcome = 'harmless' | 'healed' | 'refused'

export const flippedBits: Scenario = {
  id: 'flipped-bits',
  fault: 'bits of a stopped relay’s database file or WAL flip',
  how: '1 to 8 random bits, or 64 in a row, in the file after SIGTERM or in the WAL after SIGKILL, cumulative over the rounds; then it starts again beside a whole peer',
  expected:
    'nothing that nobody wrote is ever served; damage is harmless, or found and fetched again from the peer within 30 s, or the file is refused with a code; everything acknowledged is served again',
  deadlineMs: 600_000,
  async run(scene) {
    const rounds = scene.rounds ?? ROUNDS
    const [folder, peerFolder] = [scene.subfolder('a'), scene.subfolder('b')]
    const peer = await scene.relay(peerFolder)
    const made = new Set<string>()
    const outcomes: Record<Outcome, number> = { harmless: 0, healed: 0, refused: 0 }
    const problems: string[] = []
    let flips = 0
    let relay = await scene.relay(folder, { args: ['--peer', peer.url] })
    for (let round = 1; round <= rounds; round++) {
      await writeAndSettle(scene, { relay, round, made, folders: [folder, peerFolder] })
      const inWal = round % 2 === 0
      await relay.end(inWal ? 'SIGKILL' : 'SIGTERM')
      const flipped = flipBits(scene, inWal ? `${storeFile(folder)}-wal` : storeFile(folder))
      flips += flipped.bits
      const again = await startAgain(scene, folder, peer.url)
      relay = again.relay
      const problem = await watchHealing(scene, relay, peer, made)
      const outcome: Outcome = again.refused !== null ? 'refused' : isNoticed(relay) ? 'healed' : 'harmless'
      outcomes[outcome]++
      problems.push(...problem.map((line) => `round ${round}: ${line}; ${flipped.words}`))
      scene.report(`round ${round} of ${rounds}: ${flipped.words}: ${outcome}${again.refused === null ? '' : ` (${again.refused})`}`)
      if (problem.length > 0) break
    }
    problems.push(...(await faultsIn(peerFolder)))
    const { harmless, healed, refused } = outcomes
    return verdict(
      `${flips} bits in ${rounds} rounds: ${harmless} harmless, ${healed} found and fetched again, ${refused} files refused; ${made.size} edits acknowledged, 0 lost, 0 wrong`,
      problems,
    )
  },
}

interface Round {
  readonly relay: RelayProcess
  readonly round: number
  readonly made: Set<string>
  readonly folders: readonly string[]
}

/** Some edits to every document, of many sizes, until both relays have all of them. */
async function writeAndSettle(scene: Scene, { relay, round, made, folders }: Round): Promise<void> {
  const valueBytes = 200 + scene.random.below(20_000)
  const writer = await Typist.open(scene, { name: `writer-${round}`, peers: [relay.url], documents: DOCUMENTS, valueBytes })
  const saved = await Promise.all(Array.from({ length: 3 * DOCUMENTS.length }, () => writer.write()))
  if (saved.includes(false)) throw new Error(`an edit was not saved: ${writer.refusals.join(', ')}`)
  for (const token of writer.made) made.add(token)
  await writer.close()
  await equalFolders(scene, folders, HEAL_MS_MAX)
}

function flipBits(scene: Scene, path: string): { bits: number; words: string } {
  if (!existsSync(path) || statSync(path).size === 0) return { bits: 0, words: 'no WAL was left' }
  const bytes = readFileSync(path)
  const row = scene.random.chance(0.2)
  // Now and then where it hurts most: the header and the first tables of the file, or of the WAL.
  const start = scene.random.below(scene.random.chance(0.25) ? Math.min(512, bytes.length) : bytes.length)
  const places = row
    ? Array.from({ length: 64 }, (_, index) => Math.min(start + index, bytes.length - 1))
    : [start, ...Array.from({ length: scene.random.below(8) }, () => scene.random.below(bytes.length))]
  for (const at of places) bytes[at]! ^= 1 << scene.random.below(8)
  writeFileSync(path, bytes)
  return {
    bits: places.length,
    words: `${places.length} bits of ${path.endsWith('-wal') ? 'the WAL' : 'the file'} at ${places[0]} of ${bytes.length}`,
  }
}

/** What an operator does: start it; where the file is refused, take it away and start with an empty folder. */
async function startAgain(scene: Scene, folder: string, peerUrl: string): Promise<{ relay: RelayProcess; refused: string | null }> {
  const options = { args: ['--peer', peerUrl] }
  try {
    return { relay: await scene.relay(folder, options), refused: null }
  } catch (error) {
    const code = /\[(store-[a-z]+)\]/.exec((error as Error).message)?.[1]
    if (code === undefined) throw error
    rmSync(folder, { recursive: true, force: true })
    return { relay: await scene.relay(scene.subfolder('a'), options), refused: code }
  }
}

function isNoticed(relay: RelayProcess): boolean {
  return /^(quarantined|tail-lost|log-damaged)/m.test(relay.troubles())
}

/** A fresh client of the damaged relay reads everything: all of it must come, and nothing else, ever. */
async function watchHealing(scene: Scene, relay: RelayProcess, peer: RelayProcess, made: ReadonlySet<string>): Promise<string[]> {
  const damaged = await Onlooker.open(scene, relay.url, DOCUMENTS, made)
  const whole = await Onlooker.open(scene, peer.url, DOCUMENTS, made)
  try {
    await damaged.shows(made, HEAL_MS_MAX)
    await whole.shows(made, HEAL_MS_MAX)
    await scene.until('both relays serve equal content', () => damaged.content() === whole.content(), HEAL_MS_MAX)
    return [...foreignIn('a client', [...damaged.foreign, ...whole.foreign], made)]
  } catch (error) {
    return [`${(error as Error).message}: ${relay.troubles().trim()}`, ...foreignIn('a client', damaged.foreign, made)]
  } finally {
    await damaged.close()
    await whole.close()
  }
}
