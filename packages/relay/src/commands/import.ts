// `syncline import`: documents from files, or from the stores of other servers, through the same gate as every other writer. Takes the folder's lock for as long
// as it runs, except for a dry run. What sources there are is in importers/. Rules: CL-5, IM-1 to IM-6, IN-1, DU-1.

import { docIdOrNull, LIMITS, SynclineError } from '@syncline/protocol'
import { command, dataOption, EXIT, jsonOption, spaceOption } from '../cli-command.ts'
import { spaceNamed } from '../data-folder.ts'
import { openFiles } from '../importers/files.ts'
import { openHocuspocusSqlite } from '../importers/hocuspocus-sqlite.ts'
import type { ImportSource, SourceDocument } from '../importers/import-source.ts'
import { folderTarget, rehearsalTarget, type ImportResult, type ImportTarget } from '../importers/import-target.ts'
import { openYLeveldb } from '../importers/y-leveldb.ts'
import { openYSweet } from '../importers/y-sweet.ts'
import { counted, printable, type Terminal } from '../terminal.ts'

/** What --from takes; each opens one path. */
const stores: Readonly<Record<string, (path: string, as: string | undefined) => Promise<ImportSource>>> = {
  'hocuspocus-sqlite': openHocuspocusSqlite,
  'y-leveldb': openYLeveldb,
  'y-sweet': openYSweet,
}

interface Counts {
  new: number
  known: number
  refused: number
}

export const importCommand = command({
  name: 'import',
  summary: 'adds documents from files, from a folder that export wrote, or from the store of another server',
  usage: 'PATH ... [options]',
  positionals: [1, Infinity],
  options: {
    data: { ...dataOption, help: 'data folder, made when it is not there' },
    space: spaceOption,
    from: { type: 'string', value: 'STORE', help: `what PATH is: ${Object.keys(stores).join(', ')}; without it, files of updates` },
    as: { type: 'string', value: 'DOCUMENT', help: 'name of the document, for a single file' },
    'dry-run': { type: 'boolean', help: 'say what would be imported, and change nothing' },
    json: { ...jsonOption, help: 'one JSON object per document and line, and a summary as the last' },
  },
  notes: [
    'A file holds one Yjs v1 update and is named as export names it (note%2F42.yupdate is note/42). Importing twice adds nothing.',
    'The source is only read. Of hocuspocus-sqlite PATH is the database file, of y-leveldb its folder, of y-sweet the folder of its file store.',
    'Not while a relay runs on the data folder. Exit code 4: some documents were refused; the others are in.',
  ],
  examples: [
    'syncline import ./syncline-export --data ./syncline-data',
    'syncline import draft.bin --as note/42',
    'syncline import --from hocuspocus-sqlite ./hocuspocus.sqlite --dry-run',
    'syncline import --from y-leveldb ./yjs-wss-db',
    'syncline import --from y-sweet ./y-sweet-data',
  ],
  run: async ({ data, space, from, as, 'dry-run': isDry, json }, paths, terminal) => {
    const source = await open(from, paths, as)
    try {
      const target = await (isDry ? rehearsalTarget : folderTarget)(data, spaceNamed(space), terminal.clock)
      const counts: Counts = { new: 0, known: 0, refused: 0 }
      try {
        await importAll(source, target, (document, result) => {
          counts[result.kind]++
          tell(document, result, json, terminal)
          terminal.progress(progress(counts.new + counts.known + counts.refused, source))
        })
      } finally {
        terminal.progressDone()
        await target.close()
      }
      if (json) terminal.print(JSON.stringify({ type: 'summary', ...counts, dryRun: isDry }))
      const words = `${counted(counts.new, 'document')} ${isDry ? 'would be imported' : 'imported'}, ${counts.known} known already, ${counts.refused} refused`
      terminal.note(isDry ? `dry run: ${words}` : words)
      return counts.refused > 0 ? EXIT.partial : EXIT.ok
    } finally {
      await source.close()
    }
  },
})

/** Rejects with "usage" and what the sources reject with. */
async function open(from: string | undefined, paths: readonly string[], as: string | undefined): Promise<ImportSource> {
  if (as !== undefined && paths.length !== 1) throw usage('--as names the document of a single file')
  if (from === undefined) return openFiles(paths, as)
  const opened = Object.hasOwn(stores, from) ? stores[from] : undefined
  if (opened === undefined) throw usage(`--from takes ${Object.keys(stores).join(', ')}, not ${JSON.stringify(from)}`)
  if (paths.length !== 1) throw usage('--from reads one path')
  if (as !== undefined && from !== 'y-sweet') throw usage(`--as names the document of a single file, and ${from} holds many`)
  return opened(paths[0]!, as)
}

function usage(problem: string): SynclineError {
  return new SynclineError('usage', `syncline import: ${problem}.`)
}

/** A few documents at a time, so that commits are shared. */
async function importAll(
  source: ImportSource,
  target: ImportTarget,
  onDocument: (document: SourceDocument, result: ImportResult) => void,
): Promise<void> {
  const documents = source.documents()[Symbol.asyncIterator]()
  const runner = async (): Promise<void> => {
    for (;;) {
      const next = await documents.next()
      if (next.done === true) return
      onDocument(next.value, await importOne(next.value, target))
    }
  }
  await Promise.all(Array.from({ length: 32 }, runner))
}

async function importOne(document: SourceDocument, target: ImportTarget): Promise<ImportResult> {
  const doc = docIdOrNull(document.name)
  if (doc === null)
    return { kind: 'refused', code: 'doc-id-invalid', reason: `a name has 1 to ${LIMITS.docIdBytesMax} bytes of UTF-8 and no NUL` }
  const read = await document.read().catch((error: unknown) => ({ problem: `it cannot be read: ${String(error)}` }))
  if ('problem' in read) return { kind: 'refused', code: 'unreadable', reason: read.problem }
  return target.write(doc, read.updates)
}

function tell({ name, file }: SourceDocument, result: ImportResult, json: boolean, terminal: Terminal): void {
  if (json) return terminal.print(JSON.stringify({ ...(file !== undefined && { file }), doc: name, ...result }))
  if (result.kind !== 'refused') return
  terminal.print(`${file === undefined ? '' : `${file}: `}${printable(name)} refused, ${result.code}: ${printable(result.reason)}`)
}

function progress(done: number, { total, unit }: ImportSource): string {
  const words = `${done} of ${counted(total, unit)}`
  if (unit === 'file') return words
  const filled = total === 0 ? 20 : Math.floor((20 * done) / total)
  return `[${'#'.repeat(filled)}${'-'.repeat(20 - filled)}] ${words}`
}
