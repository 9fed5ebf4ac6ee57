// Runs a program of programs/ in a Node process of its own, as another process on the same machine would: lines out, one line in to go on, and
// an end by any signal.

import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { env, execPath } from 'node:process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

export interface Program {
  readonly process: ChildProcess
  /** Every line printed so far. */
  readonly lines: string[]
  /** Resolves with the next line (of those not yet asked for) that starts with `start`; rejects when the program ends before. */
  line(start: string): Promise<string>
  /** Writes a line to its input. */
  tell(text: string): void
  /** Resolves with exit code or signal, and what it wrote to stderr. */
  readonly ended: Promise<{ code: number | null; signal: string | null; errors: string }>
}

export function run(name: string, args: readonly string[], nodeArgs: readonly string[] = []): Program {
  const script = fileURLToPath(new URL(`./programs/${name}.ts`, import.meta.url))
  const child = spawn(execPath, ['--conditions=syncline-source', ...nodeArgs, script, ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...env, NODE_COMPILE_CACHE: join(tmpdir(), 'syncline-compile-cache') }, // compiled once, not once per process
  })
  const lines: string[] = []
  let asked = 0
  let errors = ''
  let wake = Promise.withResolvers<void>()
  const changed = (): void => {
    wake.resolve()
    wake = Promise.withResolvers()
  }
  child.stderr.on('data', (text: Buffer) => (errors += text.toString()))
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line)
    changed()
  })
  let isOver = false
  const ended = once(child, 'close').then(([code, signal]) => {
    isOver = true
    changed()
    return { code: code as number | null, signal: signal as string | null, errors }
  })
  return {
    process: child,
    lines,
    ended,
    tell: (text) => child.stdin.write(`${text}\n`),
    async line(start) {
      for (;;) {
        while (asked < lines.length) {
          const line = lines[asked++]!
          if (line.startsWith(start)) return line
        }
        if (isOver) throw new Error(`${name} ended before it printed "${start}": ${errors}`)
        await wake.promise
      }
    },
  }
}
