// How deep one update nests shared types. Deep nesting overflows the stack of every replica that deletes the outermost type (TRAPS T16).
// Decides only what one update shows: a parent that is not in it counts as the surface. The walker measures updates that create more types than
// the bound, so a typing update never pays for it; judge refuses. The walker itself does not: a document that was nested step by step must still
// be readable as one state by the replicas that hold it. Rules: IN-1.

import { LIMITS } from './limits.ts'
import { REF, UpdateReader } from './update-reader.ts'

const reader = new UpdateReader()

/** Length of the longest chain of types within `bytes`, which already passed the walker; one more than LIMITS.typeDepthMax stands for any longer. */
export function typeDepthOf(bytes: Uint8Array): number {
  try {
    const links = readLinks(bytes)
    const depths = new Uint8Array(links.parent.length)
    const path: number[] = []
    let deepest = 0
    for (let i = 0; i < depths.length; i++) deepest = Math.max(deepest, measure(i, links, depths, path))
    return deepest
  } finally {
    reader.close()
  }
}

/** For each struct in reading order: the struct whose depth it takes (its sibling) or is one below (its parent type), or -1 for the surface. */
interface Links {
  readonly parent: Int32Array
  readonly below: Uint8Array
}

function readLinks(bytes: Uint8Array): Links {
  const starts = new Map<number, { readonly first: number; readonly clocks: number[] }>()
  const references: number[] = []
  const below: number[] = []
  for (let runs = reader.open(bytes); runs > 0; runs--) {
    reader.run()
    const clocks: number[] = []
    starts.set(reader.client, { first: below.length, clocks })
    for (; reader.left > 0; reader.advance()) {
      reader.struct()
      clocks.push(reader.clock)
      const sibling = reader.ref !== REF.gc && reader.ref !== REF.skip
      if (sibling && reader.originClient !== 0) references.push(reader.originClient, reader.originClock)
      else if (sibling && reader.rightClient !== 0) references.push(reader.rightClient, reader.rightClock)
      else if (sibling && reader.parentClient !== 0) references.push(reader.parentClient, reader.parentClock)
      else references.push(0, 0)
      below.push(sibling && reader.parentClient !== 0 ? 1 : 0)
    }
  }
  const parent = new Int32Array(below.length)
  for (let i = 0; i < parent.length; i++) {
    const run = starts.get(references[2 * i]!)
    parent[i] = run === undefined ? -1 : structAt(run, references[2 * i + 1]!)
  }
  return { parent, below: Uint8Array.from(below) }
}

/** Index of the struct that holds `clock`; -1 when it starts before the run. */
function structAt(run: { readonly first: number; readonly clocks: readonly number[] }, clock: number): number {
  let low = 0
  let high = run.clocks.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (run.clocks[middle]! <= clock) low = middle + 1
    else high = middle
  }
  return low === 0 ? -1 : run.first + low - 1
}

/** Marks the path under way; meeting it again is a loop, which judge refuses as circular. Depths are stored from 1, the surface; 0: not yet known. */
const ON_PATH = 255

function measure(start: number, links: Links, depths: Uint8Array, path: number[]): number {
  let at = start
  while (at >= 0 && depths[at] === 0) {
    depths[at] = ON_PATH
    path.push(at)
    at = links.parent[at]!
  }
  let depth = at < 0 || depths[at] === ON_PATH ? 1 : depths[at]!
  while (path.length > 0) {
    const struct = path.pop()!
    depth = Math.min(depth + links.below[struct]!, LIMITS.typeDepthMax + 1)
    depths[struct] = depth
  }
  return depth
}
