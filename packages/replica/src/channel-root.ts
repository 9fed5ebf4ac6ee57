// The root of a channel: the sum of documentPoint over the committed documents of its scope, without those that this pair of replicas has refused.
// Compared in OPEN and ADVANCE. Rule: CV-2.

import { documentPoint, endOf, rangeHolds, startOf, Sum128, type Digest } from '@syncline/protocol'
import type { Channel } from './channel.ts'
import type { CoreContext } from './core-context.ts'
import type { LinkSession } from './link-session.ts'

export interface ScopeSummary {
  readonly root: Digest
  readonly documents: number
}

export function channelSummary(context: CoreContext, link: LinkSession, channel: Channel): ScopeSummary {
  const whole = scopeSummary(context, channel)
  const refused = link.hello === null ? [] : context.refusals.keysWith(link.hello.replicaId)
  const root = Sum128.fromHex(whole.root)
  for (const key of refused) {
    if (!rangeHolds(channel.range, key)) continue
    const digest = context.documents.digestOf(key)
    if (digest !== null) root.subtract(documentPoint(key, digest))
  }
  return { root: root.toHex(), documents: whole.documents }
}

function scopeSummary(context: CoreContext, channel: Channel): ScopeSummary {
  if (channel.scope.kind === 'space') return context.commits.totals
  context.tree.ensureBuilt()
  const { sum, count } = context.tree.summary(startOf(channel.range), endOf(channel.range))
  return { root: sum.toHex(), documents: count }
}
