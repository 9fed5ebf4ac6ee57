// A fresh client that only looks: what a relay serves, now and as it changes, and whether it ever showed something that nobody wrote. Read by the files of
// faults/.

import { createReplica, type DocHandle, type Replica } from '@syncline/client'
import type { Scene } from './scene.ts'
import { tokensOf } from './typist.ts'

export class Onlooker {
  readonly replica: Replica
  /** Tokens that were shown at some time and are not in `made`. */
  readonly foreign = new Set<string>()
  readonly #scene: Scene
  readonly #made: ReadonlySet<string>
  #handles: DocHandle[] = []

  private constructor(scene: Scene, url: string, made: ReadonlySet<string>) {
    this.#scene = scene
    this.#made = made
    this.replica = createReplica({ name: 'onlooker', storage: { kind: 'memory' }, peers: [url], backoff: { maxMs: 500 } })
    scene.atEnd(() => this.replica.close())
  }

  /** Returns with the documents open; does not wait for the network. `made`: everything that anybody wrote. */
  static async open(scene: Scene, url: string, documents: readonly string[], made: ReadonlySet<string>): Promise<Onlooker> {
    const onlooker = new Onlooker(scene, url, made)
    onlooker.#handles = await Promise.all(documents.map((doc) => onlooker.replica.open(doc)))
    for (const handle of onlooker.#handles) handle.doc.on('update', () => onlooker.#look(handle))
    return onlooker
  }

  #look(handle: DocHandle): void {
    for (const token of tokensOf(handle)) if (!this.#made.has(token)) this.foreign.add(token)
  }

  tokens(): Set<string> {
    return new Set(this.#handles.flatMap((handle) => tokensOf(handle)))
  }

  /** All content of all documents, as text that is equal where the content is. */
  content(): string {
    return JSON.stringify(
      this.#handles.map(({ doc }) => [
        doc.getArray('tokens').toJSON(),
        [...doc.getMap<Uint8Array>('values').entries()].map(([key, value]) => `${key} ${Buffer.from(value).toString('base64')}`).toSorted(),
      ]),
    )
  }

  /** Resolves when it shows all of these. */
  shows(tokens: Iterable<string>, withinMs: number): Promise<number> {
    const wanted = [...tokens]
    return this.#scene.until(
      `a client is shown ${wanted.length} edits`,
      () => {
        const shown = this.tokens()
        return wanted.every((token) => shown.has(token))
      },
      withinMs,
    )
  }

  /** Resolves after a full exchange. */
  async synced(withinMs: number): Promise<void> {
    await this.#scene.within('a client is synced', Promise.all(this.#handles.map((handle) => handle.whenSynced())), withinMs)
  }

  close(): Promise<void> {
    return this.replica.close()
  }
}
