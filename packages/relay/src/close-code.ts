// What a connection of a foreign protocol is told when it ends: a WebSocket close code and a reason that fits the frame. Pure. Toward y-websocket 3.1 the
// range 4400 to 4499 means "do not come back", every other code "try again" (docs/compat.md). Rule: YW-6.

import { errorTable, type ErrorCode } from '@syncline/protocol'
import { closeReason } from '@syncline/replica'

export interface Closing {
  readonly code: number
  readonly reason: string
}

const RETRY_LATER = 1013
const REFUSED = 4422
const refusedWith: Partial<Record<ErrorCode, number>> = { 'read-only': 4403, 'doc-too-large': 4413, 'update-limit': 4413 }

/** Why a connection is closed: the table's close code, else "try again later" or a permanent refusal by its `retry` column. */
export function closingFor(code: ErrorCode, words: string): Closing {
  const row = errorTable[code]
  const transient = row.retry === 'later' || row.retry === 'now'
  return { code: row.closeCode ?? (transient ? RETRY_LATER : (refusedWith[code] ?? REFUSED)), reason: closeReason(code, words) }
}
