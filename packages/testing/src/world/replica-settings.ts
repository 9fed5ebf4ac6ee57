// How one simulated replica is set up. Decides when its documents are due for compaction, where a plan says so. Read by simulated-replica.ts and world.ts.

import { WHOLE_RANGE, type Role, type Scope } from '@syncline/protocol'
import type { CoreLimits } from '@syncline/replica'
import type { DocRow, StoreReader } from '@syncline/store'

export interface ReplicaSettings {
  readonly name: string
  readonly index: number
  readonly role: Role
  readonly readOnly: boolean
  interests: readonly Scope[]
  limits: Partial<CoreLimits>
  readonly dueRows: number | null
  readonly openDocumentsMax: number
  /** Whether open documents announce who is there. */
  readonly presence: boolean
  readonly gc: boolean
  /** How long a commit takes. */
  readonly commitMs: number
  readonly driftPpm: number
}

/** Compaction from so many tail rows on, in place of the real policy; null: the real one. Changes the reader. */
export function withDueRows(reader: StoreReader, dueRows: number | null): StoreReader {
  if (dueRows === null) return reader
  const due = (limit: number): readonly DocRow[] =>
    reader
      .docs(WHOLE_RANGE, 1000)
      .filter((doc) => doc.tailRows >= dueRows && !doc.quarantined)
      .slice(0, limit)
  return Object.defineProperty(reader, 'due', { value: due })
}
