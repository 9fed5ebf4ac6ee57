// A relay in a process of its own, started as a user starts it, and its end: by signal, with the exit it made. Read by the integration and chaos tests.

import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const bin = join(root, 'packages', 'relay', 'bin', 'syncline.js')

export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export interface RelayProcess {
  readonly url: string
  readonly port: number
  readonly pid: number
  /** Everything written to stderr so far. */
  readonly troubles: () => string
  /** Sends a signal and waits for the end. */
  end(signal: NodeJS.Signals): Promise<Exit>
  /** Sends a signal and does not wait. */
  signal(signal: NodeJS.Signals): void
  readonly exited: Promise<Exit>
}

export interface CommandResult extends Exit {
  readonly stdout: string
  readonly stderr: string
}

/** A fresh folder, removed with the returned function. */
export function temporaryFolder(): { path: string; remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'syncline-test-'))
  return { path, remove: () => rmSync(path, { recursive: true, force: true, maxRetries: 3 }) }
}

export interface RelayStart {
  /** Default 0: any. */
  readonly port?: number
  readonly args?: readonly string[]
  /** Of Node, before the program. */
  readonly nodeArgs?: readonly string[]
  /** A shell command that runs first, in the process that becomes the relay: a limit, for instance. */
  readonly before?: string
  readonly onSpawn?: (pid: number) => void
}

/** Starts `syncline serve` and resolves at its ready line. Rejects with its stderr when it ends before. */
export async function startRelay(data: string, options: RelayStart = {}): Promise<RelayProcess> {
  const child = spawnCommand(['serve', '--data', data, '--port', String(options.port ?? 0), ...(options.args ?? [])], options)
  options.onSpawn?.(child.pid!)
  let stderr = ''
  child.stderr!.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const exited = exitOf(child)
  const lines = createInterface({ input: child.stdout! })
  const url = await Promise.race([
    new Promise<string>((resolve) => {
      lines.on('line', (line) => {
        const ready = /^syncline relay ready on (ws:\/\/\S+)$/.exec(line)
        if (ready !== null) resolve(ready[1]!)
      })
    }),
    exited.then((exit) => {
      throw new Error(`the relay ended with ${JSON.stringify(exit)} before it was ready: ${stderr}`)
    }),
  ])
  return {
    url,
    port: Number(new URL(url).port),
    pid: child.pid!,
    troubles: () => stderr,
    signal: (signal) => void child.kill(signal),
    end(signal) {
      child.kill(signal)
      return exited
    },
    exited,
  }
}

/** Runs a command of the command line to its end. */
export async function runCommand(...args: string[]): Promise<CommandResult> {
  const child = spawnCommand(args)
  let stdout = ''
  let stderr = ''
  child.stdout!.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr!.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const exit = await exitOf(child)
  return { ...exit, stdout, stderr }
}

/** Starts a command of the command line. */
export function spawnCommand(
  args: readonly string[],
  { nodeArgs = [], before }: Pick<RelayStart, 'nodeArgs' | 'before'> = {},
): ChildProcess {
  const command = [process.execPath, '--conditions=syncline-source', ...nodeArgs, bin, ...args]
  const [file, ...rest] = before === undefined ? command : ['sh', '-c', `${before} && exec "$@"`, 'sh', ...command]
  return spawn(file!, rest, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
}

function exitOf(child: ChildProcess): Promise<Exit> {
  return new Promise((resolve) => child.on('close', (code, signal) => resolve({ code, signal })))
}
