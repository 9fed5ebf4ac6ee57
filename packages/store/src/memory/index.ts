// @syncline/store/memory: a store in memory, deterministic, with copies for simulators.
export { createMemoryStore, type MemoryOptions, type MemorySnapshot, type MemoryStore } from './memory-store.ts'
