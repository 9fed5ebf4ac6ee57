// Makes what the parts of an engine share (core-context.ts), from what the engine is given. Read by replica-core.ts alone.

import { DocumentTree } from '@syncline/protocol'
import { AckBook } from './ack-book.ts'
import type { AdmissionContext } from './admission.ts'
import { noBuggify } from './buggify.ts'
import { ChannelIndex } from './channel-index.ts'
import { NOBODY } from './commit-batch.ts'
import { CommitQueue } from './commit-queue.ts'
import type { CoreContext } from './core-context.ts'
import { DEFAULT_CORE_LIMITS, type CoreOptions } from './core-options.ts'
import { DocumentTable } from './documents.ts'
import type { Effect } from './effects.ts'
import { HeldUpdates } from './held-updates.ts'
import { LinkWork } from './link-work.ts'
import { OriginNumbers } from './origin-numbers.ts'
import { Refusals } from './refusals.ts'
import { settledDocuments } from './settled-documents.ts'
import { WholeDiffs } from './whole-diffs.ts'

export function makeContext(options: CoreOptions, calls: Pick<CoreContext, 'endLink' | 'rolledBack' | 'decideContest'>): CoreContext {
  const { reader } = options
  const limits = { ...DEFAULT_CORE_LIMITS, ...options.limits }
  const documents = new DocumentTable(reader, options.space)
  const settled = settledDocuments(reader, documents)
  const tree: DocumentTree = new DocumentTree({
    docs: settled.docs,
    packed: {
      piece: (after, limit) => reader.digests(after, limit),
      unannounced: () => documents.unsettled(),
      root: () => commits.totals.root,
    },
  })
  const views: CoreContext['views'] = new Set()
  const held = new HeldUpdates(reader)
  const work = new LinkWork()
  // Whoever was told everything before a sweep has no use for its markers: they are not among the rows that land.
  const served = new ChannelIndex(work)
  const commits: CommitQueue = new CommitQueue({
    reader,
    documents,
    tree: allTrees(tree, views, documents),
    held,
    recentBytesMax: limits.recentBytesMax,
    landed: (rows) => served.landed(rows),
  })
  const effects: Effect[] = []
  const own = (): ReturnType<AdmissionContext['own']> => ({ source: NOBODY, link: 0, origin: commits.origin, n: commits.n })
  const context: CoreContext = {
    options,
    limits,
    reader,
    documents,
    settled,
    tree,
    views,
    treesToBuild: new Map(),
    commits,
    acks: new AckBook(),
    wholeDiffs: new WholeDiffs(),
    held,
    refusals: new Refusals(reader),
    admission: { limits, held, batch: () => commits.pending, nowMs: () => context.nowMs, documents: () => commits.totals.documents, own },
    links: new Map(),
    linksOf: new Map(),
    work,
    origins: new OriginNumbers(),
    served,
    firstNonce: commits.nonce,
    effects,
    buggify: options.buggify ?? noBuggify,
    nowMs: options.nowMs,
    missedBytesLeft: 0,
    event: (event) => void effects.push({ kind: 'event', event }),
    ...calls,
  }
  return context
}

/** A committed change reaches the tree of all documents and every view of them. */
function allTrees(tree: DocumentTree, views: CoreContext['views'], documents: DocumentTable): Pick<DocumentTree, 'update'> {
  return {
    update(key, before, after) {
      tree.update(key, before, after)
      const doc = views.size === 0 ? undefined : documents.loaded(key)
      if (doc !== undefined) for (const view of views) view.update(key, doc.name, before, after)
    },
  }
}
