// Why the gate refuses an update: one row per reason, allocated once, so that a flood of bad bytes costs no stack traces.
// Read by the walker's readers (which throw a row) and by walkUpdate (which catches it and returns its refusal). Rules: IN-1.

/** A typed no. `code` is from the error table; `reason` is short stable English for logs and metric labels. */
export interface GateRefusal {
  readonly code: 'update-malformed' | 'update-limit' | 'update-forbidden'
  readonly reason: string
}

/** Carries a refusal out of the nested readers. Never leaves this package. */
export class UpdateRefused extends Error {
  readonly refusal: GateRefusal

  constructor(code: GateRefusal['code'], reason: string) {
    super(reason)
    this.refusal = { code, reason }
  }
}

const malformed = (reason: string): UpdateRefused => new UpdateRefused('update-malformed', reason)
const limit = (reason: string): UpdateRefused => new UpdateRefused('update-limit', reason)
const forbidden = (reason: string): UpdateRefused => new UpdateRefused('update-forbidden', reason)

/** malformed: no Yjs encoder emits it. limit: over a bound of limits.ts. forbidden: well-formed, but it harms replicas that read it. */
export const REFUSE = {
  truncated: malformed('truncated'),
  trailingBytes: malformed('trailing-bytes'),
  varint: malformed('varint'),
  utf8: malformed('utf8'),
  count: malformed('count-beyond-bytes'),
  emptyRun: malformed('empty-run'),
  clientOrder: malformed('client-order'),
  info: malformed('info-byte'),
  parentInfo: malformed('parent-info'),
  contentRef: malformed('content-ref'),
  typeRef: malformed('type-ref'),
  zeroLength: malformed('zero-length'),
  selfReference: malformed('self-reference'),
  sameOrigins: malformed('same-origins'),
  circular: malformed('circular'),
  valueTag: malformed('value-tag'),
  json: malformed('json'),
  internal: malformed('internal'),
  clock: limit('clock'),
  valueDepth: limit('value-depth'),
  typeDepth: limit('type-depth'),
  clients: limit('clients'),
  deleteRanges: limit('delete-ranges'),
  gaps: limit('gaps'),
  reservedClient: forbidden('reserved-client'),
  protoKey: forbidden('proto-key'),
  mapContent: forbidden('map-content'),
  subdocOptions: forbidden('subdoc-options'),
} as const
