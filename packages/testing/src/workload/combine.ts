// Several workloads on the same documents: an edit of the whole names the part that it belongs to. Decides which part draws. Read by users who mix
// their own workload with `fuzzSchema`. Rules: TS-1, TS-8.

import { SynclineError } from '@syncline/protocol'
import type { Author, Edit, Workload } from './workload.ts'
import { isFields } from './written.ts'

/** A workload made of others, each drawn in proportion to its weight. Its edits are `{ kind: name of the part, edit }`. Throws `argument-invalid` for parts of equal name, or weights that are no positive numbers. */
export function combine(name: string, parts: readonly (readonly [weight: number, workload: Workload])[]): Workload {
  const byName = new Map(parts.map(([, part]) => [part.name, part]))
  const weights = Object.fromEntries(parts.map(([weight, part]) => [part.name, weight]))
  if (byName.size === 0 || byName.size < parts.length)
    throw new SynclineError('argument-invalid', `combine: ${name} has parts of different names, at least one`)
  if (!parts.every(([weight]) => weight > 0 && Number.isFinite(weight)))
    throw new SynclineError('argument-invalid', `combine: the weights of ${name} are positive numbers`)
  return {
    name,
    situations: [...new Set(parts.flatMap(([, part]) => part.situations))],
    draw(random) {
      const kind = random.weighted(weights)
      return { kind, edit: byName.get(kind)!.draw(random) }
    },
    perform(edit, author) {
      const part = byName.get(edit.kind)
      const inner = innerOf(edit)
      return part !== undefined && inner !== null && part.perform(inner, authorOf(edit.kind, author))
    },
    roots(doc) {
      for (const part of byName.values()) part.roots(doc)
    },
    visible: (doc) => `{${[...byName.values()].map((part) => `${JSON.stringify(part.name)}:${part.visible(doc)}`).join(',')}}`,
    *simpler(edit) {
      const inner = innerOf(edit)
      if (inner !== null) for (const form of byName.get(edit.kind)?.simpler(inner) ?? []) yield { kind: edit.kind, edit: form }
    },
  }
}

function innerOf(edit: Edit): Edit | null {
  const inner = edit['edit']
  return isFields(inner) && typeof inner['kind'] === 'string' ? (inner as Edit) : null
}

/** The author as a part sees it: what it keeps is its own. */
function authorOf(part: string, author: Author): Author {
  return {
    doc: author.doc,
    origin: author.origin,
    met: (situation) => author.met(situation),
    keep: (key, make) => author.keep(`${part}/${key}`, make),
  }
}
