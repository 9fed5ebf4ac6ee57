// Faults of the store and of the work on it: positions, nonces, identity, compaction, quarantine. Read by mutants.ts. Rule: OR-0.

import type { Mutant } from './mutant.ts'

export const storeMutants: readonly Mutant[] = [
  {
    id: 'compaction-keeps-nonce',
    what: 'compaction goes on in the same epoch (H4)',
    rules: ['H4', 'I4'],
    file: 'store/src/memory/memory-store.ts',
    find: 'const nonce = this.rotateEpochNow()\n    const installed = []',
    replace: 'const nonce = this.state.nonce\n    const installed = []',
  },
  {
    id: 'compaction-nonce-unused',
    what: 'the engine goes on under the nonce from before a compaction (H4)',
    rules: ['H4', 'I4'],
    file: 'replica/src/commit-queue.ts',
    find: 'this.head = result.head\n    this.rotated(result.nonce)',
    replace: 'this.head = result.head',
  },
  {
    id: 'compaction-moves-down',
    what: 'a snapshot takes the place of the last row that it covers',
    rules: ['I4', 'ST-32'],
    file: 'store/src/memory/memory-store.ts',
    find: 'const seq = ++this.state.head\n      const { docEpoch, lastSeq: prev } = doc',
    replace: 'const { docEpoch, lastSeq: prev } = doc\n      const seq = prev',
  },
  {
    id: 'nonce-kept-at-open',
    what: 'a store that is opened again goes on under its nonce',
    rules: ['I9', 'ST-27'],
    file: 'store/src/memory/memory-store.ts',
    find: 'this.read = new MemoryReader(this.state, () => this.closed)\n    this.rotateEpochNow()',
    replace: "this.read = new MemoryReader(this.state, () => this.closed)\n    if (this.openReason === 'created') this.rotateEpochNow()",
  },
  {
    id: 'copy-keeps-id',
    what: 'a copied file keeps the replica id',
    rules: ['ID-1', 'ST-36'],
    file: 'store/src/memory/memory-store.ts',
    find: 'this.state.replicaId = newId()',
    replace: '',
  },
  {
    id: 'quarantine-keeps-cursors',
    what: 'receive cursors outlive the content they vouched for',
    rules: ['I3', 'ST-33'],
    file: 'store/src/memory/memory-store.ts',
    find: 'this.read.damaged.delete(key)\n    cursors.clear()',
    replace: 'this.read.damaged.delete(key)',
  },
  {
    id: 'quarantine-keeps-links',
    what: 'links go on with their positions after a document was quarantined',
    rules: ['I3', 'CV-2'],
    file: 'replica/src/replica-core.ts',
    find: "this.#desk.endAll('storage-failed', 'a stored document is damaged and is fetched again')",
    replace: '',
  },
  {
    id: 'quarantine-forgets-epochs',
    what: 'quarantine goes on in the same epoch',
    rules: ['I3', 'ST-33'],
    file: 'store/src/memory/memory-store.ts',
    find: 'cursors.clear()\n    return this.rotateEpochNow()',
    replace: 'cursors.clear()\n    return this.state.nonce',
  },
  {
    id: 'healed-never-served',
    what: 'a document that was quarantined stays so after it came back',
    rules: ['CV-2', 'ST-34'],
    file: 'replica/src/commit-batch.ts',
    find: 'if (doc.quarantined) this.healed.add(doc.key)',
    replace: '',
  },
]
