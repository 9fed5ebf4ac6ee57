// Which worker has a space: a stable hash of its name, so that every process says the same and nothing is stored. With another number of workers spaces move, which costs
// nothing: a worker opens a space when it is asked for, and none is open twice. Pure. Rule: WK-1.

import type { SpaceId } from '@syncline/protocol'

/** 0 to `workers` - 1. Names are ASCII. */
export function ownerOf(space: SpaceId, workers: number): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < space.length; at++) hash = Math.imul(hash ^ space.charCodeAt(at), 0x01000193)
  // The low bits of this sum repeat for names that differ at their end only: mix the high ones in.
  hash ^= hash >>> 16
  hash = Math.imul(hash, 0x85ebca6b)
  hash ^= hash >>> 13
  return (hash >>> 0) % workers
}
