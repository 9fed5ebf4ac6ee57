// A server in a process of its own, pinned to one core, and what the system says of it: processor time, resident memory, bytes in its folder. Linux only.

import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { readFileSync, readdirSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { own, temporaryFolder, type TemporaryFolder } from '../clean-up.ts'

export const SERVER_CORE = 0
export const GENERATOR_CORE = 1
const root = dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url)))))
const servers = join(dirname(fileURLToPath(import.meta.url)), 'servers')
const TICK_MS = 10

export type ServerName =
  | 'syncline'
  | 'hocuspocus'
  | 'y-websocket-server'
  | 'y-websocket-server+leveldb'
  | 'floor-broadcast'
  | 'floor-commit'

export interface ServerOptions {
  /** Of Node, before the program. */
  readonly nodeArgs?: readonly string[]
  /** The checkout whose built relay is measured. Default: this one. */
  readonly checkout?: string
  /** More arguments of `syncline serve`. */
  readonly serveArgs?: readonly string[]
  /** Whose it stays; default: a fresh one, which goes with the server. */
  readonly folder?: string
}

export interface ServerProcess {
  readonly name: ServerName
  readonly port: number
  readonly pid: number
  readonly folder: string
  /** From the start of the process until it said that it is ready. */
  readonly readyMs: number
  /** Resolves when the server has said words that fit. */
  said(words: RegExp): Promise<RegExpExecArray>
  /** User and system time of all threads since its start. */
  cpuMs(): number
  rssKib(): number
  /** Bytes of all files in its folder. */
  diskBytes(): number
  /** Ends it and resolves when it is gone. */
  end(signal: NodeJS.Signals): Promise<void>
  /** As `end('SIGKILL')`, and starts it again over the same folder. */
  restart(signal?: NodeJS.Signals): Promise<ServerProcess>
  /** Ends it and removes its folder. */
  discard(): Promise<void>
}

/** Starts a server and resolves when it says that it is ready. */
export function startServer(name: ServerName, options: ServerOptions = {}): Promise<ServerProcess> {
  return startOver(name, options.folder === undefined ? temporaryFolder() : { path: options.folder, remove: () => undefined }, options)
}

async function startOver(name: ServerName, folder: TemporaryFolder, options: ServerOptions): Promise<ServerProcess> {
  const startedAt = performance.now()
  const child = own(
    spawn('taskset', ['-c', String(SERVER_CORE), process.execPath, ...(options.nodeArgs ?? []), ...programOf(name, folder.path, options)], {
      stdio: ['ignore', 'pipe', 'pipe'],
      cwd: folder.path,
    }),
  )
  const words = new Words(child)
  const exited = new Promise<void>((resolve) => child.on('close', () => resolve()))
  const ready = await Promise.race([
    words.said(/\bready on ws:\/\/[^:\s]+:(\d+)/),
    exited.then(() => {
      throw new Error(`${name} ended before it was ready: ${words.text}`)
    }),
  ])
  const readyMs = performance.now() - startedAt
  const pid = child.pid!
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    child.kill(signal)
    await exited
  }
  return {
    name,
    port: Number(ready[1]),
    pid,
    folder: folder.path,
    readyMs,
    said: (pattern) => words.said(pattern),
    cpuMs: () => cpuMsOf(pid),
    rssKib: () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))![1]),
    diskBytes: () => bytesOf(folder.path),
    end,
    async restart(signal = 'SIGKILL') {
      await end(signal)
      return startOver(name, folder, options)
    },
    async discard() {
      await end('SIGKILL')
      folder.remove()
    },
  }
}

/** What a process says, the last of it. */
class Words {
  text = ''
  private readonly waiting = new Set<() => void>()

  constructor({ stdout, stderr }: ChildProcess) {
    const read = (text: Buffer): void => {
      this.text = (this.text + text.toString()).slice(-20_000)
      for (const look of this.waiting) look()
    }
    stdout!.on('data', read)
    stderr!.on('data', read)
  }

  said(pattern: RegExp): Promise<RegExpExecArray> {
    return new Promise((resolve) => {
      const look = (): void => {
        const found = pattern.exec(this.text)
        if (found === null) return
        this.waiting.delete(look)
        resolve(found)
      }
      this.waiting.add(look)
      look()
    })
  }
}

function programOf(name: ServerName, folder: string, { checkout = root, serveArgs = [] }: ServerOptions): string[] {
  switch (name) {
    case 'syncline':
      // The built relay, as it is published, at its defaults.
      return [join(checkout, 'packages', 'relay', 'bin', 'syncline.js'), 'serve', '--data', folder, '--port', '0', ...serveArgs]
    case 'hocuspocus':
      return [join(servers, 'hocuspocus.mjs'), folder]
    case 'y-websocket-server':
      return [join(servers, 'y-websocket', 'server.mjs'), folder]
    case 'y-websocket-server+leveldb':
      return [join(servers, 'y-websocket', 'server.mjs'), folder, 'leveldb']
    case 'floor-broadcast':
    case 'floor-commit':
      return [join(servers, `${name}.mjs`), folder]
  }
}

/** Puts this process, all its threads, on the generator's core. */
export function pinGenerator(): void {
  spawnSync('taskset', ['-a', '-p', '-c', String(GENERATOR_CORE), String(process.pid)])
}

export function cpuMsOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS
}

function bytesOf(folder: string): number {
  let bytes = 0
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue
    bytes += statSync(join(entry.parentPath, entry.name), { throwIfNoEntry: false })?.size ?? 0
  }
  return bytes
}
