// Frames and updates in words, for traces and timelines. Read by the replicas and the recorder.

import { decodeFrame, unframeUpdates, walkUpdate, type DocRef, type EntryRow, type Message } from '@syncline/protocol'
import * as Y from 'yjs'

/** For traces: what a frame says, in one line. */
export function describeFrame(bytes: Uint8Array): string {
  const frame = decodeFrame(bytes, null)
  if (!frame.ok) return frame.code
  return frame.messages.map(describeMessage).join(', ')
}

function describeMessage(message: Message): string {
  const facts = Object.entries(message).flatMap(([name, value]) => (name === 'kind' ? [] : [`${name}:${describeValue(name, value)}`]))
  return `${message.kind}(${facts.join(' ')})`
}

function describeValue(name: string, value: unknown): string {
  if (name === 'rows')
    return (value as readonly EntryRow[]).map((row) => `[doc ${describeRef(row.doc)} ${describeUpdates(row.bytes)}]`).join('')
  if (name === 'doc') return describeRef(value as DocRef)
  if (name === 'stateVector') return describeMap(Y.decodeStateVector(value as Uint8Array))
  if (value instanceof Uint8Array) return describeUpdates(value)
  if (typeof value === 'string') return value.slice(0, 8)
  return JSON.stringify(value)
}

function describeRef(ref: DocRef): string {
  return ref.fresh === null ? String(ref.alias) : `${ref.alias}=${ref.fresh.doc}`
}

function describeMap(clocks: ReadonlyMap<number, number>): string {
  return [...clocks].map(([client, clock]) => `${client}:${clock}`).join(' ')
}

/** Ids that framed updates bring (client:from-to) and delete (-client:from-to). */
function describeUpdates(framed: Uint8Array): string {
  const updates = unframeUpdates(framed)
  if (updates === null) return `${framed.length}B`
  return updates.map(describeUpdate).join('; ')
}

/** For traces: ids that one update brings (client:from-to) and deletes (-client:from-to). */
export function describeUpdate(update: Uint8Array): string {
  const facts = walkUpdate(update)
  if ('code' in facts) return facts.reason
  const ranges = (flat: readonly number[], sign: string): string[] =>
    Array.from({ length: flat.length / 3 }, (_, i) => `${sign}${flat[3 * i]}:${flat[3 * i + 1]}-${flat[3 * i + 2]}`)
  return [...ranges(facts.structs, ''), ...ranges(facts.deletes, '-')].join(' ')
}
