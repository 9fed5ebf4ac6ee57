// Source: the folder of y-leveldb (what y-websocket's server writes with YPERSISTENCE): LevelDB rows of one Yjs v1 update each, in the order in which they were
// made. LevelDB rewrites its folder whenever it is opened, so a copy is opened, and removed afterwards. Rules: IM-1, IM-4.
//
//   key ["v1_sv", name]                     a document; its value is not read
//   key ["v1", name, "update", clock]       one update. A string is 0x00 and a varString, a clock 0x01 and four bytes, big-endian

import { constants } from 'node:fs'
import { copyFile, mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SynclineError } from '@syncline/protocol'
import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'
import type { ImportSource, SourceUpdates } from './import-source.ts'
import { loadOptional } from './optional-package.ts'

interface Range {
  readonly gte: Uint8Array
  readonly lt: Uint8Array
}

/** What is used of classic-level. */
interface Level {
  open(): Promise<void>
  keys(range: Range): AsyncIterable<Uint8Array>
  values(range: Range): AsyncIterable<Uint8Array>
  close(): Promise<void>
}
type LevelConstructor = new (folder: string, options: Record<string, unknown>) => Level

/** Rejects with "argument-invalid" when the folder is no LevelDB or is being written, "level-missing". */
export async function openYLeveldb(folder: string): Promise<ImportSource> {
  const LevelDb = await loadLevel()
  const copy = await mkdtemp(join(tmpdir(), 'syncline-import-'))
  let db: Level | null = null
  const close = async (): Promise<void> => {
    await db?.close().catch(() => undefined)
    await rm(copy, { recursive: true, force: true })
  }
  try {
    await copyDatabase(folder, copy)
    db = new LevelDb(copy, { keyEncoding: 'view', valueEncoding: 'view', createIfMissing: false })
    const names = await namesIn(db, folder)
    const level = db
    return {
      total: names.length,
      unit: 'document',
      // oxlint-disable-next-line require-await -- the contract is asynchronous, the names are there
      documents: async function* () {
        for (const name of names) yield { name, read: () => updatesOf(level, name) }
      },
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

/** Tables are immutable and cheap to copy where the file system shares blocks. Checks that nothing changed meanwhile. */
async function copyDatabase(from: string, to: string): Promise<void> {
  const before = await filesOf(from)
  if (!before.has('CURRENT')) throw new SynclineError('argument-invalid', `${from} is no LevelDB folder: it has no file CURRENT.`)
  for (const name of before.keys()) {
    await copyFile(join(from, name), join(to, name), constants.COPYFILE_FICLONE).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error
    })
  }
  const after = await filesOf(from)
  if (JSON.stringify([...before]) !== JSON.stringify([...after]))
    throw new SynclineError('argument-invalid', `${from} was written while it was read: stop the server that uses it, then import again.`)
}

/** Name to size and time, of all that makes the database. */
async function filesOf(folder: string): Promise<Map<string, string>> {
  const names = await readdir(folder).catch(() => {
    throw new SynclineError('argument-invalid', `There is no folder ${folder}.`)
  })
  const files = new Map<string, string>()
  for (const name of names.sort()) {
    if (!/^(CURRENT|MANIFEST-\d+|\d+\.(log|ldb|sst))$/.test(name)) continue
    const { size, mtimeMs } = await stat(join(folder, name))
    files.set(name, `${size} ${mtimeMs}`)
  }
  return files
}

async function namesIn(db: Level, folder: string): Promise<string[]> {
  const names: string[] = []
  try {
    await db.open()
    for await (const key of db.keys({ gte: keyOf('v1_sv'), lt: keyOf('v1_sw') })) {
      const [, name] = stringsOf(key)
      if (name !== undefined) names.push(name)
    }
  } catch (cause) {
    const { message, cause: inner } = cause as Error
    const words = inner instanceof Error ? inner.message : message
    throw new SynclineError('argument-invalid', `${folder} cannot be read as LevelDB: ${words}.`, { cause })
  }
  return names
}

async function updatesOf(db: Level, name: string): Promise<SourceUpdates> {
  const prefix = keyOf('v1', name, 'update')
  const range = { gte: Uint8Array.from([...prefix, 1]), lt: Uint8Array.from([...prefix, 2]) }
  const updates: Uint8Array[] = []
  try {
    for await (const value of db.values(range)) updates.push(new Uint8Array(value))
  } catch (cause) {
    return { problem: `LevelDB does not give it: ${cause instanceof Error ? cause.message : String(cause)}` }
  }
  return { updates }
}

function keyOf(...parts: string[]): Uint8Array {
  return encoding.encode((encoder) => {
    for (const part of parts) {
      encoding.writeUint8(encoder, 0)
      encoding.writeVarString(encoder, part)
    }
  })
}

function stringsOf(key: Uint8Array): string[] {
  const decoder = decoding.createDecoder(key)
  const parts: string[] = []
  while (decoding.hasContent(decoder) && decoding.readUint8(decoder) === 0) parts.push(decoding.readVarString(decoder))
  return parts
}

async function loadLevel(): Promise<LevelConstructor> {
  const found = (await loadOptional(['classic-level', 'y-leveldb > level']).catch(() => null)) as Record<string, unknown> | null
  const constructor = found?.['ClassicLevel'] ?? found?.['Level']
  if (typeof constructor === 'function') return constructor as LevelConstructor
  throw new SynclineError('level-missing', 'Reading a y-leveldb folder needs the package classic-level, which is not installed here.')
}
