// The fuzz of joining: whoever has what stored updates build on comes to the same document by the updates and by what they are joined to, now and later, whatever
// honest programs wrote and wherever the log is cut. A longer campaign, another seed, one history again: SYNCLINE_FUZZ_HISTORIES, SYNCLINE_FUZZ_SEED, SYNCLINE_FUZZ_ONLY.

import { compactBytes, contentDigest, isRefusal, joinUpdates, judge, Knowledge, toHex, walkUpdate } from '@syncline/protocol'
import * as Y from 'yjs'
import { expect, test } from 'vitest'
import { Random } from '../../packages/protocol/test/random.ts'
import { visibleContent } from '../../packages/protocol/test/visible-content.ts'
import { loaded } from './byte-oracle.ts'
import { concurrentUpdates, factsOf, situations } from './situations.ts'
import { storedLog } from './stored-log.ts'

const SEED = Number(process.env['SYNCLINE_FUZZ_SEED'] ?? 1)
const HISTORIES = Number(process.env['SYNCLINE_FUZZ_HISTORIES'] ?? 250)
const ONLY = process.env['SYNCLINE_FUZZ_ONLY']

interface Tally {
  updates: number
  joined: number
  bytes: number
  joinedBytes: number
}

function sizeOf(updates: readonly Uint8Array[]): number {
  return updates.reduce((sum, { length }) => sum + length, 0)
}

/** In pieces of random length, as a link that comes back is sent them. */
function joinedInPieces(random: Random, updates: readonly Uint8Array[]): Uint8Array[] {
  const joined: Uint8Array[] = []
  const most = random.pick([2, 5, 1_000])
  for (let from = 0; from < updates.length;) joined.push(...joinUpdates(updates.slice(from, (from += random.between(1, most + 1)))))
  return joined
}

function knowledgeOf(updates: readonly Uint8Array[]): Knowledge {
  const knowledge = new Knowledge()
  for (const update of updates) knowledge.admit(factsOf(update))
  return knowledge
}

/** What the gate says to each in turn, of somebody who has `known`. Null: it takes them all. */
function refused(known: readonly Uint8Array[], updates: readonly Uint8Array[]): string | null {
  const knowledge = knowledgeOf(known)
  for (const update of updates) {
    const facts = walkUpdate(update)
    if (isRefusal(facts)) return `the gate refuses it: ${facts.reason}`
    const verdict = judge(facts, knowledge)
    if (verdict.kind === 'missing' || verdict.kind === 'refused') return `the gate says ${verdict.kind}`
    knowledge.admit(facts)
  }
  return null
}

function digestOf(updates: readonly Uint8Array[]): string {
  const digest = contentDigest(updates)
  return digest === null ? 'none' : toHex(digest)
}

/** Each in a transaction of its own. */
function grown(known: readonly Uint8Array[], updates: readonly Uint8Array[], gc: boolean): Y.Doc {
  const doc = loaded(known, gc)
  for (const update of updates) Y.applyUpdate(doc, update)
  return doc
}

function problemOf(
  known: readonly Uint8Array[],
  updates: readonly Uint8Array[],
  joined: readonly Uint8Array[],
  gc: boolean,
): string | null {
  const [mine, theirs] = [
    [...known, ...joined],
    [...known, ...updates],
  ]
  const docs = [grown(known, joined, gc), grown(known, updates, gc)] as const
  const whole = [compactBytes(mine), compactBytes(theirs)] as const
  const problems = [
    refused(known, joined),
    !knowledgeOf(mine).equals(knowledgeOf(theirs)) && 'other ids or deletes',
    digestOf(mine) !== digestOf(theirs) && 'another content digest',
    docs[0].store.pendingStructs !== null && 'something stays pending',
    visibleContent(docs[0]) !== visibleContent(docs[1]) && 'the documents show other content',
    visibleContent(loaded(mine)) !== visibleContent(loaded(theirs)) && 'loaded at once they show other content',
    Buffer.compare(Y.encodeStateAsUpdate(loaded(mine)), Y.encodeStateAsUpdate(loaded(theirs))) !== 0 && 'Yjs encodes another state',
    Buffer.compare(whole[0]?.update ?? new Uint8Array(0), whole[1]?.update ?? new Uint8Array(0)) !== 0 && 'compacted they differ',
    sizeOf(joined) > sizeOf(updates) && 'it is longer',
  ]
  return problems.find((problem) => typeof problem === 'string') || null
}

function tryHistory(number: number, tally: Tally): string | null {
  const random = new Random(SEED * 1_000_003 + number)
  const log = storedLog(random)
  const known = random.below(log.length + 1)
  const later = random.between(known, log.length + 1)
  const updates = log.slice(known, later)
  const joined = joinedInPieces(random, updates)
  tally.updates += updates.length
  tally.joined += joined.length
  tally.bytes += sizeOf(updates)
  tally.joinedBytes += sizeOf(joined)
  const gc = random.chance(0.5)
  const rest = log.slice(later)
  return (
    problemOf(log.slice(0, known), updates, joined, gc) ?? problemOf(log.slice(0, known), [...updates, ...rest], [...joined, ...rest], gc)
  )
}

const replay = (number: number): string =>
  `replay: SYNCLINE_FUZZ_SEED=${SEED} SYNCLINE_FUZZ_ONLY=${number} npx vitest run test/fuzz/byte-join.test.ts`

test(
  `[CV-1] of ${HISTORIES} honest histories a part, joined, brings whoever has what it builds on to the same ids, deletes and content, now and later`,
  { timeout: 3_600_000 },
  () => {
    const tally: Tally = { updates: 0, joined: 0, bytes: 0, joinedBytes: 0 }
    const [from, to] = ONLY === undefined ? [0, HISTORIES] : [Number(ONLY), Number(ONLY) + 1]
    for (let number = from; number < to; number++) {
      const problem = tryHistory(number, tally)
      if (problem !== null) expect.fail(`history ${number}: ${problem}\n${replay(number)}`)
    }
    console.log(`joined, seed ${SEED}: ${tally.updates} updates to ${tally.joined}, ${tally.bytes} bytes to ${tally.joinedBytes}`)
    if (ONLY === undefined) expect(tally.joined).toBeLessThan(0.8 * tally.updates)
  },
)

test('[CV-1] what people wrote at the same time, joined in any order in which it may be applied, is what it was', () => {
  for (const [number, situation] of situations(new Random(SEED * 7_919), 40).entries()) {
    const others = concurrentUpdates(situation, factsOf(situation.next), 6)
    const updates = [situation.next, ...others]
    const problem = problemOf([situation.base], updates, joinUpdates(updates), true)
    if (problem !== null && refused([situation.base], updates) === null) expect.fail(`situation ${number}: ${problem}`)
  }
})
