// The fuzz of the byte compactor: whatever honest programs store, the update made from bytes is what a Y.Doc makes of it; and of what a forger stores, too, or the
// bytes are left to the Y.Doc. A longer campaign, another seed, one history again: SYNCLINE_FUZZ_HISTORIES, SYNCLINE_FUZZ_SEED, SYNCLINE_FUZZ_ONLY.

import { compactBytes } from '@syncline/protocol'
import * as Y from 'yjs'
import { describe, expect, test } from 'vitest'
import { firstEdits, generateTyping, loadRecording } from '../../examples/demo/recording.ts'
import { Random } from '../../packages/protocol/test/random.ts'
import { admittedPart, namesImpossiblePlace } from './admitted-update.ts'
import { compareCompaction, diffProblem, loaded, type Compared } from './byte-oracle.ts'
import { mutate } from './mutations.ts'
import { concurrentUpdates, factsOf, situations, type Situation } from './situations.ts'
import { storedLog } from './stored-log.ts'
import { contentKinds } from './update-model.ts'

const SEED = Number(process.env['SYNCLINE_FUZZ_SEED'] ?? 1)
const HISTORIES = Number(process.env['SYNCLINE_FUZZ_HISTORIES'] ?? 1_200)
const ONLY = process.env['SYNCLINE_FUZZ_ONLY']
const MUTANTS = 3 * HISTORIES
const SITUATIONS_PER_BATCH = 24
const BATCH = 500

/** What the histories must hold, each at least once. */
const CONTENT_KINDS = [
  'gc',
  'deleted',
  'json',
  'binary',
  'string',
  'embed',
  'format',
  'type 0',
  'any',
  'doc',
  'astral',
  'map key',
  'delete set',
]

class Tally {
  readonly kinds = new Set<string>()
  readonly counts = { documents: 0, compacted: 0, left: 0, unsure: 0 }
  size = 0
  yjsSize = 0

  add({ outcome, size, yjsSize }: Compared): void {
    this.counts.documents++
    this.counts[outcome]++
    this.size += size
    this.yjsSize += yjsSize
  }

  summary(): string {
    const { documents, compacted, left, unsure } = this.counts
    const ratio = (this.size / this.yjsSize).toFixed(3)
    return `${documents} documents, ${compacted} compacted from bytes (to ${ratio} of what Yjs writes), ${left} left where Yjs derives deletes, ${unsure} left without need`
  }
}

/** One history, compacted at several points. Returns what is wrong, or null. */
function tryHistory(number: number, tally: Tally): string | null {
  const random = new Random(SEED * 1_000_003 + number)
  const log = storedLog(random)
  for (const update of log) for (const kind of contentKinds(update)) tally.kinds.add(kind)
  for (const end of new Set([log.length, random.between(1, log.length + 1)])) {
    const stored = log.slice(0, end)
    const compared = compareCompaction(stored, log.slice(end))
    tally.add(compared)
    const found = compared.problem ?? diffProblem(stored, random.below(end + 1), random.chance(0.5))
    if (found !== null) return `${found} (of ${end} updates)`
  }
  return null
}

/** One forged update in a document, admitted by the gate. Null when nothing is wrong. */
function tryMutant(number: number, batch: readonly Situation[], tally: Tally): string | null {
  const random = new Random(SEED * 1_000_003 + number)
  const situation = random.pick(batch)
  const { bytes, kinds } = mutate(random, situation.next, situation)
  if ('code' in factsOrRefusal(bytes)) return null
  const admitted = admittedPart(bytes, situation.knowledge)
  if (admitted === null) return null
  const others = concurrentUpdates(situation, factsOf(admitted), 4)
  const now = random.below(others.length + 1)
  const compared = compareCompaction([situation.base, admitted, ...others.slice(0, now)], others.slice(now))
  tally.add(compared)
  const { problem } = compared
  // a forger may write values longer than Yjs does
  if (problem === null || problem.startsWith('longer')) return null
  return namesImpossiblePlace(situation.base, situation.knowledge, admitted) ? null : `${problem} (after ${kinds.join(', ')})`
}

