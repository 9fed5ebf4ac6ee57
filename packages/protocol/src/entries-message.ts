// An ENTRIES message put together from rows that are encoded already: rows that many links are sent alike are encoded once. The same bytes as those of the codec, which a test
// compares. Rule: WI-1.

import { entryRowCodec } from './field-codecs.ts'
import { messageTable } from './messages.ts'
import { WireWriter } from './wire-writer.ts'

const scratch = /* @__PURE__ */ new WireWriter()

/** A row whose document and origin are introduced under these aliases. */
export function encodeEntryRow(row: {
  readonly doc: number
  readonly origin: number
  readonly n: number
  readonly bytes: Uint8Array
}): Uint8Array {
  const [doc, origin] = [row.doc, row.origin].map((alias) => ({ alias, fresh: null }))
  scratch.reset()
  entryRowCodec.write(scratch, { doc: doc!, origin: origin!, n: row.n, kind: 'updates', bytes: row.bytes })
  return scratch.written().slice()
}

/** The message with tag and length, as encodeMessage gives it. `encoded`: so many rows, one after another, in any number of parts. */
export function entriesMessage(
  { channel, toSeq, rows }: { readonly channel: number; readonly toSeq: number; readonly rows: number },
  encoded: readonly Uint8Array[],
): Uint8Array {
  scratch.reset()
  scratch.varuint(channel)
  scratch.varuint(toSeq)
  scratch.varuint(rows)
  for (const part of encoded) scratch.raw(part)
  return scratch.framed(messageTable.entries.tag)
}
