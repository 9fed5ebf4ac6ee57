// Runs a program of this repository as a user would, in a process of its own, and tells how it ended. Read by the tests of examples, demo and README.

import { spawn } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const repository: string = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

export interface ProgramEnd {
  /** Exit code; null when it was killed for taking longer than `withinMs`. */
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export async function runProgram(
  file: string,
  args: readonly string[],
  options: { readonly withinMs: number; readonly cwd?: string; readonly env?: Readonly<Record<string, string>> },
): Promise<ProgramEnd> {
  const child = spawn(process.execPath, ['--conditions=syncline-source', join(repository, file), ...args], {
    cwd: options.cwd ?? repository,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const written = { stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => (written.stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (written.stderr += text))
  const timer = setTimeout(() => child.kill('SIGKILL'), options.withinMs)
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', resolve)
  })
  clearTimeout(timer)
  return { code, ...written }
}
