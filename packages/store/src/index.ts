// @syncline/store: the storage contract and the compaction policy. Implementations are subpaths: ./memory, ./sqlite; the contract's executable
// suite is ./contract.
export * from './compaction-policy.ts'
export * from './store.ts'
