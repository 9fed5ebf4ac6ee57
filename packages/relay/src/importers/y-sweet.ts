// Source: the file store of a y-sweet server: a folder per document with data.ysweet in it (copies under snapshots/ and files under assets/ are not read), or one
// such file. Rules: IM-1, IM-5.

import { readdir, readFile, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { SynclineError } from '@syncline/protocol'
import type { ImportSource, SourceDocument } from './import-source.ts'
import { readYSweetFile } from './y-sweet-file.ts'

const fileName = 'data.ysweet'

/** `as` names the document of a single file; else it is the name of its folder. Rejects with "argument-invalid" when nothing of y-sweet is there. */
export async function openYSweet(path: string, as: string | undefined): Promise<ImportSource> {
  const found = await stat(path).catch(() => null)
  if (found === null) throw new SynclineError('argument-invalid', `There is no file or folder ${path}.`)
  if (as !== undefined && found.isDirectory() && !(await hasDocument(path)))
    throw new SynclineError('usage', 'syncline import: --as names the document of a single file.')
  const documents = found.isDirectory() ? await documentsIn(path, as) : [documentIn(path, as ?? folderName(path))]
  if (documents.length === 0) throw new SynclineError('argument-invalid', `No folder in ${path} holds a ${fileName}.`)
  return {
    total: documents.length,
    unit: 'document',
    // oxlint-disable-next-line require-await -- the contract is asynchronous, the list is there
    documents: async function* () {
      yield* documents
    },
    close: () => Promise.resolve(),
  }
}

async function documentsIn(folder: string, as: string | undefined): Promise<SourceDocument[]> {
  if (await hasDocument(folder)) return [documentIn(join(folder, fileName), as ?? basename(resolve(folder)))]
  const documents: SourceDocument[] = []
  for (const entry of (await readdir(folder, { withFileTypes: true })).sort((one, other) => (one.name < other.name ? -1 : 1))) {
    if (entry.isDirectory() && (await hasDocument(join(folder, entry.name))))
      documents.push(documentIn(join(folder, entry.name, fileName), entry.name))
  }
  return documents
}

async function hasDocument(folder: string): Promise<boolean> {
  return (await stat(join(folder, fileName)).catch(() => null))?.isFile() === true
}

function folderName(file: string): string {
  return basename(dirname(resolve(file)))
}

function documentIn(file: string, name: string): SourceDocument {
  return {
    name,
    file,
    read: async () => readYSweetFile(new Uint8Array(await readFile(file))),
  }
}
