// Faults that the simulation does not see yet, or too seldom to pin a seed. One that is caught moves to the list of its part. Tried by run.ts --unseen only.
// Rule: OR-0.

import type { Mutant } from './mutant.ts'

export const unseenMutants: readonly Mutant[] = [
  {
    id: 'read-rights-ignored',
    what: 'the log is sent whatever the peer may read',
    rules: ['AU-1'],
    file: 'replica/src/server.ts',
    find: 'if (doc === undefined || doc.quarantined || row.docEpoch < doc.docEpoch || !link.access.read(doc.name)) return true',
    replace: 'if (doc === undefined || doc.quarantined || row.docEpoch < doc.docEpoch) return true',
  },
  {
    id: 'held-answered-known',
    what: 'a write that waits for its dependency is answered as if it were stored',
    rules: ['DU-1', 'GU-3'],
    file: 'replica/src/replica-core.ts',
    find: "this.#answer(write.ticket, { kind: 'held', stateVector: doc.committed.stateVector() })",
    replace: "this.#answer(write.ticket, { kind: 'known' })",
  },
  {
    id: 'duplicate-answered-early',
    what: 'a write that repeats one whose commit is under way is answered at once',
    rules: ['DU-1', 'I5'],
    file: 'replica/src/replica-core.ts',
    find: "else if (result.kind === 'known' && doc.uncommitted > 0) commits.attachKnown(doc, record)",
    replace: '',
  },
  {
    id: 'any-nonce-accepted',
    what: 'a cursor is accepted whatever epoch it was given in',
    rules: ['H4', 'I3'],
    file: 'replica/src/server.ts',
    find: 'if (epoch === undefined) return false\n  const end = epoch.endSeq ?? commits.head',
    replace: 'if (epoch === undefined) return cursor.seq <= commits.head\n  const end = epoch.endSeq ?? commits.head',
  },
  {
    id: 'echo-suppressed-for-ever',
    what: 'rows are held back from the replica they came from on every later link, too (H3)',
    rules: ['H3', 'I8'],
    file: 'replica/src/server.ts',
    find: 'if (row.link !== link.id && rangeHolds(channel.range, row.doc)) {',
    replace:
      'const seen = ((context as unknown as { seen?: Map<number, string> }).seen ??= new Map<number, string>())\n    seen.set(link.id, link.hello!.replicaId)\n    if (seen.get(row.link) !== link.hello!.replicaId && rangeHolds(channel.range, row.doc)) {',
  },
  {
    id: 'compaction-drops-late-rows',
    what: 'compaction installs a snapshot over rows that were written meanwhile',
    rules: ['I4', 'I1', 'ST-31'],
    file: 'store/src/memory/memory-store.ts',
    find: 'if (doc === undefined || doc.lastSeq !== expectedLastSeq || doc.quarantined) continue',
    replace: 'if (doc === undefined || doc.lastSeq < expectedLastSeq || doc.quarantined) continue',
  },
]
