// What a channel tells of its scope: the documents that the peer may read, and their root, the sum of documentPoint over the committed ones without those that this pair of
// replicas has refused. Compared in OPEN and ADVANCE. Rules: CV-2, AU-2.

import { documentPoint, DocumentTree, endOf, rangeHolds, startOf, Sum128, ZERO_DIGEST, type Digest, type DocKey } from '@syncline/protocol'
import type { Channel } from './channel.ts'
import type { CoreContext } from './core-context.ts'
import type { LinkSession } from './link-session.ts'
import { ReadView } from './read-view.ts'

export interface ScopeSummary {
  readonly root: Digest
  readonly documents: number
}

/** Only while the channel is ready. Kept until something of the scope or the refusals changes: an idle link asks every second. */
export function channelSummary(context: CoreContext, link: LinkSession, channel: Channel): ScopeSummary {
  const kept = channel.summary
  const refusalChanges = context.refusals.changes
  if (kept !== null && kept.refusalChanges === refusalChanges) return kept
  const summary = summedUp(context, link, channel)
  // A view changes with rights, too, and with what the peer tells.
  if (channel.view === null && channel.serve === 'serving') channel.summary = { ...summary, refusalChanges }
  return summary
}

function summedUp(context: CoreContext, link: LinkSession, channel: Channel): ScopeSummary {
  const whole = scopeSummary(context, channel)
  const refused = link.hello === null ? null : context.refusals.keysWith(link.hello.replicaId)
  if (refused === null || refused.size === 0) return whole
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
  if (channel.view === null && channel.scope.kind === 'document') return documentSummary(context, channel.range.first)
  const { sum, count } = channel.tree!.summary(startOf(channel.range), endOf(channel.range))
  return { root: sum.toHex(), documents: count }
}

/** As the tree has it, without the pages of its neighbours. */
function documentSummary({ documents }: CoreContext, key: DocKey): ScopeSummary {
  const digest = documents.digestOf(key)
  return { root: digest === null ? ZERO_DIGEST : documentPoint(key, digest).toHex(), documents: digest === null ? 0 : 1 }
}

/** Of one document, without a look at its neighbours. */
function documentTree({ documents }: CoreContext, key: DocKey): DocumentTree {
  const digest = documents.digestOf(key)
  const tree = new DocumentTree(
    { docs: (range, _limit, after) => (digest === null || after !== undefined || !rangeHolds(range, key) ? [] : [{ key, digest }]) },
    { first: key, last: key },
  )
  tree.ensureBuilt()
  return tree
}

function shownDigest(context: CoreContext, { view }: Channel, key: DocKey): Digest | null {
  const digest = context.documents.digestOf(key)
  if (view === null || digest === null) return digest
  const head = context.documents.head(key)
  return head === undefined ? null : view.shownDigest(key, head.name, digest)
}

/** True: there are no ranges yet. The documents are being summed up, in pieces between what others want, and then the link is worked on. */
export function awaitsTree(context: CoreContext, link: LinkSession, channel: Channel): boolean {
  const isAwaited = treeToBuild(context, channel)?.built === false
  if (isAwaited) context.treesToBuild.set(channel, link)
  return isAwaited
}

/** The documents that ranges toward the peer are about. Not while the channel awaits it. */
export function treeOf(context: CoreContext, channel: Channel): DocumentTree {
  return treeToBuild(context, channel) ?? documentTree(context, channel.range.first)
}

/** That of treeOf(); null: it is made at once. */
export function treeToBuild({ tree }: CoreContext, { view, scope }: Channel): DocumentTree | null {
  if (view !== null) return view.tree
  return scope.kind === 'document' ? null : tree
}

/** Gives a channel the tree that its link's rights ask for, in place of any other. It may have to be built before the channel is ready. `meets`: the two sides will have to
 *  compare, as far as can be known: whoever speaks next waits for what that needs, and its OPEN goes with its first ranges. */
export function renewView(context: CoreContext, link: LinkSession, channel: Channel, meets: boolean = false): void {
  const before = channel.view
  channel.summary = null
  dropView(context, channel)
  const readsAll = link.access.readsAll?.(channel.scope) === true
  if (!readsAll) context.views.add((channel.view = new ReadView(context.settled, link.access, channel.range, before)))
  const isSummed = channel.view !== null || channel.scope.kind === 'collection'
  channel.tree = isSummed || (meets && link.dialled) ? treeToBuild(context, channel) : null
  if (meets || !channel.ready) awaitsTree(context, link, channel)
}

export function dropView(context: CoreContext, channel: Channel): void {
  if (channel.view !== null) context.views.delete(channel.view)
  context.treesToBuild.delete(channel)
  channel.view = null
  channel.tree = null
}
