// `syncline export`: documents as Yjs v1 state updates, one file each, with an index that keeps their names. A plain update is the whole truth of a document and
// every Yjs program reads it. Rules: CL-3, CL-5.

import { createWriteStream } from 'node:fs'
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { finished } from 'node:stream/promises'
import { DEFAULT_SPACE, docKeyOf, parseDocId, SynclineError } from '@syncline/protocol'
import type { DocRow, StoreReader } from '@syncline/store'
import { command, dataOption, EXIT, jsonOption } from '../cli-command.ts'
import { documentsOf, withReader } from '../data-folder.ts'
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
    all: { type: 'boolean', help: 'every document' },
    out: { type: 'string', value: 'DIR', short: 'o', default: './syncline-export', help: 'folder to write to' },
    json: { ...jsonOption, help: 'print the index to stdout as JSON lines' },
  },
  notes: [
    'Each file is one Yjs v1 state update: Y.applyUpdate(doc, bytes) reads it. index.jsonl keeps the names.',
    'Exit code 4: some documents could not be read; the others were written.',
  ],
  examples: ['syncline export --all --out backup', 'syncline export note/42 --out .'],
  run: async ({ data, all, out, json }, names, terminal) => {
    if (all === names.length > 0) throw new SynclineError('usage', 'syncline export: name documents, or give --all.')
    return withReader(data, async (reader) => {
      const rows = all ? documentsOf(reader, (problem) => terminal.note(problem.message)) : names.map((name) => named(reader, name, data))
      const total = all ? reader.totals().documents : names.length
      await mkdir(out, { recursive: true })
      const done = await writeAll(reader, rows, { out, json, total }, terminal)
      terminal.note(
        `${counted(done.written, 'document')} in ${out}, ${byteText(done.bytes)}${done.unread > 0 ? `; ${done.unread} could not be read` : ''}`,
      )
      return done.unread > 0 || done.written < total ? EXIT.partial : EXIT.ok
    })
  },
})

function named(reader: StoreReader, name: string, data: string): DocRow {
  const row = reader.doc(docKeyOf(DEFAULT_SPACE, parseDocId(name)))
  if (row === undefined) throw new SynclineError('doc-missing', `There is no document ${JSON.stringify(name)} in ${data}.`)
  return row
}

async function writeAll(
  reader: StoreReader,
  rows: Iterable<DocRow>,
  { out, json, total }: { out: string; json: boolean; total: number },
  terminal: Terminal,
): Promise<{ written: number; unread: number; bytes: number }> {
  const index = createWriteStream(join(out, `${indexName}.part`))
  const done = { written: 0, unread: 0, bytes: 0 }
  for (const row of rows) {
    try {
      const { update } = loadStored(reader, row)
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
