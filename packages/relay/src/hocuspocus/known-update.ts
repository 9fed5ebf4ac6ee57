// Whether an update brings nothing to a document: all that it inserts and deletes is there. Pure. For readers, who answer the relay's step 1 like everybody and are
// saved when they have nothing of their own. Read by document.ts. Rule: HP-4.

import { isRefusal, walkUpdate } from '@syncline/protocol'

/** `whole`: one update with everything that is committed. Cost: one pass over both. */
export function bringsNothing(update: Uint8Array, whole: Uint8Array): boolean {
  const facts = walkUpdate(update)
  if (isRefusal(facts)) return false
  if (facts.isEmpty) return true
  const here = walkUpdate(whole)
  if (isRefusal(here)) return false
  return covers(here.structs, facts.structs) && covers([...here.deletes, ...here.structDeletes], facts.deletes)
}

/** Whether every range of `parts`, [client, from, to]*, lies in the union of the ranges of `whole`. */
function covers(whole: readonly number[], parts: readonly number[]): boolean {
  const byClient = new Map<number, [from: number, to: number][]>()
  for (let at = 0; at < whole.length; at += 3) {
    const ranges = byClient.get(whole[at]!) ?? []
    ranges.push([whole[at + 1]!, whole[at + 2]!])
    byClient.set(whole[at]!, ranges)
  }
  for (const ranges of byClient.values()) ranges.sort((one, other) => one[0] - other[0])
  for (let at = 0; at < parts.length; at += 3) {
    let from = parts[at + 1]!
    for (const range of byClient.get(parts[at]!) ?? []) if (range[0] <= from) from = Math.max(from, range[1])
    if (from < parts[at + 2]!) return false
  }
  return true
}
