// Source: Yjs updates in files, one document each, as `syncline export` writes and names them. Rule: CL-5.

import { readdir, readFile, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { docIdOrNull, parseDocId, SynclineError, type DocId } from '@syncline/protocol'
import { indexName, type IndexEntry } from '../commands/export.ts'
import { docOfFileName, exportSuffix } from '../export-name.ts'
import type { ImportSource, SourceDocument } from './import-source.ts'

/** `as` names the document of a single file. Rejects with "argument-invalid" for a file that names no document, "doc-id-invalid". */
export async function openFiles(paths: readonly string[], as: string | undefined): Promise<ImportSource> {
  const documents = as === undefined ? (await Promise.all(paths.map(documentsOf))).flat() : [documentIn(paths[0]!, parseDocId(as))]
  return {
    total: documents.length,
    unit: 'file',
    // oxlint-disable-next-line require-await -- the contract is asynchronous, the list is there
    documents: async function* () {
      yield* documents
    },
    close: () => Promise.resolve(),
  }
}

async function documentsOf(path: string): Promise<SourceDocument[]> {
  const found = await stat(path).catch(() => null)
  if (found === null) throw new SynclineError('argument-invalid', `There is no file ${path}.`)
  if (!found.isDirectory()) return [documentNamedBy(path)]
  const files = (await readdir(path)).filter((name) => name.endsWith(exportSuffix)).sort()
  if (files.length === 0) throw new SynclineError('argument-invalid', `The folder ${path} holds no ${exportSuffix} files.`)
  const names = await indexOf(path)
  return files.map((name) => {
    const doc = names.get(name)
    return doc === undefined ? documentNamedBy(join(path, name)) : documentIn(join(path, name), doc)
  })
}

function documentNamedBy(file: string): SourceDocument {
  const doc = docOfFileName(basename(file))
  if (doc === null) throw new SynclineError('argument-invalid', `The name of ${file} stands for no document: import it with --as.`)
  return documentIn(file, doc)
}

function documentIn(file: string, doc: DocId): SourceDocument {
  return { name: doc, file, read: async () => ({ updates: [new Uint8Array(await readFile(file))] }) }
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
