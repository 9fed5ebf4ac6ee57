// What a store holds, as one text: everything that transactions wrote, and nothing that each opening makes anew (nonces, and the origin of snapshot markers, which is one).
// Equal texts mean equal stores, whichever implementation holds them. Read by image.ts, which compares a store after a crash with the model before it.

import { createHash } from 'node:crypto'
import { WHOLE_RANGE } from '@syncline/protocol'
import type { StoreReader } from '@syncline/store'
import { type Author, NAMES, keyOf } from './author.ts'

/** One line for each part; bytes as digests. Throws what the reader throws for a part that is damaged. */
export function writtenState(reader: StoreReader, { others, scopes }: Pick<Author, 'others' | 'scopes'>): string {
  const lines: unknown[] = [
    ['head', reader.head()],
    ['totals', reader.totals().documents, reader.totals().root],
    ...reader.docs(WHOLE_RANGE, 1000),
    ...NAMES.map((name) => ({ name, content: reader.content(keyOf(name)) })),
    ...NAMES.map((name) => ({ name, knowledge: reader.knowledgeParts(keyOf(name)) })),
    ...reader.log(0, 100_000, 1e9).map(({ origin, ...row }) => (row.kind === 'snapshot' ? row : { ...row, origin })),
    ...others.flatMap((peer) => scopes.map((scope) => ({ cursor: reader.cursor(peer, scope) }))),
    ...reader.acks().toSorted((a, b) => order(a.peer + a.scope, b.peer + b.scope)),
    ...NAMES.map((name) => ({ held: reader.held(keyOf(name)) })),
    reader.heldDocs().toSorted(),
    ...reader.refusals().toSorted((a, b) => order(a.peer + a.doc + a.direction, b.peer + b.doc + b.direction)),
  ]
  return lines.map((line) => JSON.stringify(sorted(line))).join('\n')
}

/** Keys in one order, bytes as their digest. */
function sorted(value: unknown): unknown {
  if (value instanceof Uint8Array) return `${value.length} bytes ${createHash('sha1').update(value).digest('base64')}`
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value as Record<string, unknown>).filter(([, field]) => field !== undefined)
  const known = entries.map(([key, field]): [string, unknown] => [key, key === 'origin' && isMarker(value) ? '' : sorted(field)])
  return Object.fromEntries(known.toSorted(([a], [b]) => order(a, b)))
}

function isMarker(value: object): boolean {
  return 'kind' in value && value.kind === 'snapshot'
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
