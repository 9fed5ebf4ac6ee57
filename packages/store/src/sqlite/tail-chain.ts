// The rows of a document's tail, by their chain, newest first. Decides: what a chain that is not whole looks like: a row that is not there, is another document's or
// fails its checksum, an end that is not where it should be, rows or bytes that were not counted. All are "doc-quarantined". Read by space-reader.ts. Rules: ST-18, ST-35, ST-43.

import { SynclineError, docKeyFromBytes, type DocKey, type EpochNonce } from '@syncline/protocol/stored'
import type { LogRow, TailPlace } from '../store.ts'
import type { ReadStatements } from './statements.ts'
import { hexOf, isWholeRow, kindOf, type StoredDoc } from './stored-rows.ts'

/** A place, whatever epochs it holds in. */
export type ChainPlace = Pick<TailPlace, 'seq' | 'rows' | 'bytes'>

interface Origin {
  readonly nonce: Uint8Array
  readonly text: EpochNonce
}

const ORIGINS_KEPT_MAX = 1024

export class TailChain {
  private readonly sql: ReadStatements
  /** By id; only such as a row's checksum agreed with. */
  private readonly origins = new Map<number, Origin>()

  constructor(sql: ReadStatements) {
    this.sql = sql
  }

  /** The newest rows between two places, oldest first, at most `rowsMax` and about `bytesMax`, and where the older ones end. Inside a transaction: a statement of its own
   *  for each row costs as much again. Cost: about 5 us a row, and a pass over its bytes. */
  read(doc: StoredDoc, after: ChainPlace, upTo: ChainPlace, rowsMax: number, bytesMax: number): { rows: LogRow[]; before: ChainPlace } {
    const key = docKeyFromBytes(doc.key)
    const found: LogRow[] = []
    let { seq, rows, bytes } = upTo
    while (seq > after.seq && rows > after.rows && found.length < rowsMax && (found.length === 0 || upTo.bytes - bytes < bytesMax)) {
      const row = this.row(seq, doc, key)
      found.push(row)
      rows--
      bytes -= row.data.length
      seq = row.prev
    }
    const isEnd = seq <= after.seq || rows <= after.rows
    if (isEnd && (seq !== after.seq || rows !== after.rows || bytes !== after.bytes)) {
      throw quarantined(key, 'its rows are not the ones it counted')
    }
    return { rows: found.reverse(), before: { seq, rows, bytes } }
  }

  private row(seq: number, doc: StoredDoc, key: DocKey): LogRow {
    const columns = this.sql.chainRow.get(seq)
    if (columns === undefined) throw quarantined(key, `row ${seq} is missing`)
    const [docId, docEpoch, prev, originId, n, kind, , data] = columns
    const known = this.origins.get(originId)
    const nonce = known?.nonce ?? this.sql.originNonce.get(originId) ?? null
    if (docId !== doc.id || nonce === null || !isWholeRow(seq, doc.key, nonce, columns))
      throw quarantined(key, `row ${seq} fails its checksum`)
    const origin = known?.text ?? this.keep(originId, nonce)
    return { seq, doc: key, docEpoch, origin, n, kind: kindOf[kind]!, prev, data }
  }

  private keep(id: number, nonce: Uint8Array): EpochNonce {
    const text = hexOf(nonce) as EpochNonce
    if (this.origins.size >= ORIGINS_KEPT_MAX) this.origins.clear()
    this.origins.set(id, { nonce, text })
    return text
  }
}

export function quarantined(doc: DocKey, why: string): SynclineError {
  return new SynclineError('doc-quarantined', `The stored document ${doc} is damaged: ${why}.`, { detail: { doc } })
}
