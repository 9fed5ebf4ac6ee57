// A demo process as its parent sees it: what it last told, and waiting for what it tells. Also kills it, and starts it again on the same folder.

import { fork, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { FromProcess, ProcessOptions, Progress, ToProcess } from './replica-process.ts'

const NOTHING: Progress = { has: [0, 0], savedLocal: 0, savedRelay: 0, connected: false, waiting: false, characters: 0 }

export class Child {
  readonly name: string
  progress: Progress = NOTHING
  alive = false
  /** The port that it listens on, kept over restarts. */
  port: number | null
  readonly #options: ProcessOptions
  #process: ChildProcess | null = null
  #listeners = new Set<(message: FromProcess | null) => void>()

  constructor(options: ProcessOptions) {
    this.name = options.name
    this.port = options.port
    this.#options = options
  }

  /** Resolves with what is in its replica, once it is open. */
  async start(): Promise<readonly [number, number]> {
    const child = fork(fileURLToPath(new URL('replica-process.ts', import.meta.url)), [
      JSON.stringify({ ...this.#options, port: this.port }),
    ])
    this.#process = child
    child.on('message', (message: FromProcess) => {
      if (message.kind === 'progress') this.progress = message.progress
      for (const listener of this.#listeners) listener(message)
    })
    child.on('exit', () => {
      if (this.#process === child) this.alive = false
      for (const listener of this.#listeners) listener(null)
    })
    this.alive = true
    const ready = await this.#next('ready')
    this.port = ready.port
    this.progress = { ...NOTHING, has: ready.has }
    return ready.has
  }

  /** As a crash does: nothing in the process runs any more. Resolves when it is gone. */
  async kill(): Promise<void> {
    const child = this.#process!
    const gone = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    await gone
  }

  type(upTo: number): void {
    this.#send({ kind: 'type', upTo })
  }

  async report(): Promise<FromProcess & { kind: 'report' }> {
    const report = this.#next('report')
    this.#send({ kind: 'report' })
    return report
  }

  async end(): Promise<void> {
    const child = this.#process
    if (child === null || !this.alive) return
    const gone = new Promise((resolve) => child.once('exit', resolve))
    this.#send({ kind: 'end' })
    await gone
  }

  /** Resolves when `holds`; rejects when the process ends before. */
  async until(holds: (progress: Progress) => boolean): Promise<void> {
    while (!holds(this.progress)) await this.#next('progress')
  }

  #next<K extends FromProcess['kind']>(kind: K): Promise<FromProcess & { kind: K }> {
    return new Promise((resolve, reject) => {
      const listener = (message: FromProcess | null): void => {
        if (message !== null && message.kind !== kind) return
        this.#listeners.delete(listener)
        if (message === null) reject(new Error(`${this.name} ended by itself`))
        else resolve(message as FromProcess & { kind: K })
      }
      this.#listeners.add(listener)
    })
  }

  #send(message: ToProcess): void {
    this.#process!.send(message)
  }
}
