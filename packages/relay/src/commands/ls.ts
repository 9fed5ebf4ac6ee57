// `syncline ls`: the documents of a data folder, by name. Rules: CL-3.

import type { DocRow, StoreReader } from '@syncline/store'
import { byteText, counted, printable, table, type Terminal } from '../terminal.ts'
import { command, dataOption, EXIT, jsonOption, spaceOption } from '../cli-command.ts'
import { documentsOf, livingOf, spaceNamed, storedBytes, withReader } from '../data-folder.ts'

export const lsCommand = command({
  name: 'ls',
  summary: 'lists the documents of a data folder, also while a relay runs on it',
  usage: '[options]',
  positionals: [0, 0],
  options: {
    data: dataOption,
    space: spaceOption,
    deleted: { type: 'boolean', help: 'those that were deleted, and how much of each can still be exported' },
    prefix: { type: 'string', value: 'TEXT', default: '', help: 'only documents whose name starts so' },
    json: { ...jsonOption, help: 'one JSON object per document and line' },
  },
  examples: ['syncline ls --data ./syncline-data', 'syncline ls --prefix note/ --json | jq -r .doc'],
  run: ({ data, space, deleted, prefix, json }, _, terminal) =>
    withReader(data, spaceNamed(space), (reader) => {
      const all = documentsOf(reader, (problem) => terminal.note(problem.message))
      if (deleted)
        return listDeleted(
          reader,
          [...livingOf(all, false)].filter((row) => row.name.startsWith(prefix)),
          json,
          terminal,
        )
      const rows = [...livingOf(all)].filter((row) => row.name.startsWith(prefix)).sort((a, b) => (a.name < b.name ? -1 : 1))
      if (json) {
        for (const row of rows) {
          terminal.print(
            JSON.stringify({
              doc: row.name,
              bytes: storedBytes(row),
              tailRows: row.tailRows,
              lastSeq: row.lastSeq,
              digest: row.digest,
              quarantined: row.quarantined,
            }),
          )
        }
        return EXIT.ok
      }
      if (rows.length > 0) {
        const cells = rows.map((row) => [
          byteText(storedBytes(row)),
          String(row.tailRows),
          String(row.lastSeq),
          row.digest.slice(0, 12),
          printable(row.name) + (row.quarantined ? '  (damaged, waits for a peer)' : ''),
        ])
        terminal.print(
          table(
            [
              { title: 'SIZE', align: 'right' },
              { title: 'TAIL ROWS', align: 'right' },
              { title: 'LAST SEQ', align: 'right' },
              { title: 'DIGEST' },
              { title: 'DOCUMENT' },
            ],
            cells,
          ),
        )
      }
      const bytes = rows.reduce((sum, row) => sum + storedBytes(row), 0)
      terminal.note(`${counted(rows.length, 'document')}, ${byteText(bytes)}, log at ${reader.head()}`)
      return EXIT.ok
    }),
})

function listDeleted(reader: StoreReader, rows: readonly DocRow[], json: boolean, terminal: Terminal): number {
  const seen = rows
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ key, name }) => {
      const [remains] = reader.remains(key)
      const bytes = remains === undefined ? 0 : remains.updates.reduce((sum, update) => sum + update.length, 0)
      return { doc: name, deletedAt: remains === undefined ? null : new Date(remains.atMs).toISOString(), bytes }
    })
  if (json) for (const one of seen) terminal.print(JSON.stringify(one))
  else if (seen.length > 0) {
    const cells = seen.map(({ doc, deletedAt, bytes }) => [bytes === 0 ? 'nothing' : byteText(bytes), deletedAt ?? '', printable(doc)])
    terminal.print(table([{ title: 'KEPT', align: 'right' }, { title: 'DELETED' }, { title: 'DOCUMENT' }], cells))
  }
  terminal.note(`${counted(seen.length, 'deleted document')}; syncline export --deleted writes what is kept of them`)
  return EXIT.ok
}
