// A replica as applications see it: opens storage, engine and links in the background, hands out documents, and closes all of it in bounded time.
// Reads options.ts (settings), platform.ts (the machine), watch.ts (what is going on). Rules: AP-1, AP-2, AP-8, AP-9.

import {
  parseDocId,
  rangeHolds,
  docKeyOf,
  scopeRange,
  scopeText,
  SynclineError,
  type DocKey,
  type Scope,
  type ScopeText,
} from '@syncline/protocol'
import { Replica as Engine, type DeletedContent, type OpenDocument } from '@syncline/replica'
import { assertTier, OpenDocHandle, SharedDocument, untilSaved, type DocHandle } from './doc-handle.ts'
import { parseOptions, subscriptionScope, type ReplicaOptions, type Settings } from './options.ts'
import type { Closable, Platform } from './platform.ts'
import type { Readable } from './readable.ts'
import { RelayPending, type ListedDocument } from './relay-pending.ts'
import type { SavedTier } from './saved.ts'
import type { SyncStatus } from './status.ts'
import { abortable, type WaitOptions } from './waits.ts'
import { Watch, type Opened } from './watch.ts'

/** The whole of close() gets this long: what is committed is safe by then, and what is not could not be. */
const CLOSE_MS_MAX = 10_000

/** A set of documents with storage of its own, that syncs with its peers while there are any. Made by createReplica. */
export interface Replica extends AsyncDisposable {
  readonly name: string
  readonly status: Readable<SyncStatus>
  /** Resolves when storage is open and, if asked for, the port is bound. Rejects with why that failed, as every other call does then. */
  whenReady(options?: WaitOptions): Promise<void>
  /** Opens a document, new or stored. Waits for local data only, never for the network. In a replica that subscribes to a part of its space, a document
   *  outside of it is subscribed to. Rejects with "doc-id-invalid", "doc-quarantined", "replica-closed", "wait-aborted", and why storage failed; with "doc-deleted"
   *  for a document that was deleted, unless it is to be begun anew, empty, with `recreate`. */
  open(id: string, options?: OpenOptions): Promise<DocHandle>
  /** Deletes a document everywhere, as it is known here: a document that was deleted and begun anew elsewhere, which this replica has not heard of, stays. The deletion is stored and synced like an edit, also offline, and is final for every edit of the document, also for those
   *  that others made and nobody has seen yet. Resolves when it has come as far as `tier` (default `local`). Those who have the document open are told by its
   *  status. Rejects with "doc-id-invalid", "read-only", "replica-closed", "wait-aborted", why storage failed, and as whenSaved() does where a peer refuses the
   *  deletion ("delete-forbidden"): it stays in force here then, and goes on to whoever takes it. */
  delete(id: string, options?: DeleteOptions): Promise<void>
  /** What deletions of a document took away here, newest first, with edits of this replica that nobody else had; empty when there was nothing, or it is more than
   *  30 days ago. Rejects with "doc-id-invalid", "replica-closed". */
  remains(id: string): Promise<readonly DeletedContent[]>
  /** The documents stored here, in no particular order. */
  list(options?: { readonly prefix?: string }): AsyncIterable<ListedDocument>
  /** `scope`: a collection (`collection/*`) or a document id. Takes effect at once, also on links that exist. No effect in a replica of the whole space.
   *  Not stored: name lasting subscriptions in the options. */
  subscribe(scope: string): void
  /** Documents stay stored, and are no longer kept up to date. Throws "argument-invalid" in a replica of the whole space. */
  unsubscribe(scope: string): void
  /** Commits what is under way, tells peers, and closes everything, within 10 s. Safe while opening; idempotent. */
  close(): Promise<void>
}

export interface OpenOptions extends WaitOptions {
  /** Begin a document anew that was deleted; default false. */
  readonly recreate?: boolean
}

export interface DeleteOptions extends WaitOptions {
  readonly tier?: SavedTier
}

/** Returns at once. Throws "argument-invalid", "space-id-invalid" or "doc-id-invalid" for options that make no sense; everything else that goes wrong is in
 *  `status.error` and in the calls that wait for it. */
export function createReplicaOn(platform: Platform, options: ReplicaOptions): Replica {
  return new ClientReplica(platform, parseOptions(options, platform.defaultFolder))
}

class ClientReplica implements Replica {
  readonly name: string
  readonly status: Readable<SyncStatus>
  readonly #platform: Platform
  readonly #settings: Settings
  readonly #watch: Watch
  readonly #scopes = new Map<ScopeText, Scope>()
  readonly #documents = new Map<OpenDocument, SharedDocument>()
  readonly #links: Closable[] = []
  readonly #ready: Promise<Opened>
  readonly #forgetSignals: () => void
  #closing: Promise<void> | null = null

