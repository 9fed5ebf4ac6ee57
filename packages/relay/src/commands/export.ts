// `syncline export`: documents as Yjs v1 state updates, one file each, with an index that keeps their names. A plain update is the whole truth of a document and
// every Yjs program reads it. Rules: CL-3, CL-5.

import { createWriteStream } from 'node:fs'
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { finished } from 'node:stream/promises'
import { docKeyOf, isDeletion, parseDocId, SynclineError, type DocKey } from '@syncline/protocol'
import type { DocRow, StoreReader } from '@syncline/store'
import * as Y from 'yjs'
import { command, dataOption, EXIT, jsonOption, spaceOption } from '../cli-command.ts'
import { documentsOf, livingOf, spaceNamed, withReader } from '../data-folder.ts'
import { exportFileName } from '../export-name.ts'
import { loadStored } from '../stored-document.ts'
import { byteText, counted, printable, type Terminal } from '../terminal.ts'

/** One JSON object per line: { doc, file, bytes, digest }. */
export const indexName = 'index.jsonl'

export interface IndexEntry {
  readonly doc: string
  readonly file: string
  readonly bytes: number
  readonly digest: string
}

export const exportCommand = command({
  name: 'export',
  summary: 'writes documents as Yjs updates, one file each, also while a relay runs',
  usage: '[DOCUMENT ...] [options]',
  positionals: [0, Infinity],
  options: {
    data: dataOption,
    space: spaceOption,
    all: { type: 'boolean', help: 'every document' },
    deleted: { type: 'boolean', help: 'what deletions took away, as long as it is kept (30 days), in place of what lives' },
    out: { type: 'string', value: 'DIR', short: 'o', default: './syncline-export', help: 'folder to write to' },
    json: { ...jsonOption, help: 'print the index to stdout as JSON lines' },
  },
  notes: [
    'Each file is one Yjs v1 state update: Y.applyUpdate(doc, bytes) reads it. index.jsonl keeps the names.',
    'Exit code 4: some documents could not be read; the others were written.',
  ],
  examples: ['syncline export --all --out backup', 'syncline export note/42 --out .'],
  run: async ({ data, space: spaceName, all, deleted, out, json }, names, terminal) => {
    if (all === names.length > 0) throw new SynclineError('usage', 'syncline export: name documents, or give --all.')
    const space = spaceNamed(spaceName)
    return withReader(data, space, async (reader) => {
      const every = (): Iterable<DocRow> =>
        livingOf(
          documentsOf(reader, (problem) => terminal.note(problem.message)),
          !deleted,
        )
      const kept = (row: DocRow): boolean => !deleted || reader.remains(row.key).length > 0
      const rows = all
        ? [...every()].filter(kept)
        : names.map((name) => named(reader, docKeyOf(space, parseDocId(name)), name, data, deleted))
      const total = all && !deleted ? reader.totals().documents : rows.length
      await mkdir(out, { recursive: true })
      const contentOf = (row: DocRow): Uint8Array =>
        deleted ? Y.mergeUpdates([...reader.remains(row.key)[0]!.updates]) : loadStored(reader, row).update
      const done = await writeAll(contentOf, rows, { out, json, total }, terminal)
      terminal.note(
        `${counted(done.written, 'document')} in ${out}, ${byteText(done.bytes)}${done.unread > 0 ? `; ${done.unread} could not be read` : ''}`,
      )
      return done.unread > 0 || done.written < total ? EXIT.partial : EXIT.ok
    })
  },
})

function named(reader: StoreReader, key: DocKey, name: string, data: string, deleted: boolean): DocRow {
  const row = reader.doc(key)
  if (row === undefined) throw new SynclineError('doc-missing', `There is no document ${JSON.stringify(name)} in ${data}.`)
  if (!deleted && isDeletion(row.docEpoch))
    throw new SynclineError('doc-deleted', `The document ${JSON.stringify(name)} was deleted; --deleted exports what is kept of it.`)
  if (deleted && reader.remains(row.key).length === 0)
    throw new SynclineError('doc-missing', `Nothing is kept of a deletion of ${JSON.stringify(name)} in ${data}.`)
  return row
}

async function writeAll(
  contentOf: (row: DocRow) => Uint8Array,
  rows: Iterable<DocRow>,
  { out, json, total }: { out: string; json: boolean; total: number },
  terminal: Terminal,
): Promise<{ written: number; unread: number; bytes: number }> {
  const index = createWriteStream(join(out, `${indexName}.part`))
  const done = { written: 0, unread: 0, bytes: 0 }
  for (const row of rows) {
    try {
      const update = contentOf(row)
      const entry: IndexEntry = { doc: row.name, file: exportFileName(row.name), bytes: update.length, digest: row.digest }
      await writeFile(join(out, entry.file), update)
      const line = JSON.stringify(entry)
      index.write(`${line}\n`)
      if (json) terminal.print(line)
      done.written++
      done.bytes += update.length
    } catch (error) {
      if (!(error instanceof SynclineError)) throw error
      done.unread++
      terminal.note(`${printable(row.name)}: ${error.message}`)
    }
    terminal.progress(`${done.written + done.unread} of ${counted(total, 'document')}, ${byteText(done.bytes)}`)
  }
  terminal.progressDone()
  index.end()
  await finished(index)
  await rename(join(out, `${indexName}.part`), join(out, indexName))
  return done
}
