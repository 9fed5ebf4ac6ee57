// Where one scenario happens: its folder, its relays, what it opened, its chance and its time. Whatever a scene started is ended when the scene ends, in bounded
// time, also when the scenario failed, hangs or was interrupted. Read by the files of faults/. No sleeping: `until` waits for a condition and fails in words.

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { nodeClock } from '@syncline/replica/ws'
import { Random } from '@syncline/testing'
import { startRelay, temporaryFolder, type RelayProcess, type RelayStart } from '../integration/relay-process.ts'

const LOOK_EVERY_MS = 20
const END_WITHIN_MS = 8_000

export interface SceneOptions {
  readonly seed: number
  /** Of scenarios that have rounds; null: as many as they choose. */
  readonly rounds: number | null
  readonly report: (line: string) => void
  /** Shorter harm, for the tests; default false. */
  readonly brief?: boolean
}

export class Scene {
  readonly seed: number
  readonly rounds: number | null
  readonly brief: boolean
  readonly random: Random
  readonly report: (line: string) => void
  readonly folder: string
  readonly #clock = nodeClock()
  readonly #removeFolder: () => void
  readonly #endings: (() => unknown)[] = []
  readonly #pids = new Set<number>()
  #over = false

  constructor({ seed, rounds, report, brief = false }: SceneOptions) {
    this.seed = seed
    this.rounds = rounds
    this.brief = brief
    this.report = report
    this.random = new Random(seed)
    const { path, remove } = temporaryFolder()
    this.folder = path
    this.#removeFolder = remove
  }

  now(): number {
    return this.#clock.now()
  }

  /** An empty folder of this scene. */
  subfolder(name: string): string {
    const path = join(this.folder, name)
    mkdirSync(path, { recursive: true })
    return path
  }

  /** Called when the scene ends, all at once, before the folder is removed. */
  atEnd(ending: () => unknown): void {
    this.#endings.push(ending)
  }

  /** `syncline serve` in a process of its own, killed when the scene ends. */
  async relay(data: string, options: RelayStart = {}): Promise<RelayProcess> {
    if (this.#over) throw new Error('the scene is over')
    const onSpawn = (pid: number): void => {
      this.#pids.add(pid)
      options.onSpawn?.(pid)
    }
    const relay = await startRelay(data, { ...options, onSpawn })
    void relay.exited.then(() => this.#pids.delete(relay.pid))
    return relay
  }

  /** Resolves when `holds`; looks every 20 ms. Rejects with `words` after `withinMs`, and when the scene ends. Returns how long it took, in ms. */
  until(what: string, holds: () => boolean | Promise<boolean>, withinMs: number): Promise<number> {
    const began = this.now()
    return new Promise((resolve, reject) => {
      const look = async (): Promise<void> => {
        if (this.#over) throw new Error(`the scene ended while waiting for: ${what}`)
        if (await holds()) resolve(this.now() - began)
        else if (this.now() - began > withinMs) throw new Error(`not within ${withinMs} ms: ${what}`)
        else this.#clock.after(LOOK_EVERY_MS, () => void look().catch(reject))
      }
      void look().catch(reject)
    })
  }

  /** What `work` resolves with; rejects with words when that takes longer. */
  within<T>(what: string, work: Promise<T>, withinMs: number): Promise<T> {
    return new Promise((resolve, reject) => {
      const cancel = this.#clock.after(withinMs, () => reject(new Error(`not within ${withinMs} ms: ${what}`)))
      work.then(resolve, reject).finally(cancel)
    })
  }

  /** Lets the world go on for so long: for faults that last, never to wait for something. */
  async lasting(ms: number): Promise<void> {
    const until = this.now() + ms
    await this.until(`${ms} ms`, () => this.now() >= until, ms + 60_000)
  }

  /** Kills what was started, at once: for the end of the whole process. */
  killAll(): void {
    this.#over = true
    for (const pid of this.#pids) {
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // It ended by itself.
      }
    }
  }

  /** Ends everything that was started here. Never rejects; idempotent. */
  async end(): Promise<void> {
    this.killAll()
    await Promise.all(this.#endings.splice(0).map((ending) => this.#bounded(ending)))
    await this.#bounded(this.#removeFolder)
  }

  async #bounded(ending: () => unknown): Promise<void> {
    let cancel: () => void = () => undefined
    const late = new Promise<void>((resolve) => (cancel = this.#clock.after(END_WITHIN_MS, resolve)))
    const run = async (): Promise<void> => void (await ending())
    try {
      await Promise.race([run(), late])
    } catch (error) {
      this.report(`cleaning up: ${String(error)}`)
    } finally {
      cancel()
    }
  }
}
