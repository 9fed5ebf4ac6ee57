// A committed row on its way to those who have its document open. Read by simulated-replica.ts and open-desk.ts.

import type { Effect, SourceId } from '@syncline/replica'

export type Delivery = Extract<Effect, { kind: 'deliver' }>

/** Whether it came from that source, and not by a link. */
export function isOwn(row: Delivery, source: SourceId): boolean {
  return row.link === 0 && row.source === source
}
