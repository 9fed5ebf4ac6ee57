// A user who goes on typing: a replica of @syncline/client that writes tokens, waits for each to be saved as far as asked, and remembers which were and
// how long it took. What it was told is saved is what a scenario must find again. Read by the files of faults/.

import { createReplica, type DocHandle, type Replica, type SavedTier } from '@syncline/client'
import { nodeClock } from '@syncline/replica/ws'
import type { Scene } from './scene.ts'

export interface Ack {
  readonly token: string
  readonly doc: string
  /** Of the scene's clock. */
  readonly atMs: number
  readonly tookMs: number
}

export interface TypistOptions {
  readonly name: string
  readonly peers: readonly string[]
  readonly documents: readonly string[]
  /** How far an edit must have come; default 'relay'. */
  readonly tier?: SavedTier
  /** Edits under way at most; default 4. */
  readonly window?: number
  /** An edit this often, while the window allows; default 20. */
  readonly everyMs?: number
  /** Random bytes that every edit puts in the place of the last ones; default none. */
  readonly valueBytes?: number
  /** Default: the whole space. */
  readonly subscribe?: readonly string[]
  /** Between two tries to connect, at most; default 500. */
  readonly backoffMaxMs?: number
}

const TOKENS = 'tokens'

export class Typist {
  readonly name: string
  readonly replica: Replica
  readonly acked: Ack[] = []
  /** Every token that was written. */
  readonly made: string[] = []
  /** Codes with which waits ended otherwise. */
  readonly refusals: string[] = []
  underWay = 0
  readonly #scene: Scene
  readonly #options: TypistOptions
  #handles: DocHandle[] = []
  #stop: () => void = () => undefined

  private constructor(scene: Scene, options: TypistOptions) {
    this.name = options.name
    this.#scene = scene
    this.#options = options
    const backoff = { maxMs: options.backoffMaxMs ?? 500 }
    const { name, peers, subscribe = 'space' } = options
    this.replica = createReplica({ name, storage: { kind: 'memory' }, peers, subscribe, backoff })
    scene.atEnd(() => this.close())
  }

  /** Resolves when it is connected and has what its peer has. */
  static async open(scene: Scene, options: TypistOptions): Promise<Typist> {
    const typist = new Typist(scene, options)
    typist.#handles = await Promise.all(options.documents.map((doc) => typist.replica.open(doc)))
    await scene.within(`${options.name} is synced`, Promise.all(typist.#handles.map((handle) => handle.whenSynced())), 30_000)
    return typist
  }

  start(): void {
    const { everyMs = 20, window = 4 } = this.#options
    this.#stop()
    this.#stop = nodeClock().every(everyMs, () => {
      if (this.underWay < window) void this.write()
    })
  }

  /** Writes nothing more by itself; waits go on. */
  stop(): void {
    this.#stop()
  }

  /** One edit. Resolves with whether it was saved as asked. */
  async write(): Promise<boolean> {
    const { tier = 'relay', valueBytes = 0 } = this.#options
    const token = `${this.name}-${this.made.length}`
    const handle = this.#handles[this.made.length % this.#handles.length]!
    this.made.push(token)
    handle.doc.transact(() => {
      handle.doc.getArray(TOKENS).push([token])
      if (valueBytes > 0) handle.doc.getMap('values').set(this.name, this.#scene.random.bytes(valueBytes))
    })
    const began = this.#scene.now()
    this.underWay++
    try {
      await handle.whenSaved(tier)
      const atMs = this.#scene.now()
      this.acked.push({ token, doc: handle.id, atMs, tookMs: atMs - began })
      return true
    } catch (error) {
      this.refusals.push((error as { code?: string }).code ?? String(error))
      return false
    } finally {
      this.underWay--
    }
  }

  /** Everything that it shows. */
  tokens(): Set<string> {
    return new Set(this.#handles.flatMap((handle) => tokensOf(handle)))
  }

  /** Resolves when nothing is under way any more; with how long it took. */
  settled(withinMs: number): Promise<number> {
    return this.#scene.until(`${this.name}: its ${this.underWay} edits under way are saved`, () => this.underWay === 0, withinMs)
  }

  async close(): Promise<void> {
    this.stop()
    await this.replica.close()
  }
}

export function tokensOf(handle: DocHandle): string[] {
  return handle.doc.getArray<string>(TOKENS).toArray()
}

/** Of latencies, in ms; 0 of none. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))] ?? 0
}
