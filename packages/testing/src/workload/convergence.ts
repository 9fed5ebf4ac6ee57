// Whether a schema and its edits converge at all, on plain Y.Docs without an engine: a history of concurrent edits is played, its updates are given
// to more readers in other orders, and all must see the same. Decides the orders. Read by arbitraries.ts and by users, in any test runner.
// Rule: TS-9.

import * as Y from 'yjs'
import { Random } from '../random.ts'
import { DocumentAuthor } from './author.ts'
import type { Edit, Workload } from './workload.ts'

/** One author edits; or `to` is told all that `from` knows. Authors are counted from 0. */
export type HistoryStep = { readonly author: number; readonly edit: Edit } | { readonly from: number; readonly to: number }

const DELIVERY = 'delivery'
/** Yjs derives deletes from what it receives; passing them on may derive more, but never for long. */
const SETTLING_ROUNDS_MAX = 10
const EXCERPT = 200

interface Reader {
  readonly name: string
  readonly doc: Y.Doc
}

/**
 * Plays a history, brings all updates to every author and to four more readers (in order, backwards, shuffled and doubled, merged into one), and
 * throws an Error that says who sees what unless all see the same. Nothing is random: the same history gives the same result.
 */
export function expectConvergence(workload: Workload, history: readonly HistoryStep[]): void {
  const { authors, updates } = play(workload, history)
  const readers = [...authors, ...lateReaders(updates)].map(({ name, doc }): Reader => ({ name, doc }))
  try {
    for (const { doc } of readers) workload.roots(doc)
    settle(readers)
    compare(workload, readers)
  } finally {
    for (const { author } of authors) author.destroy()
    for (const { doc } of readers) doc.destroy()
  }
}

interface Playing extends Reader {
  readonly author: DocumentAuthor
}

function play(workload: Workload, history: readonly HistoryStep[]): { authors: readonly Playing[]; updates: readonly Uint8Array[] } {
  const updates: Uint8Array[] = []
  const count = 1 + history.reduce((most, step) => Math.max(most, 'edit' in step ? step.author : Math.max(step.from, step.to)), 0)
  const authors = Array.from({ length: count }, (_, index): Playing => {
    const doc = document(index + 1)
    doc.on('update', (update: Uint8Array, origin: unknown) => {
      if (origin !== DELIVERY) updates.push(update)
    })
    workload.roots(doc)
    return { name: `author ${index}`, doc, author: new DocumentAuthor(doc) }
  })
  for (const step of history) {
    if ('edit' in step) workload.perform(step.edit, authors[step.author]!.author)
    else if (step.from !== step.to) pull(authors[step.to]!.doc, authors[step.from]!.doc)
  }
  return { authors, updates }
}

function document(clientId: number): Y.Doc {
  const doc = new Y.Doc({ guid: 'convergence' })
  doc.clientID = clientId
  return doc
}

function pull(to: Y.Doc, from: Y.Doc): void {
  Y.applyUpdate(to, Y.encodeStateAsUpdate(from, Y.encodeStateVector(to)), DELIVERY)
}

function lateReaders(updates: readonly Uint8Array[]): Reader[] {
  const orders = {
    'reader in order': updates,
    'reader backwards': updates.toReversed(),
    'reader shuffled': new Random(updates.length).shuffled([...updates, ...updates]),
    'reader of one merged update': updates.length === 0 ? [] : [Y.mergeUpdates([...updates])],
  }
  return Object.entries(orders).map(([name, order], index) => {
    const doc = document(1_000 + index)
    for (const update of order) Y.applyUpdate(doc, update, DELIVERY)
    return { name, doc }
  })
}

/** Until all know the same. Throws when that does not come about. */
function settle(readers: readonly Reader[]): void {
  for (let round = 0; round < SETTLING_ROUNDS_MAX; round++) {
    const [first, ...others] = readers.map(({ doc }) => Y.snapshot(doc))
    if (others.every((other) => Y.equalSnapshots(first!, other))) return
    const all = Y.mergeUpdates(readers.map(({ doc }) => Y.encodeStateAsUpdate(doc)))
    for (const { doc } of readers) Y.applyUpdate(doc, all, DELIVERY)
  }
  throw new Error(`readers do not come to know the same within ${SETTLING_ROUNDS_MAX} exchanges of all they know`)
}

function compare(workload: Workload, readers: readonly Reader[]): void {
  const [first, ...others] = readers.map(({ name, doc }) => ({ name, doc, seen: workload.visible(doc) }))
  for (const { name, doc, seen } of others) {
    if (doc.store.pendingStructs !== null || doc.store.pendingDs !== null) throw new Error(`${name} was given everything and still waits`)
    if (seen === first!.seen) continue
    const from = Math.max(0, firstDifference(seen, first!.seen) - EXCERPT / 2)
    throw new Error(
      `${workload.name} does not converge: ${first!.name} and ${name} know the same and see different content\n` +
        `  ${first!.name}: ...${first!.seen.slice(from, from + EXCERPT)}\n  ${name}: ...${seen.slice(from, from + EXCERPT)}`,
    )
  }
}

function firstDifference(a: string, b: string): number {
  let at = 0
  while (at < a.length && a[at] === b[at]) at++
  return at
}
