// What a channel tells of its scope: the documents that the peer may read, and their root, the sum of documentPoint over the committed ones without those that this pair of
// replicas has refused. Compared in OPEN and ADVANCE. Rules: CV-2, AU-2.

import { documentPoint, endOf, rangeHolds, startOf, Sum128, type Digest, type DocKey, type DocumentTree } from '@syncline/protocol'
import type { Channel } from './channel.ts'
import type { CoreContext } from './core-context.ts'
import type { LinkSession } from './link-session.ts'
import { ReadView } from './read-view.ts'

export interface ScopeSummary {
  readonly root: Digest
  readonly documents: number
}

/** Only while the channel is ready. */
export function channelSummary(context: CoreContext, link: LinkSession, channel: Channel): ScopeSummary {
  const whole = scopeSummary(context, channel)
  const refused = link.hello === null ? [] : context.refusals.keysWith(link.hello.replicaId)
  const root = Sum128.fromHex(whole.root)
  for (const key of refused) {
    if (!rangeHolds(channel.range, key)) continue
    const digest = shownDigest(context, channel, key)
    if (digest !== null) root.subtract(documentPoint(key, digest))
  }
  return { root: root.toHex(), documents: whole.documents }
}

function scopeSummary(context: CoreContext, channel: Channel): ScopeSummary {
  if (channel.view === null && channel.scope.kind === 'space') return context.commits.totals
  const { sum, count } = treeOf(context, channel).summary(startOf(channel.range), endOf(channel.range))
  return { root: sum.toHex(), documents: count }
}

function shownDigest(context: CoreContext, { view }: Channel, key: DocKey): Digest | null {
  const digest = context.documents.digestOf(key)
  if (view === null || digest === null) return digest
  const head = context.documents.head(key)
  return head === undefined ? null : view.shownDigest(key, head.name, digest)
}

/** The documents that ranges toward the peer are about. Only while the channel is ready. */
export function treeOf(context: CoreContext, channel: Channel): DocumentTree {
  if (channel.view !== null) return channel.view.tree
  context.tree.ensureBuilt()
  return context.tree
}

/** Gives a channel the view that its link's rights ask for, in place of any other. It may have to be built before the channel is ready. */
export function renewView(context: CoreContext, link: LinkSession, channel: Channel): void {
  const before = channel.view
  dropView(context, channel)
  if (link.access.readsAll?.(channel.scope) === true) return
  channel.view = new ReadView(context.settled, link.access, channel.range, before)
  context.views.add(channel.view)
}

export function dropView(context: CoreContext, channel: Channel): void {
  if (channel.view !== null) context.views.delete(channel.view)
  channel.view = null
}