  constructor(platform: Platform, settings: Settings) {
    this.name = settings.name
    this.#platform = platform
    this.#settings = settings
    for (const scope of settings.scopes) this.#scopes.set(scopeText(scope), scope)
    this.#watch = new Watch(settings, platform.clock)
    this.#watch.unsavedDocuments = () => [...this.#documents.values()].filter(({ open }) => open.unsaved > 0).length
    this.#watch.onTell(() => {
      for (const { status } of this.#documents.values()) status.tell()
    })
    this.status = this.#watch.status
    this.#forgetSignals = settings.closeOnSignals ? platform.onTermination(() => this.close()) : () => undefined
    this.#ready = this.#open()
    // Whoever awaits it hears of a failure; nobody has to.
    this.#ready.catch((error: SynclineError) => this.#watch.failed(error))
  }

  // Opening

  async #open(): Promise<Opened> {
    const store = await this.#platform.openStore(this.#settings)
    const { clock, random, compression } = this.#platform
    const { readOnly } = this.#settings
    const engine = new Engine({
      store,
      role: readOnly ? 'follower' : 'device',
      clock,
      random,
      compression,
      readOnly,
      interests: [...this.#scopes.values()],
      onEvent: this.#watch.onEvent,
    })
    engine.onStatus(() => this.#watch.changed())
    // Before the first link: an ack that comes at once is counted too.
    const opened = { store, engine, relayPending: new RelayPending(store.reader, this.#settings.space) }
    this.#watch.started(opened)
    try {
      await this.#startLinks(engine)
    } catch (error) {
      this.#watch.started(null)
      await engine.close()
      throw error
    }
    return opened
  }

  async #startLinks(engine: Engine): Promise<void> {
    const { listen, peers } = this.#settings
    if (this.#closing !== null) return
    if (listen !== null) {
      const listener = await this.#platform.listen(engine, listen)
      this.#watch.listener = listener
      this.#links.push(listener)
    }
    for (const url of peers) this.#links.push(this.#platform.dial(engine, url, this.#settings, (state) => this.#watch.dialled(url, state)))
  }

  async whenReady(options: WaitOptions = {}): Promise<void> {
    this.#watch.assertOpen()
    await abortable(this.#ready, options)
  }

  // Documents

  async open(id: string, options: OpenOptions = {}): Promise<DocHandle> {
    this.#watch.assertOpen()
    const doc = parseDocId(id)
    const { engine } = await abortable(this.#ready, options)
    this.#watch.assertOpen()
    this.#subscribeTo(docKeyOf(this.#settings.space, doc), { kind: 'document', doc })
    const open = engine.openDocument(doc, { recreate: options.recreate ?? false })
    const shared = this.#documents.get(open) ?? new SharedDocument(open, this.#watch)
    this.#documents.set(open, shared)
    shared.handles++
    return new OpenDocHandle(shared, this.#watch, () => this.#release(shared))
  }

  #release(shared: SharedDocument): Promise<void> {
    shared.handles--
    if (shared.handles === 0) {
      shared.dispose()
      this.#documents.delete(shared.open)
    }
    return shared.open.release()
  }

  async delete(id: string, { tier = 'local', ...options }: DeleteOptions = {}): Promise<void> {
    this.#watch.assertOpen()
    assertTier(tier)
    const doc = parseDocId(id)
    const { engine } = await abortable(this.#ready, options)
    this.#watch.assertOpen()
    this.#subscribeTo(docKeyOf(this.#settings.space, doc), { kind: 'document', doc })
    const seq = await abortable(engine.deleteDocument(doc), options)
    await untilSaved(this.#watch, doc, tier, seq, options)
  }

  async remains(id: string): Promise<readonly DeletedContent[]> {
    this.#watch.assertOpen()
    const doc = parseDocId(id)
    const { engine } = await this.#ready
    this.#watch.assertOpen()
    return engine.remains(doc)
  }

  async *list({ prefix = '' }: { readonly prefix?: string } = {}): AsyncGenerator<ListedDocument, void, undefined> {
    this.#watch.assertOpen()
    const { engine, relayPending } = await this.#ready
    while (relayPending.look()) await new Promise<void>((resolve) => this.#platform.clock.soon(resolve))
    for (const row of engine.documents({ prefix })) {
      this.#watch.assertOpen()
      yield { id: row.name, bytes: row.snapshotBytes + row.tailBytes, pending: relayPending.has(row.key), digest: row.digest }
    }
  }

  // Subscriptions

  subscribe(text: string): void {
    this.#watch.assertOpen()
    const scope = subscriptionScope(text)
    if (this.#scopes.has('*') || this.#scopes.has(scopeText(scope))) return
    this.#scopes.set(scopeText(scope), scope)
    this.#watch.opened?.engine.subscribe(scope)
  }

  unsubscribe(text: string): void {
    this.#watch.assertOpen()
    const scope = subscriptionScope(text)
    if (this.#scopes.has('*'))
      throw new SynclineError(
        'argument-invalid',
        `The replica ${this.name} holds its whole space: there is no subscription ${JSON.stringify(text)} to end.`,
      )
    if (this.#scopes.delete(scopeText(scope))) this.#watch.opened?.engine.unsubscribe(scope)
  }

  #subscribeTo(key: DocKey, scope: Scope & { readonly kind: 'document' }): void {
    for (const held of this.#scopes.values()) if (rangeHolds(scopeRange(this.#settings.space, held), key)) return
    this.subscribe(scope.doc)
  }

  // Closing

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#watch.ending()
    await this.#within(CLOSE_MS_MAX, this.#closeAll())
    this.#forgetSignals()
    this.#watch.closed()
  }

  async #closeAll(): Promise<void> {
    const opened = await this.#ready.catch(() => null)
    // The engine first: it sends what it just committed, and says goodbye on every link.
    await opened?.engine.close()
    await Promise.allSettled(this.#links.map(async (link) => link.close()))
    for (const shared of this.#documents.values()) shared.dispose()
  }

  #within(ms: number, work: Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      const cancel = this.#platform.clock.after(ms, resolve)
      work.then(resolve, reject).finally(cancel)
    })
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
