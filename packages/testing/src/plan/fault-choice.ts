// Which faults a user asks for. Plain data; read by simulate.ts and by users as `faults`. Rule: SM-1.

import type { FaultSelection, Range } from '../scenario.ts'
import { FAULT_WEIGHTS } from './draw-faults.ts'
import type { FaultKind } from './plan.ts'

const GROUPS = {
  /** Links that break, stall, mangle and slow down. */
  net: ['cut', 'half-open', 'partition', 'bridge', 'one-way', 'swizzle', 'hostile', 'slow'],
  /** Processes that die, stand still, or never come back. */
  crash: ['crash', 'gone', 'pause'],
  /** Disks that are full, and documents that fail their checksum. */
  disk: ['store-full', 'quarantine'],
  /** Clocks that leap. */
  clock: ['clock-jump'],
  /** Stores that are restored, copied, and run twice. */
  clone: ['restore', 'clone', 'twin'],
} as const satisfies Readonly<Record<string, readonly FaultKind[]>>

export type FaultGroup = keyof typeof GROUPS

export interface SwarmOptions {
  readonly groups?: Partial<Readonly<Record<FaultGroup, boolean>>>
  /** Kinds that exist in one run; default 3 to 5. */
  readonly kinds?: Range
  /** Faults in one run; default 4 to 8. */
  readonly events?: Range
}

/** Each seed draws some of the kinds: leaving kinds out finds other bugs than mixing all. Default: every group. */
export function swarm(options: SwarmOptions = {}): FaultSelection {
  const kinds = (Object.keys(GROUPS) as FaultGroup[]).flatMap((group) => ((options.groups?.[group] ?? true) ? GROUPS[group] : []))
  const weights = Object.fromEntries(kinds.map((kind) => [kind, FAULT_WEIGHTS[kind]]))
  return { weights, kinds: options.kinds ?? { min: 3, max: 5 }, events: options.events ?? { min: 4, max: 8 } }
}

export const faults = {
  swarm,
  /** Only edits, on quiet links. */
  none: { weights: {}, kinds: { min: 0, max: 0 }, events: { min: 0, max: 0 } },
  /** These kinds in every run: `faults.all('crash', 'partition')`. */
  all(...kinds: readonly [FaultKind, ...FaultKind[]]): FaultSelection {
    const count = { min: kinds.length, max: kinds.length }
    return {
      weights: Object.fromEntries(kinds.map((kind) => [kind, 1])),
      kinds: count,
      events: { min: kinds.length, max: 2 * kinds.length },
    }
  },
} as const satisfies Readonly<Record<string, unknown>>
