// `syncline ls`: the documents of a data folder, by name. Rules: CL-3.

import { byteText, counted, printable, table } from '../terminal.ts'
import { command, dataOption, EXIT, jsonOption } from '../cli-command.ts'
import { documentsOf, storedBytes, withReader } from '../data-folder.ts'

export const lsCommand = command({
  name: 'ls',
  summary: 'lists the documents of a data folder, also while a relay runs on it',
  usage: '[options]',
  positionals: [0, 0],
  options: {
    data: dataOption,
    prefix: { type: 'string', value: 'TEXT', default: '', help: 'only documents whose name starts so' },
    json: { ...jsonOption, help: 'one JSON object per document and line' },
  },
  examples: ['syncline ls --data ./syncline-data', 'syncline ls --prefix note/ --json | jq -r .doc'],
  run: ({ data, prefix, json }, _, terminal) =>
    withReader(data, (reader) => {
      const rows = [...documentsOf(reader, (problem) => terminal.note(problem.message))]
        .filter((row) => row.name.startsWith(prefix))
        .sort((a, b) => (a.name < b.name ? -1 : 1))
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
