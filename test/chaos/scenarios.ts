// The table of all scenarios of `pnpm chaos`, in the order in which they run. docs/faults.md shows the same table; a test compares the two.

import { clockJumps } from './faults/clock-jumps.ts'
import { corruptingLink } from './faults/corrupting-link.ts'
import { cutFrames } from './faults/cut-frames.ts'
import { fileSizeLimit } from './faults/file-size-limit.ts'
import { flippedBits } from './faults/flipped-bits.ts'
import { fullDisk } from './faults/full-disk.ts'
import { killedRelay } from './faults/killed-relay.ts'
import { killedWorkers } from './faults/killed-workers.ts'
import { lostMinority } from './faults/lost-minority.ts'
import { powerCut } from './faults/power-cut.ts'
import { replacedFile } from './faults/replaced-file.ts'
import { shuffledFrames } from './faults/shuffled-frames.ts'
import { halfOpenLink, lateLink, narrowLink } from './faults/slow-link.ts'
import { slowReader } from './faults/slow-reader.ts'
import { stoppedRelay } from './faults/stopped-relay.ts'
import { thunderingHerd } from './faults/thundering-herd.ts'
import { twoOpeners } from './faults/two-openers.ts'
import type { Scenario } from './scenario.ts'

export const scenarios: readonly Scenario[] = [
  killedRelay,
  killedWorkers,
  powerCut,
  stoppedRelay,
  fullDisk,
  fileSizeLimit,
  replacedFile,
  twoOpeners,
  flippedBits,
  corruptingLink,
  cutFrames,
  shuffledFrames,
  lateLink,
  narrowLink,
  halfOpenLink,
  slowReader,
  thunderingHerd,
  clockJumps,
  lostMinority,
]

export interface FaultRow {
  readonly id: string
  readonly fault: string
  readonly how: string
  readonly expected: string
}

/** What docs/faults.md says of each fault. */
export function faultRows(): readonly FaultRow[] {
  return scenarios.map(({ id, fault, how, expected }) => ({ id, fault, how, expected }))
}
