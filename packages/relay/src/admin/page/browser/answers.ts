// What the JSON API answers, as far as the page reads it, told by the types of what the relay answers from. The page comes from the relay that answers it, so nothing
// here is of another version. Read by the parts of browser/; said by packages/relay/src/admin/.

import type { PeerStatus, ReplicaStatus } from '@syncline/replica'
import type { RelayFacts } from '../../relay-api.ts'
import type { Sample } from '../../sampler.ts'

export type { Sample } from '../../sampler.ts'

type Said = 'space' | 'head' | 'documents' | 'storage' | 'storageError' | 'rejected' | 'diverged' | 'quarantined' | 'stuck'

interface SpaceFacts extends Pick<ReplicaStatus, Said> {
  readonly peers: readonly Pick<PeerStatus, 'replicaId' | 'role' | 'durability' | 'synced' | 'lag' | 'silentMs'>[]
}

/** Of the relay, with its default space. */
export interface RelayStatusAnswer extends SpaceFacts, Pick<RelayFacts, 'connections' | 'unsentBytes' | 'eventLoop'> {
  readonly relay: Pick<ReplicaStatus, 'replicaId' | 'durability'> & Pick<RelayFacts, 'url' | 'version' | 'uptimeMs' | 'draining'>
  readonly spaces: { readonly many: boolean; readonly open: number; readonly stored: number }
  readonly memoryBytes: number
}

/** Of a space, as the list of spaces has it. What only an open space knows is null for the others. */
export interface SpaceRow {
  readonly name: string
  readonly open: boolean
  readonly bytes: number
  readonly documents: number | null
  /** Native. */
  readonly links: number | null
  /** Documents attached by connections of other doors. */
  readonly guests: number | null
  readonly trouble: string | null
}

/** Of one space: while it is closed, only what the list has. */
export type SpaceStatusAnswer = SpaceRow & { readonly space: string } & Partial<Omit<SpaceFacts, 'space' | 'documents'>>

export type StatusAnswer = RelayStatusAnswer | SpaceStatusAnswer

export interface SpacesAnswer {
  readonly spaces: readonly SpaceRow[]
  readonly next: string | null
}

/** Of the relay: it has what only that knows. */
export function isOfRelay(status: StatusAnswer): status is RelayStatusAnswer {
  return 'relay' in status
}

export interface HistoryAnswer {
  readonly everyMs: number
  readonly samples: readonly Sample[]
}

export interface DocumentRow {
  readonly name: string
  readonly bytes: number
  readonly lastSeq: number
  /** Null: it is damaged. */
  readonly writers: number | null
  readonly updatedAtMs: number | null
  readonly quarantined: boolean
}

export interface DocumentsAnswer {
  readonly documents: readonly DocumentRow[]
  readonly next: string | null
}

export interface DocumentAnswer {
  readonly name: string
  readonly bytes: number
  readonly lastSeq: number
  readonly writers: readonly { readonly client: number; readonly clock: number }[]
  readonly stateVector: string
  /** Null: it is too large to be shown. */
  readonly content: Readonly<Record<string, unknown>> | null
  /** What each root is taken for: map, array, text, xml, empty. */
  readonly kinds: Readonly<Record<string, string>> | null
}

export interface LogAnswer {
  readonly rows: readonly { readonly seq: number; readonly bytes: number; readonly origin: string | null; readonly kind: string }[]
}
