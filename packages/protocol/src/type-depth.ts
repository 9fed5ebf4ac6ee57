// How deep one update nests shared types. Deep nesting overflows the stack of every replica that deletes the outermost type (TRAPS T16).
// Decides only what one update shows: a parent that is not in it counts as the surface. Called by the walker for updates that create more
// types than the bound, so a typing update never pays for it. Rules: IN-1.

import { REFUSE } from './gate-refusal.ts'
import { LIMITS } from './limits.ts'
import { REF, UpdateReader } from './update-reader.ts'

const reader = new UpdateReader()

/** Throws the refusal "type-depth" when a chain of types within `bytes`, which already passed the walker, is longer than LIMITS.typeDepthMax. */
export function checkTypeDepth(bytes: Uint8Array): void {
  try {
    const links = readLinks(bytes)
    const depths = new Uint8Array(links.parent.length)
    const path: number[] = []
    for (let i = 0; i < depths.length; i++) measure(i, links, depths, path)
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

/** Depths are stored plus one (0: not yet known), and ON_PATH marks a loop, which judge refuses as circular. */
const ON_PATH = 255

function measure(start: number, links: Links, depths: Uint8Array, path: number[]): void {
  let at = start
  while (at >= 0 && depths[at] === 0) {
    depths[at] = ON_PATH
    path.push(at)
    at = links.parent[at]!
  }
  let depth = at < 0 || depths[at] === ON_PATH ? 1 : depths[at]!
  while (path.length > 0) {
    const struct = path.pop()!
    depth += links.below[struct]!
    if (depth > LIMITS.typeDepthMax) throw REFUSE.typeDepth
    depths[struct] = depth
  }
}
