// The short way to a workload of one's own: named edits, each with a function that draws its value and one that carries it out. Decides all the rest:
// transaction, origin, what a reader sees, how values are made simpler. Read by users. Rules: TS-1, TS-4, TS-8.

import { SynclineError } from '@syncline/protocol'
import type * as Y from 'yjs'
import type { Random } from '../random.ts'
import { canonical } from './canonical.ts'
import { getRoot } from './resolve.ts'
import { simplerJson } from './simpler.ts'
import type { Edit, Json, Workload } from './workload.ts'

/** One kind of edit. With `draw(random: Random)` spelt out, TypeScript knows the value's type in `perform` too. */
export interface OwnEdit<V extends Json> {
  /** How often it is drawn, in proportion; default 1. */
  readonly weight?: number
  /** What the edit is about, as JSON: all chance is here. */
  draw(random: Random): V
  /** Changes the document, inside a transaction. It may find any document: what the value means has to be passed over when it is not there. */
  perform(doc: Y.Doc, value: V): void
}

export interface OwnWorkload<Values extends Readonly<Record<string, Json>>> {
  readonly name: string
  readonly edits: { readonly [K in keyof Values]: OwnEdit<Values[K]> }
  readonly roots: { readonly [root: string]: 'text' | 'map' | 'array' | 'xml' }
  /** What a reader sees, if that is not all of all roots: anything that JSON can write. */
  readonly visible?: (doc: Y.Doc) => unknown
}

/** A workload of named edits. An edit is `{ kind: its name, value }`; its name is also the situation that it meets when it changed something. Throws `argument-invalid` when there is no edit or root, or a weight is no positive number. */
export function workload<Values extends Readonly<Record<string, Json>>>(definition: OwnWorkload<Values>): Workload {
  const edits = new Map(Object.entries(definition.edits as { readonly [name: string]: OwnEdit<Json> }))
  const roots = Object.entries(definition.roots).toSorted(([a], [b]) => (a < b ? -1 : 1))
  const weights = Object.fromEntries([...edits].map(([name, edit]) => [name, edit.weight ?? 1]))
  check(definition.name, edits, roots.length)
  return {
    name: definition.name,
    situations: [...edits.keys()],
    draw(random) {
      const kind = random.weighted(weights)
      return { kind, value: edits.get(kind)!.draw(random) }
    },
    perform(edit, author) {
      const own = edits.get(edit.kind)
      if (own === undefined || edit['value'] === undefined) return false
      let changed = false
      author.doc.transact((transaction) => {
        own.perform(author.doc, structuredClone(edit['value']) as Json)
        changed = transaction.changed.size > 0
      }, author.origin)
      if (changed) author.met(edit.kind)
      return changed
    },
    roots(doc) {
      for (const [root, type] of roots) getRoot(doc, root, type)
    },
    visible(doc) {
      if (definition.visible !== undefined) return canonical(definition.visible(doc))
      return `{${roots.map(([root, type]) => `${JSON.stringify(root)}:${canonical(getRoot(doc, root, type))}`).join(',')}}`
    },
    *simpler(edit): Iterable<Edit> {
      if (edit['value'] !== undefined) for (const form of simplerJson(edit['value'])) yield { kind: edit.kind, value: form }
    },
  }
}

function check(name: string, edits: ReadonlyMap<string, OwnEdit<Json>>, roots: number): void {
  if (edits.size === 0 || roots === 0)
    throw new SynclineError('argument-invalid', `workload: ${name} has at least one edit and at least one root`)
  for (const [kind, edit] of edits)
    if (!((edit.weight ?? 1) > 0 && Number.isFinite(edit.weight ?? 1)))
      throw new SynclineError('argument-invalid', `workload: the weight of ${kind} in ${name} is a positive number`)
}
