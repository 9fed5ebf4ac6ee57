// What a benchmark started and made, and its end: child processes by their ids, folders by their paths, when the benchmark ends by itself, throws, or is told to stop by a
// signal (Ctrl-C, or `kill`). Read by everything here that starts a process or makes a folder.

import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'

const children = new Set<ChildProcess>()
const pids = new Set<number>()
const folders = new Set<string>()
let watching = false

/** Ends with this process, if it has not ended before. */
export function own<T extends ChildProcess>(child: T): T {
  watch()
  children.add(child)
  child.once('exit', () => children.delete(child))
  return child
}

/** As own(), for a process that is only known by its id. Whoever waits for it must disown it when it is gone: the id may be another's then. */
export function ownPid(pid: number): void {
  watch()
  pids.add(pid)
}

export function disownPid(pid: number): void {
  pids.delete(pid)
}

export interface TemporaryFolder {
  readonly path: string
  /** Idempotent. */
  remove(): void
}

/** A fresh folder; removed with this process, if not before. */
export function temporaryFolder(): TemporaryFolder {
  watch()
  const path = mkdtempSync(join(tmpdir(), 'syncline-bench-'))
  folders.add(path)
  return {
    path,
    remove() {
      rmSync(path, { recursive: true, force: true, maxRetries: 3 })
      folders.delete(path)
    },
  }
}

function watch(): void {
  if (watching) return
  watching = true
  process.once('exit', cleanUp)
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(128 + constants.signals[signal]))
}

function cleanUp(): void {
  for (const child of children) child.kill('SIGKILL')
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It has gone by itself.
    }
  }
  for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
}
