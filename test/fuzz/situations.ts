// Situations for the gate's fuzz: a document at some point of a random history, the next honest update, and what others write meanwhile.

import * as Y from 'yjs'
import { isRefusal, judge, Knowledge, walkUpdate, type UpdateFacts } from '@syncline/protocol'
import type { Random } from '../../packages/protocol/test/random.ts'
import { randomHistory } from '../../packages/protocol/test/yjs-history.ts'
import type { Id } from './update-model.ts'

export interface Situation {
  /** The document before: one full state, and what it holds. */
  readonly base: Uint8Array
  readonly knowledge: Knowledge
  /** The honest update that comes next, and another one of the same document. */
  readonly next: Uint8Array
  readonly other: Uint8Array
  /** What comes after it. */
  readonly later: readonly Uint8Array[]
  /** Ids that a mutation may name: some of the document, some of `next`. */
  readonly ids: readonly Id[]
}

/** Facts of an update that must pass. */
export function factsOf(bytes: Uint8Array): UpdateFacts {
  const facts = walkUpdate(bytes)
  if (isRefusal(facts)) throw new Error(`the gate refused an update: ${facts.code} ${facts.reason}`)
  return facts
}

/** What one full state holds. */
export function knowledgeOfState(state: Uint8Array): Knowledge {
  const knowledge = new Knowledge()
  const facts = factsOf(state)
  const verdict = judge(facts, knowledge)
  if (verdict.kind !== 'new' && verdict.kind !== 'known') throw new Error(`a full state was judged ${verdict.kind}`)
  knowledge.admit(facts)
  return knowledge
}

/** At least `count` situations, from as many short histories as that takes. */
export function situations(random: Random, count: number): Situation[] {
  const found: Situation[] = []
  while (found.length < count) {
    const { events } = randomHistory(random, {
      steps: random.between(6, 24),
      authors: random.between(2, 5),
      sync: 'log',
      clientMax: random.pick([300, 2 ** 32, 2 ** 42, 2 ** 53 - 1]),
    })
    const updates = events.map(({ update }) => update)
    const doc = new Y.Doc({ gc: random.chance(0.5) })
    for (const [i, next] of updates.entries()) {
      if (random.chance(0.3)) {
        const base = Y.encodeStateAsUpdate(doc)
        const knowledge = knowledgeOfState(base)
        const ids = someIds(random, knowledge, factsOf(next))
        if (ids.length > 0) found.push({ base, knowledge, next, other: random.pick(updates), later: updates.slice(i + 1), ids })
      }
      Y.applyUpdate(doc, next)
    }
    doc.destroy()
  }
  return found
}

function someIds(random: Random, knowledge: Knowledge, { structs }: UpdateFacts): Id[] {
  const ids: Id[] = []
  for (const [client, clock] of knowledge.clients()) for (let left = 6; left > 0; left--) ids.push({ client, clock: random.below(clock) })
  for (let i = 0; i < structs.length; i += 3) ids.push({ client: structs[i]!, clock: random.between(structs[i + 1]!, structs[i + 2]!) })
  return ids
}

/** Honest updates that others wrote without knowing `mutant`: none of its clients, nothing that builds on `next`. */
export function concurrentUpdates(situation: Situation, mutant: UpdateFacts, count: number): Uint8Array[] {
  const clients = new Set<number>()
  for (let i = 0; i < mutant.structs.length; i += 3) clients.add(mutant.structs[i]!)
  const knowledge = situation.knowledge.clone()
  const chosen: Uint8Array[] = []
  for (const update of situation.later) {
    if (chosen.length === count) break
    const facts = factsOf(update)
    if (facts.structs.some((value, i) => i % 3 === 0 && clients.has(value)) || judge(facts, knowledge).kind !== 'new') continue
    knowledge.admit(facts)
    chosen.push(update)
  }
  return chosen
}
