// Faults around the commit: what leaves before it, what a failed one leaves behind, and what is committed without what it vouches for.
// Read by mutants.ts. Rule: OR-0.

import type { Mutant } from './mutant.ts'

export const commitMutants: readonly Mutant[] = [
  {
    id: 'write-answered-early',
    what: 'a write is answered when it is admitted, before its commit',
    rules: ['DU-1', 'I5'],
    file: 'replica/src/replica-core.ts',
    find: "if (result.kind === 'new') commits.pending.writes.push(record)",
    replace:
      "if (result.kind === 'new') {\n      commits.pending.writes.push({ ...record, ticket: null })\n      this.#answer(write.ticket, { kind: 'known' })\n    }",
  },
  {
    id: 'ack-before-commit',
    what: 'ACK leaves before the commit of what it acknowledges',
    rules: ['DU-1', 'I5'],
    file: 'replica/src/receiver.ts',
    find: 'batch.onCommitted.push(acknowledge)',
    replace: 'acknowledge()',
  },
  {
    id: 'delivered-early',
    what: 'an edit is shown to guests before its commit',
    rules: ['DU-1', 'GU-2'],
    file: 'replica/src/replica-core.ts',
    find: "if (result.kind === 'new') commits.pending.writes.push(record)",
    replace:
      "if (result.kind === 'new') {\n      commits.pending.writes.push(record)\n      this.#context.effects.push({ kind: 'deliver', key: doc.key, doc: doc.name, updates: [write.update], source: write.source, link: 0, seq: commits.head + 1 })\n    }",
  },
  {
    id: 'failed-write-answered-known',
    what: 'a guest is told that its write is known when the commit failed',
    rules: ['DU-1', 'GU-1'],
    file: 'replica/src/commit-queue.ts',
    find: "outcome: { kind: 'failed', code: 'storage-failed' }",
    replace: "outcome: { kind: 'known' }",
  },
  {
    id: 'failed-commit-loses-edits',
    what: "this replica's own edits are forgotten with a failed commit",
    rules: ['DU-1'],
    file: 'replica/src/commit-queue.ts',
    find: 'if (write.source === LOCAL) kept.push(write)',
    replace: 'if (write.source === LOCAL) kept.splice(0)',
  },
  {
    id: 'failed-commit-keeps-knowledge',
    what: 'what a failed commit held still counts as admitted',
    rules: ['CV-2', 'I3'],
    file: 'replica/src/documents.ts',
    find: 'state.admitted = state.committed\n    state.uncommitted = 0',
    replace: 'state.uncommitted = 0',
  },
  {
    id: 'failed-commit-keeps-links',
    what: 'links whose rows a failed commit lost go on as if they were stored',
    rules: ['I3', 'I5'],
    file: 'replica/src/commit-queue.ts',
    find: 'for (const link of batch.links) links.add(link)',
    replace: '',
  },
  {
    id: 'failed-commit-keeps-cursors',
    what: 'cursors of a failed commit go into the next one, without their rows',
    rules: ['I3', 'I5'],
    file: 'replica/src/commit-queue.ts',
    find: 'for (const link of batch.links) links.add(link)',
    replace:
      'for (const link of batch.links) links.add(link)\n      for (const [name, cursor] of batch.cursors) this.pending.cursors.set(name, cursor)',
  },
  {
    id: 'full-store-never-retried',
    what: 'a store that failed once is never tried again',
    rules: ['CV-2', 'SQ-16'],
    file: 'replica/src/commit-queue.ts',
    find: 'return this.failure !== null && !this.busy && nowMs >= this.#retryAtMs',
    replace: 'return this.failure !== null && !this.busy && nowMs < 0',
  },
  {
    id: 'uncommitted-shared',
    what: 'admission changes the knowledge that leaves the process',
    rules: ['I5'],
    file: 'replica/src/admission.ts',
    find: 'if (doc.admitted === doc.committed) doc.admitted = doc.committed.clone()',
    replace: '',
  },
  {
    id: 'diff-of-uncommitted',
    what: 'a document diff tells deletes that are not committed',
    rules: ['I5'],
    file: 'replica/src/document-diff.ts',
    find: 'doc.committed.deletesDiffering(owed.buckets)',
    replace: 'doc.admitted.deletesDiffering(owed.buckets)',
  },
  {
    id: 'dirty-documents-evicted',
    what: 'documents with uncommitted updates are dropped from memory like any other',
    rules: ['I1', 'DU-1'],
    file: 'replica/src/documents.ts',
    find: '.filter((state) => state.uncommitted === 0)',
    replace: '.filter((state) => state.uncommitted >= 0)',
  },
  {
    id: 'root-keeps-old-digest',
    what: 'a document that changed is added to the root without taking its old digest out',
    rules: ['I1'],
    file: 'replica/src/commit-batch.ts',
    find: 'if (doc.stored) root.subtract(documentPoint(doc.key, doc.digest))',
    replace: 'if (doc.stored) root.subtract(documentPoint(doc.key, digest))',
  },
]
