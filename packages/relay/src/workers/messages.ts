// What the process that has the port and its workers tell each other. A connection goes with the message that tells of it. Types only. Read by seat.ts and worker.ts.

import type { ErrorCode, SpaceId } from '@syncline/protocol'
import type { Verdict } from '../admin/health.ts'
import type { Share } from '../admin/share.ts'
import type { SettingValues } from '../config/settings.ts'
import type { MetricReadings } from '../metrics/relay-metrics.ts'

export type PortName = 'doors' | 'admin'

/** Tells of a connection. */
export interface Handed {
  readonly kind: 'socket'
  /** Told back when the connection is gone. */
  readonly id: number
  readonly port: PortName
  /** What was read of it. */
  readonly bytes: Uint8Array
  /** Its WebSocket handshake was answered. */
  readonly answered: boolean
}

export type ToWorker =
  /** The first. `pipe`: where it takes connections whose TLS ends at the port; null: there is no TLS. */
  | {
      readonly kind: 'start'
      readonly values: SettingValues
      readonly index: number
      readonly workers: number
      readonly pipe: string | null
    }
  /** The port takes connections. */
  | { readonly kind: 'listening'; readonly url: string; readonly port: number }
  /** `more`: another one follows at once. */
  | (Handed & { readonly more: boolean })
  /** `names`: of spaces, for a share. */
  | { readonly kind: 'ask'; readonly ticket: number; readonly about: keyof Answers; readonly names: readonly SpaceId[] }
  | { readonly kind: 'elsewhere'; readonly ticket: number; readonly shares: readonly Share[] }
  /** Commits, acknowledges, closes and ends. */
  | { readonly kind: 'drain' }

export type FromWorker =
  /** The stores that it opens at the start are open. */
  | { readonly kind: 'opened' }
  /** `replicaId`: of the default space; null where another worker has it. */
  | { readonly kind: 'serving'; readonly replicaId: string | null }
  /** It could not start. `code` null: nothing that this program knows. */
  | { readonly kind: 'failed'; readonly code: ErrorCode | null; readonly words: string }
  /** What the others say, for whoever asks this one about all. */
  | { readonly kind: 'elsewhere'; readonly ticket: number; readonly names: readonly SpaceId[] }
  /** So many more of the sockets that it was sent: TAKEN_TOLD_EVERY. */
  | { readonly kind: 'taken' }
  | { readonly kind: 'left'; readonly ids: readonly number[] }
  | { readonly kind: 'answer'; readonly ticket: number; readonly answer: Answers[keyof Answers] }

export interface Answers {
  readonly health: { readonly live: Verdict; readonly ready: Verdict }
  readonly metrics: MetricReadings
  readonly share: Share
}
