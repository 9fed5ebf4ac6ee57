// What the JSON API answers, as far as the page reads it, told by the types of what the relay answers from. The page comes from the relay that answers it, so nothing
// here is of another version. Read by the parts of browser/; said by packages/relay/src/admin/.

import type { PeerStatus, ReplicaStatus } from '@syncline/replica'
import type { RelayFacts } from '../../relay-api.ts'
import type { Sample } from '../../sampler.ts'

export type { Sample } from '../../sampler.ts'

type Said = 'space' | 'head' | 'documents' | 'storage' | 'storageError' | 'rejected' | 'diverged' | 'quarantined' | 'stuck'

export interface StatusAnswer extends Pick<ReplicaStatus, Said>, Pick<RelayFacts, 'connections' | 'unsentBytes' | 'eventLoop'> {
  readonly relay: Pick<ReplicaStatus, 'replicaId' | 'durability'> & Pick<RelayFacts, 'url' | 'version' | 'uptimeMs' | 'draining'>
  readonly peers: readonly Pick<PeerStatus, 'replicaId' | 'role' | 'durability' | 'synced' | 'lag' | 'silentMs'>[]
  readonly memoryBytes: number
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
