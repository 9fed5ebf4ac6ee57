// What all replicas of a run share. Read by the replicas; made by world.ts and by scripted tests.

import type { DocId } from '@syncline/protocol'
import type { BuggifyPoint } from '@syncline/replica'
import type { Oracles } from '../oracles/oracles.ts'
import type { Counters } from '../situations.ts'
import type { Workload } from '../workload/workload.ts'
import type { Network } from './network.ts'
import type { Schedule } from './schedule.ts'
import type { Trace } from './trace.ts'

export interface Surroundings {
  readonly seed: number
  /** Whether turns and commits vary in time. */
  readonly jitter: boolean
  readonly schedule: Schedule
  readonly network: Network
  readonly counters: Counters
  readonly trace: Trace
  readonly workload: Workload
  readonly oracles: Oracles
  readonly buggify: ReadonlySet<BuggifyPoint>
  /** Documents that may be begun anew after a deletion. */
  readonly begunAnew: ReadonlySet<DocId>
  /** Somebody who edits this document met a situation. */
  met(doc: DocId, situation: string): void
}
