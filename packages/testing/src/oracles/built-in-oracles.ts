// The oracles that every run has. Read by world.ts.

import { AcknowledgedOracle } from './acknowledged.ts'
import { BoundsOracle } from './bounds.ts'
import { CommittedOnlyOracle } from './committed-only.ts'
import { CompactionOracle } from './compaction.ts'
import { ContentOracle } from './content.ts'
import { CursorOracle } from './cursors.ts'
import { DeletionOracle } from './deletion.ts'
import { DivergenceOracle } from './divergence.ts'
import { FrameObserver } from './frames.ts'
import { IdentityOracle } from './identity.ts'
import type { Oracle } from './oracle.ts'
import { RecoveryOracle } from './recovery.ts'
import { RightsOracle } from './rights.ts'

export interface BuiltInOracles {
  readonly all: readonly Oracle[]
  readonly frames: FrameObserver
  readonly divergence: DivergenceOracle
}

export function builtInOracles(): BuiltInOracles {
  const identity = new IdentityOracle()
  const frames = new FrameObserver()
  const divergence = new DivergenceOracle()
  const others = [
    new RecoveryOracle(),
    new CommittedOnlyOracle(frames),
    new AcknowledgedOracle(),
    new CursorOracle(),
    new CompactionOracle(),
    new ContentOracle(),
    new DeletionOracle(),
  ]
  return { all: [identity, frames, ...others, new RightsOracle(identity), divergence, new BoundsOracle()], frames, divergence }
}
