// What users say must hold of their documents, and what they want to have seen happen. Checked on every replica: at every change of an open document, or on what is
// stored once all are equal. Rules: OR-12 for what breaks, SM-2 for what never happened.

import type { DocId } from '@syncline/protocol'
import type * as Y from 'yjs'
import { Violation } from '../violation.ts'
import type { SimulatedReplica } from '../world/simulated-replica.ts'
import type { Oracle, Stage } from './oracle.ts'
import { documentOf, documentsOf } from './stored-documents.ts'

export interface Where {
  readonly replica: string
  readonly document: string
  /** Virtual milliseconds. */
  readonly atMs: number
}

/** True or undefined: it holds. False, words, or a throw: it does not. */
export type InvariantCheck = (doc: Y.Doc, where: Where) => boolean | string | undefined | void

export interface Invariant {
  readonly name: string
  readonly check: InvariantCheck
  readonly at: 'step' | 'quiescence'
}

/** Something that must hold of every document. `at`: 'quiescence' (default), on what every replica stores once all are equal; 'step', on every open document
 *  after every change. Broken: the run fails with rule OR-12 and is shrunk. Cost of 'step': one call per edit and replica. */
export function invariant(name: string, check: InvariantCheck, options: { readonly at?: Invariant['at'] } = {}): Invariant {
  return { name, check, at: options.at ?? 'quiescence' }
}

export interface Sometimes {
  readonly name: string
  readonly holds: (doc: Y.Doc, where: Where) => boolean
}

/** A situation that a campaign must meet: looked for at every change of an open document. A campaign of 100 runs or more in which fewer than 1 % of the runs meet
 *  it fails, because then its other checks prove little. */
export function sometimes(name: string, holds: Sometimes['holds']): Sometimes {
  return { name, holds }
}

export class UserInvariants implements Oracle {
  readonly rules = ['OR-12']
  readonly #invariants: readonly Invariant[]
  readonly #sometimes: readonly Sometimes[]
  #stage: Stage | null = null

  constructor(invariants: readonly Invariant[], sometimes: readonly Sometimes[]) {
    this.#invariants = invariants
    this.#sometimes = sometimes
  }

  begin(stage: Stage): void {
    this.#stage = stage
  }

  shown(replica: SimulatedReplica, docId: DocId, doc: Y.Doc): void {
    const { counters, nowMs } = this.#stage!
    const where = { replica: replica.name, document: docId, atMs: nowMs }
    for (const one of this.#invariants) if (one.at === 'step') expectHolds(one, doc, where)
    for (const { name, holds } of this.#sometimes) if (holds(doc, where)) counters.add(name)
  }

  quiescent(): void {
    const { replicas, workload, nowMs } = this.#stage!
    if (!this.#invariants.some(({ at }) => at === 'quiescence')) return
    for (const replica of replicas) {
      if (!replica.isUp) continue
      const { reader } = replica.store!
      for (const row of documentsOf(reader)) {
        const doc = documentOf(replica.name, reader, row.key, workload)
        const where = { replica: replica.name, document: row.name, atMs: nowMs }
        for (const one of this.#invariants) if (one.at === 'quiescence') expectHolds(one, doc, where)
        doc.destroy()
      }
    }
  }
}

function expectHolds({ name, check }: Invariant, doc: Y.Doc, where: Where): void {
  const told = answerOf(check, doc, where)
  if (told === null) return
  throw new Violation('OR-12', `"${name}" does not hold of ${where.document} at ${where.replica}${told === '' ? '' : `: ${told}`}`)
}

/** Null: it holds. */
function answerOf(check: InvariantCheck, doc: Y.Doc, where: Where): string | null {
  try {
    const answer = check(doc, where)
    if (answer === undefined || answer === true) return null
    return answer === false ? '' : answer
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}
