// SQLite compiled to WebAssembly, on a simulated disk, with the surface of better-sqlite3 that the store uses. Decides nothing about storage: the store's own code runs on
// it. The package node-sqlite3-wasm calls node:fs for every file operation; its script is evaluated here with the disk in place of that, and with seeded random bytes.
// Two things are set so that it does what better-sqlite3's SQLite does on a real system: its file layer says that a write harms nothing beside it (else commits are padded
// in the WAL), and locking is exclusive (there is no shared memory for a WAL index, and with one connection none is needed).

import * as host from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { compileFunction } from 'node:vm'
import type * as Wasm from 'node-sqlite3-wasm'
import type { Random } from '@syncline/testing'
import type { Database, DatabaseConstructor } from '../../../packages/store/src/sqlite/load-sqlite.ts'
import type { SimulatedDisk } from './simulated-disk.ts'

export interface WasmSqlite {
  /** To be given to the store in place of better-sqlite3. */
  readonly Database: DatabaseConstructor
  /** The connection that was opened last. */
  newest(): Database
  /** Closes every connection that is open, whatever state it is in: what the death of the program does. */
  closeAll(): void
}

export interface WasmSqliteOptions {
  readonly disk: SimulatedDisk
  /** Of WAL salts. */
  readonly random: Random
  /** Pages of WAL after which SQLite checkpoints by itself; the store asks for 2,000, which a short run does not reach. */
  readonly checkpointPages: number
}

/** Cost: about 10 ms, for the WebAssembly. */
export function loadWasmSqlite(options: WasmSqliteOptions): WasmSqlite {
  const module = evaluate(options)
  const connections: Connection[] = []
  class Opened extends Connection {
    constructor(path: string, { readonly = false, fileMustExist = false }: { readonly?: boolean; fileMustExist?: boolean } = {}) {
      super(new module.Database(path, { readOnly: readonly, fileMustExist: fileMustExist || readonly }), options.checkpointPages)
      connections.push(this)
      this.pragma('locking_mode = EXCLUSIVE')
    }
  }
  return {
    Database: Opened as unknown as DatabaseConstructor,
    newest: () => connections.at(-1) as unknown as Database,
    closeAll: () => connections.forEach((connection) => connection.close()),
  }
}

type Bound = number | bigint | string | Uint8Array | null
type Row = Record<string, Bound>

/** better-sqlite3's Database, as far as the store uses it. */
class Connection {
  open = true
  private readonly wasm: Wasm.Database
  private readonly checkpointPages: number
  private readonly statements: Statement[] = []

  constructor(wasm: Wasm.Database, checkpointPages: number) {
    this.wasm = wasm
    this.checkpointPages = checkpointPages
  }

  get inTransaction(): boolean {
    return this.wasm.inTransaction
  }

  exec(sql: string): void {
    this.wasm.exec(sql)
  }

  prepare(sql: string): Statement {
    const statement = new Statement(this.wasm.prepare(sql))
    this.statements.push(statement)
    return statement
  }

  pragma(text: string, { simple = false }: { simple?: boolean } = {}): unknown {
    const sql = text.startsWith('wal_autocheckpoint =') ? `wal_autocheckpoint = ${this.checkpointPages}` : text
    const rows = this.wasm.all(`PRAGMA ${sql}`)
    return simple ? Object.values(rows[0] ?? {})[0] : rows
  }

  close(): void {
    if (!this.open) return
    this.open = false
    for (const statement of this.statements) statement.finalize()
    ignoringErrors(() => this.wasm.close())
  }
}

class Statement {
  private readonly wasm: Wasm.Statement
  private isPlucked = false
  private isRaw = false

  constructor(wasm: Wasm.Statement) {
    this.wasm = wasm
  }

  pluck(): this {
    this.isPlucked = true
    return this
  }

  raw(): this {
    this.isRaw = true
    return this
  }

  run(...values: [Row] | Bound[]): Wasm.RunResult {
    return this.wasm.run(bindable(values))
  }

  /** To its last row, so that no read stays open. */
  all(...values: Bound[]): unknown[] {
    const rows = this.wasm.all(values) as Row[]
    return rows.map((row) => {
      for (const [column, value] of Object.entries(row)) {
        if (value instanceof Uint8Array) row[column] = Buffer.from(value.buffer, value.byteOffset, value.length)
      }
      if (this.isRaw) return Object.values(row)
      return this.isPlucked ? Object.values(row)[0] : row
    })
  }

  get(...values: Bound[]): unknown {
    return this.all(...values)[0]
  }

  iterate(...values: Bound[]): Iterator<unknown> {
    return this.all(...values).values()
  }

  finalize(): void {
    ignoringErrors(() => this.wasm.finalize())
  }
}

function bindable(values: [Row] | Bound[]): Wasm.BindValues {
  const [first] = values
  if (typeof first !== 'object' || first === null || first instanceof Uint8Array) return values as Bound[]
  return Object.fromEntries(Object.entries(first).map(([name, value]) => [`@${name}`, value]))
}

/** A statement or connection repeats at its end the error that it met before. */
function ignoringErrors(work: () => void): void {
  try {
    work()
  } catch {
    // it was thrown where it happened
  }
}

const require = createRequire(import.meta.url)
const scriptPath = require.resolve('node-sqlite3-wasm')
const parameters = ['require', 'module', 'exports', '__filename', '__dirname']

/** Added to the script, in whose scope it stands: `_fd` is what every file method of it calls first, with SQLite's record of the file, whose first word points to the
 *  table of file methods. */
const ADDED = `
;const descriptorOf = _fd
let isMethodTableSet = false
_fd = (file) => {
  if (!isMethodTableSet) {
    const methods = HEAP32[file >> 2] >> 2
    HEAP32[methods + 11] = addFunction(() => 4096, 'ii') // xSectorSize
    HEAP32[methods + 12] = addFunction(() => 0x1000, 'ii') // xDeviceCharacteristics: SQLITE_IOCAP_POWERSAFE_OVERWRITE
    isMethodTableSet = true
  }
  return descriptorOf(file)
}`

interface WasmModule {
  readonly Database: typeof Wasm.Database
}

let script: ((...given: unknown[]) => void) | null = null

function evaluate({ disk, random }: WasmSqliteOptions): WasmModule {
  script ??= compileFunction(host.readFileSync(scriptPath, 'utf8') + ADDED, parameters, { filename: scriptPath }) as NonNullable<
    typeof script
  >
  const files: Record<string, unknown> = { ...host }
  const crypto = { randomFillSync: (bytes: Uint8Array): void => bytes.set(random.bytes(bytes.length)) }
  const given = (name: string): unknown => (name === 'node:fs' ? files : name === 'node:crypto' ? crypto : require(name))
  const module = { exports: {} }
  script(given, module, module.exports, scriptPath, dirname(scriptPath))
  const loaded = module.exports as WasmModule
  readOnce(loaded, join(disk.folder, 'first.db'))
  Object.assign(files, disk.fs)
  return loaded
}

/** The method table is set when the first file is read: this one, which the simulated disk does not see. */
function readOnce(module: WasmModule, path: string): void {
  const db = new module.Database(path)
  db.exec('PRAGMA user_version = 1')
  db.close()
  host.rmSync(path)
}
