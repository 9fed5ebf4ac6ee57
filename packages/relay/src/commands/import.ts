// `syncline import`: Yjs updates from files, through the same gate as every other writer. Takes the folder's lock for as long as it runs.
// Rules: CL-5, IN-1, DU-1.

import { readdir, readFile, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { docIdOrNull, parseDocId, SynclineError, type DocId } from '@syncline/protocol'
import type { Guest, GuestPort, Replica, WriteOutcome } from '@syncline/replica'
import { command, dataOption, EXIT, jsonOption } from '../cli-command.ts'
import { docOfFileName, exportSuffix } from '../export-name.ts'
import { Spaces } from '../spaces.ts'
import { counted, printable } from '../terminal.ts'
import { indexName, type IndexEntry } from './export.ts'

interface Item {
  readonly file: string
  readonly doc: DocId
}

type Result = { readonly kind: 'new' | 'known' } | { readonly kind: 'refused'; readonly code: string; readonly reason: string }

export const importCommand = command({
  name: 'import',
  summary: 'adds Yjs updates from files or from a folder that export wrote',
  usage: 'FILE|DIR ... [options]',
  positionals: [1, Infinity],
  options: {
    data: { ...dataOption, help: 'data folder, made when it is not there' },
    as: { type: 'string', value: 'DOCUMENT', help: 'name of the document, for a single file' },
    json: { ...jsonOption, help: 'one JSON object per file and line' },
  },
  notes: [
    'A file holds one Yjs v1 update and is named as export names it (note%2F42.yupdate is note/42). Importing twice adds nothing.',
    'Not while a relay runs on the folder. Exit code 4: some files were refused; the others are in.',
  ],
  examples: ['syncline import ./syncline-export --data ./syncline-data', 'syncline import draft.bin --as note/42'],
  run: async ({ data, as, json }, paths, terminal) => {
    if (as !== undefined && paths.length !== 1)
      throw new SynclineError('usage', 'syncline import: --as names the document of a single file.')
    const items = as === undefined ? (await Promise.all(paths.map(itemsOf))).flat() : [{ file: paths[0]!, doc: parseDocId(as) }]
    const spaces = new Spaces({ folder: data, durability: 'disk', clock: terminal.clock })
    const counts = { new: 0, known: 0, refused: 0 }
    try {
      const replica = await spaces.get()
      await inTurns(items, async (item) => {
        const result = await importFile(replica, item)
        counts[result.kind]++
        if (json) terminal.print(JSON.stringify({ file: item.file, doc: item.doc, ...result }))
        else if (result.kind === 'refused') terminal.print(`${item.file}: ${printable(item.doc)} refused, ${result.code}: ${result.reason}`)
        terminal.progress(`${counts.new + counts.known + counts.refused} of ${counted(items.length, 'file')}`)
      })
    } finally {
      terminal.progressDone()
      await spaces.close()
    }
    terminal.note(`${counted(counts.new, 'document')} imported, ${counts.known} known already, ${counts.refused} refused`)
    return counts.refused > 0 ? EXIT.partial : EXIT.ok
  },
})

/** Throws "argument-invalid" for a file that names no document. */
async function itemsOf(path: string): Promise<Item[]> {
  const found = await stat(path).catch(() => null)
  if (found === null) throw new SynclineError('argument-invalid', `There is no file ${path}.`)
  if (!found.isDirectory()) return [itemOf(path)]
  const files = (await readdir(path)).filter((name) => name.endsWith(exportSuffix)).sort()
  if (files.length === 0) throw new SynclineError('argument-invalid', `The folder ${path} holds no ${exportSuffix} files.`)
  const names = await indexOf(path)
  return files.map((name) => {
    const doc = names.get(name)
    return doc === undefined ? itemOf(join(path, name)) : { file: join(path, name), doc }
  })
}

function itemOf(file: string): Item {
  const doc = docOfFileName(basename(file))
  if (doc === null) throw new SynclineError('argument-invalid', `The name of ${file} stands for no document: import it with --as.`)
  return { file, doc }
}

/** File name to document, from the export's index; empty without one. */
async function indexOf(folder: string): Promise<Map<string, DocId>> {
  const names = new Map<string, DocId>()
  const text = await readFile(join(folder, indexName), 'utf8').catch(() => '')
  for (const line of text.split('\n')) {
    if (line === '') continue
    const entry = parseEntry(line)
    if (entry === null) throw new SynclineError('argument-invalid', `${join(folder, indexName)} has a line that export did not write.`)
    names.set(entry.file, entry.doc)
  }
  return names
}

function parseEntry(line: string): { file: string; doc: DocId } | null {
  try {
    const { file, doc } = JSON.parse(line) as Partial<IndexEntry>
    const id = typeof doc === 'string' ? docIdOrNull(doc) : null
    return typeof file === 'string' && id !== null ? { file, doc: id } : null
  } catch {
    return null
  }
}

/** A guest that only writes. */
const deafPort: GuestPort = {
  deliver: () => undefined,
  presence: () => undefined,
  ping: () => undefined,
  close: () => undefined,
  buffered: () => 0,
}

async function importFile(replica: Replica, { file, doc }: Item): Promise<Result> {
  const guest: Guest = replica.attachGuest(doc, deafPort)
  const outcome = await guest.write(new Uint8Array(await readFile(file)))
  guest.detach()
  return resultOf(outcome, file)
}

/** Throws "storage-failed". */
function resultOf(outcome: WriteOutcome, file: string): Result {
  if (outcome.kind === 'failed') throw new SynclineError('storage-failed', `${file} could not be stored (${outcome.code}).`)
  switch (outcome.kind) {
    case 'committed':
      return { kind: 'new' }
    case 'known':
      return { kind: 'known' }
    case 'held':
      return {
        kind: 'refused',
        code: 'incomplete',
        reason: 'it needs updates that are neither in it nor stored; it is held until they come',
      }
    case 'refused':
      return { kind: 'refused', code: outcome.code, reason: outcome.reason }
  }
}

/** Runs `work` over all items, a few at a time, so that commits are shared. */
async function inTurns<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  let next = 0
  const runner = async (): Promise<void> => {
    while (next < items.length) await work(items[next++]!)
  }
  await Promise.all(Array.from({ length: 32 }, runner))
}
