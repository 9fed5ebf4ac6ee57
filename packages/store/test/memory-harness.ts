// The memory store under the storage contract. Chance is seeded; a crash is a snapshot of what is committed.

import { DEFAULT_SPACE } from '@syncline/protocol'
import type { StoreHarness } from '@syncline/store/contract'
import { createMemoryStore, type MemorySnapshot, type MemoryStore } from '@syncline/store/memory'

export function seededRandom(seed: number): (n: number) => Uint8Array {
  let state = (seed * 2654435761 + 1) >>> 0
  return (n) =>
    Uint8Array.from({ length: n }, () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0
      return state >>> 24
    })
}

export function memoryHarness(): StoreHarness {
  const random = seededRandom(1)
  const space = DEFAULT_SPACE
  let nowMs = 1_000_000
  let store: MemoryStore
  let kept: MemorySnapshot
  const now = (): number => nowMs
  const open = (from?: MemorySnapshot, asCopy = false): MemoryStore => {
    store = createMemoryStore({ space, random, now, ...(from && { from, asCopy }) })
    return store
  }
  const closed = async (): Promise<MemorySnapshot> => {
    await store.close()
    return store.snapshot()
  }
  return {
    space,
    open: () => Promise.resolve(open()),
    reopen: async () => open(await closed()),
    crash: () => Promise.resolve(open(store.snapshot())),
    backup: async () => open((kept = await closed())),
    restore: async () => {
      await closed()
      return open(kept)
    },
    openCopy: async () => open(await closed(), true),
    damage: async (key) => {
      open(await closed()).damage(key)
      return store
    },
    advance: (ms) => {
      nowMs += ms
    },
    dispose: () => store.close(),
  }
}
