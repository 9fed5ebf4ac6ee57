// The mutation fuzz of the gate. Whatever it admits, Yjs must integrate, in any order, and whatever honest encoders make, it must admit.
// More mutants, another seed, one mutant again: SYNCLINE_FUZZ_MUTANTS, SYNCLINE_FUZZ_SEED, SYNCLINE_FUZZ_ONLY.

import { isRefusal, judge, walkUpdate } from '@syncline/protocol'
import { describe, expect, test } from 'vitest'
import { Random } from '../../packages/protocol/test/random.ts'
import { admittedPart, namesImpossiblePlace, problemOf } from './admitted-update.ts'
import { honestUpdates, oracleVerdict } from './honest-updates.ts'
import { mutate } from './mutations.ts'
import { concurrentUpdates, factsOf, situations, type Situation } from './situations.ts'
import { contentKinds } from './update-model.ts'

const SEED = Number(process.env['SYNCLINE_FUZZ_SEED'] ?? 1)
const MUTANTS = Number(process.env['SYNCLINE_FUZZ_MUTANTS'] ?? 100_000)
const ONLY = process.env['SYNCLINE_FUZZ_ONLY']
const BATCH = 500
const SITUATIONS_PER_BATCH = 24

/** Situations depend on the batch, a mutation on its own number: any mutant can be made again alone. */
function batchOf(number: number): Situation[] {
  return situations(new Random(SEED * 7_919 + Math.floor(number / BATCH)), SITUATIONS_PER_BATCH)
}

/** What the mutated updates must hold, each at least once. */
const CONTENT_KINDS = [
  ...['gc', 'deleted', 'json', 'binary', 'string', 'embed', 'format', 'any', 'doc', 'astral', 'map key', 'delete set'],
  ...Array.from({ length: 7 }, (_, type) => `type ${type}`),
]

class Counters {
  private readonly counts = new Map<string, number>()

  add(name: string): void {
    this.counts.set(name, this.of(name) + 1)
  }

  of(name: string): number {
    return this.counts.get(name) ?? 0
  }

  summary(): string {
    return [...this.counts]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, count]) => `${name} ${count}`)
      .join(', ')
  }
}

/** One mutant through the gate and, when it is admitted, through Yjs. Returns what is wrong, or null. */
function tryMutant(number: number, batch: readonly Situation[], counters: Counters): string | null {
  const random = new Random(SEED * 1_000_003 + number)
  const situation = random.pick(batch)
  const { bytes, kinds } = mutate(random, situation.next, situation)
  const walked = walkUpdate(bytes)
  if (isRefusal(walked)) {
    counters.add(`refused ${walked.reason}`)
    return walked.reason === 'internal' ? 'the walker threw' : null
  }
  counters.add(`judged ${judge(walked, situation.knowledge).kind}`)
  const admitted = admittedPart(bytes, situation.knowledge)
  if (admitted === null) return null
  counters.add('admitted')
  for (const kind of kinds) counters.add(`admitted after ${kind}`)
  const others = concurrentUpdates(situation, factsOf(admitted), 4)
  if (others.length > 0) counters.add('admitted beside others')
  const problem = problemOf(random, situation.base, situation.knowledge, admitted, others)
  if (problem === null) return null
  if (
    (problem === 'content differs' || problem === 'export differs') &&
    namesImpossiblePlace(situation.base, situation.knowledge, admitted)
  ) {
    counters.add('of impossible place, and differing')
    return null
  }
  return `${problem} (after ${kinds.join(', ')}: ${Buffer.from(admitted).toString('hex')})`
}

describe('[IN-1] mutation fuzz of the gate', () => {
  test(
    `[IN-1] of ${MUTANTS} mutants none that is admitted throws, stays pending, exports uncleanly or depends on the order of delivery`,
    { timeout: 600_000 },
    () => {
      const counters = new Counters()
      const numbers = ONLY === undefined ? [0, MUTANTS] : [Number(ONLY), Number(ONLY) + 1]
      const contents = new Set<string>()
      let batch: Situation[] = []
      for (let number = numbers[0]!; number < numbers[1]!; number++) {
        if (batch.length === 0 || number % BATCH === 0) {
          batch = batchOf(number)
          for (const { next } of batch) for (const kind of contentKinds(next)) contents.add(kind)
        }
        const problem = tryMutant(number, batch, counters)
        if (problem !== null) {
          expect.fail(
            `mutant ${number}: ${problem}\nreplay: SYNCLINE_FUZZ_SEED=${SEED} SYNCLINE_FUZZ_ONLY=${number} npx vitest run test/fuzz/gate.test.ts`,
          )
        }
      }
      console.log(`gate fuzz, seed ${SEED}, ${MUTANTS} mutants: ${counters.summary()}`)
      if (ONLY !== undefined) return
      expect([...contents].toSorted()).toEqual(expect.arrayContaining(CONTENT_KINDS))
      expect(counters.of('admitted')).toBeGreaterThan(MUTANTS * 0.05)
      expect(counters.of('admitted beside others')).toBeGreaterThan(MUTANTS * 0.02)
      // a lie that only a document can expose; it must stay a rarity that the mutations make, not a class of its own
      expect(counters.of('of impossible place, and differing')).toBeLessThan(MUTANTS * 0.001)
    },
  )

  test('[IN-1] of 20,000 honest updates none is refused, and each is judged as Yjs treats it', { timeout: 600_000 }, () => {
    const counters = new Counters()
    let total = 0
    for (let seed = 0; total < 20_000; seed++) {
      const random = new Random(SEED * 104_729 + seed)
      for (const honest of honestUpdates(random)) {
        total++
        const { kind } = honest
        const walked = walkUpdate(honest.update)
        if (isRefusal(walked)) expect.fail(`${kind} of seed ${seed} is refused: ${walked.reason}`)
        const verdict = judge(walked, honest.knowledge).kind
        counters.add(`${kind} ${verdict}`)
        if (random.chance(0.25)) expect({ seed, kind, verdict }).toEqual({ seed, kind, verdict: oracleVerdict(honest) })
      }
    }
    console.log(`honest updates, seed ${SEED}: ${counters.summary()}`)
    for (const kind of ['event', 'state', 'collected state', 'diff', 'merged', 'state with pending', 'from V2'])
      expect(counters.of(`${kind} new`)).toBeGreaterThan(100)
    expect(counters.of('state with pending missing')).toBeGreaterThan(100)
  })
})
