// Stored rows as updates. Read by the replicas of a simulation and by the oracles.

import { unframeUpdates } from '@syncline/protocol'
import type { DocContent } from '@syncline/store'
import { Violation } from '../violation.ts'

/** Everything stored of a document, in an order that applies. */
export function updatesOf(content: DocContent | undefined): Uint8Array[] {
  if (content === undefined) return []
  const updates = content.snapshot === null ? [] : [content.snapshot.update]
  for (const row of content.tail) {
    if (row.kind === 'snapshot') continue
    const framed = unframeUpdates(row.data)
    if (framed === null) throw new Violation('I2', `row ${row.seq} is not framed`)
    updates.push(...framed)
  }
  return updates
}