function factsOrRefusal(bytes: Uint8Array): object {
  try {
    return factsOf(bytes)
  } catch {
    return { code: 'refused' }
  }
}

const replay = (number: number, test: string): string =>
  `replay: SYNCLINE_FUZZ_SEED=${SEED} SYNCLINE_FUZZ_ONLY=${number} npx vitest run test/fuzz/byte-compactor.test.ts -t '${test}'`

describe('[I4] compaction from bytes', () => {
  test(
    `[I4] of ${HISTORIES} honest histories each is, compacted from bytes, what a Y.Doc makes of it, now and later, and no longer`,
    { timeout: 3_600_000 },
    () => {
      const tally = new Tally()
      const [from, to] = ONLY === undefined ? [0, HISTORIES] : [Number(ONLY), Number(ONLY) + 1]
      for (let number = from; number < to; number++) {
        const problem = tryHistory(number, tally)
        if (problem !== null) expect.fail(`history ${number}: ${problem}\n${replay(number, 'honest histories')}`)
      }
      console.log(`honest histories, seed ${SEED}: ${tally.summary()}`)
      if (ONLY !== undefined) return
      expect([...tally.kinds]).toEqual(expect.arrayContaining(CONTENT_KINDS))
      expect(tally.counts.unsure).toBe(0)
      expect(tally.counts.compacted).toBeGreaterThan(0.6 * tally.counts.documents)
    },
  )

  test(
    `[I4] of ${MUTANTS} forged updates each that the gate admits is compacted to what a Y.Doc makes of it, or left to the Y.Doc`,
    { timeout: 3_600_000 },
    () => {
      const tally = new Tally()
      const [from, to] = ONLY === undefined ? [0, MUTANTS] : [Number(ONLY), Number(ONLY) + 1]
      let batch: Situation[] = []
      for (let number = from; number < to; number++) {
        if (batch.length === 0 || number % BATCH === 0)
          batch = situations(new Random(SEED * 7_919 + Math.floor(number / BATCH)), SITUATIONS_PER_BATCH)
        const problem = tryMutant(number, batch, tally)
        if (problem !== null) expect.fail(`mutant ${number}: ${problem}\n${replay(number, 'forged updates')}`)
      }
      console.log(`forged updates, seed ${SEED}: ${tally.summary()}`)
      if (ONLY === undefined) expect(tally.counts.documents).toBeGreaterThan(MUTANTS * 0.1)
    },
  )

  test(
    '[I4] a recorded paper, typed in sessions and compacted as it grows, is in the end what a Y.Doc makes of it',
    { timeout: 120_000 },
    () => {
      const recording = firstEdits(loadRecording('automerge-paper') ?? generateTyping(20_000), 20_000)
      const doc = new Y.Doc()
      const log: Uint8Array[] = []
      doc.on('update', (update: Uint8Array) => log.push(update))
      const text = doc.getText('body')
      for (const [i, { patches }] of recording.txns.entries()) {
        doc.clientID = 1 + Math.floor(i / 1_000) * 7_919
        for (const [position, deleted, inserted] of patches) {
          if (deleted > 0) text.delete(position, deleted)
          if (inserted !== '') text.insert(position, inserted)
        }
      }
      let stored: Uint8Array[] = []
      for (const update of log) {
        stored.push(update)
        if (stored.length === 1_000) stored = [compactBytes(stored)!.update]
      }
      const { problem, size, yjsSize } = compareCompaction(stored, [])
      expect(problem).toBeNull()
      expect(compactBytes(stored)!.update).toEqual(compactBytes(log)!.update)
      expect(
        loaded([compactBytes(log)!.update])
          .getText('body')
          .toJSON(),
      ).toBe(text.toJSON())
      console.log(
        `${recording.source}: ${log.length} updates compacted to ${size} bytes, ${(size / yjsSize).toFixed(3)} of what Yjs writes`,
      )
    },
  )
})
