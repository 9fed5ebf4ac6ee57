// One open document in the hands of an application: its Y.Doc, its presence, and the two waits. Asks the engine for facts and saved.ts for the
// verdict. Rules: AP-2 to AP-5, DU-1.

import { SynclineError, type DocId, type ReplicaId } from '@syncline/protocol'
import type { OpenDocument } from '@syncline/replica'
import type * as Y from 'yjs'
import { Derived, type Readable } from './readable.ts'
import { savedVerdict, type PeerCopy, type SavedFacts, type SavedTier } from './saved.ts'
import type { DocStatus } from './status.ts'
import type { Watch } from './watch.ts'
import { abortable, type WaitOptions } from './waits.ts'

export type Awareness = OpenDocument['awareness']

/** Every opener has a handle of their own; `doc` and `awareness` are the same objects for all of them. */
export interface DocHandle extends AsyncDisposable {
  readonly id: string
  /** A plain Y.Doc: every editor binding works. After the last release it is destroyed. */
  readonly doc: Y.Doc
  readonly awareness: Awareness
  readonly status: Readable<DocStatus>
  /** Resolves when every edit of `doc` made before the call has come as far as `tier` (default `local`). Rejects with the code of a refusal where the
   *  edit was refused and nobody else can take it; with "copies-unreachable" when more copies are asked for than this replica and its direct
   *  peers can make; with "doc-deleted" once the document was deleted; with "replica-closed", "wait-aborted". A rejected wait changes nothing: the edit stays, and goes on to whoever takes it. */
  whenSaved(tier?: SavedTier, options?: WaitOptions): Promise<void>
  /** Resolves once a full exchange with at least one peer that shares this document happened since that peer connected: at once, if one has. */
  whenSynced(options?: WaitOptions): Promise<void>
  /** Gives this handle up. The last one removes the own presence and resolves when the edits are committed locally. Idempotent. */
  release(): Promise<void>
}

/** What all handles of one document share. */
export class SharedDocument {
  readonly open: OpenDocument
  readonly status: Derived<DocStatus>
  handles = 0
  readonly #watch: Watch
  #settling = false

  constructor(open: OpenDocument, watch: Watch) {
    this.open = open
    this.#watch = watch
    this.status = new Derived(
      () => this.#facts(),
      () => watch.version,
    )
    open.doc.on('update', this.#onUpdate)
  }

  dispose(): void {
    this.open.doc.off('update', this.#onUpdate)
  }

  #facts(): DocStatus {
    const { open } = this
    const { pending, rejected } = this.#watch.ofDocument(open)
    const isPending = { local: open.unsaved > 0, relay: open.unsaved > 0 || pending }
    return { synced: this.#watch.isSynced(open.key), pending: isPending, deleted: open.isDeleted, rejected }
  }

  readonly #onUpdate = (): void => {
    if (this.#settling || this.open.unsaved === 0) return
    this.#settling = true
    this.#watch.changed()
    void this.#settle()
  }

  /** The engine tells nobody that an edit was committed, except those who wait for it. */
  async #settle(): Promise<void> {
    try {
      while (this.open.unsaved > 0) await this.open.saved()
    } catch {
      // Refused, which `status` tells, or released with an edit still under way, which the engine commits all the same: nothing to wait for here.
    }
    this.#settling = false
    this.#watch.changed()
  }
}

export class OpenDocHandle implements DocHandle {
  readonly #shared: SharedDocument
  readonly #watch: Watch
  readonly #onRelease: () => Promise<void>
  #released: Promise<void> | null = null

  constructor(shared: SharedDocument, watch: Watch, onRelease: () => Promise<void>) {
    this.#shared = shared
    this.#watch = watch
    this.#onRelease = onRelease
  }

  get id(): string {
    return this.#shared.open.id
  }

  get doc(): Y.Doc {
    return this.#shared.open.doc
  }

  get awareness(): Awareness {
    return this.#shared.open.awareness
  }

  get status(): Readable<DocStatus> {
    return this.#shared.status
  }

  async whenSaved(tier: SavedTier = 'local', options: WaitOptions = {}): Promise<void> {
    this.#assertHeld()
    assertTier(tier)
    const seq = await abortable(this.#shared.open.saved(), options)
    await untilSaved(this.#watch, this.#shared.open.id, tier, seq, options)
  }

  async whenSynced(options: WaitOptions = {}): Promise<void> {
    this.#assertHeld()
    await this.#watch.until(() => (this.#watch.isSynced(this.#shared.open.key) ? true : undefined), options)
  }

  release(): Promise<void> {
    this.#released ??= this.#onRelease()
    return this.#released
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release()
  }

  #assertHeld(): void {
    this.#watch.assertOpen()
    if (this.#released !== null) throw new SynclineError('argument-invalid', `This handle of ${this.id} was released.`)
  }
}

/** Resolves when this replica's log has come as far as `tier` up to `seq`, as far as the document is concerned. */
export async function untilSaved(watch: Watch, id: DocId, tier: SavedTier, seq: number, options: WaitOptions): Promise<void> {
  if (tier === 'local') return
  const isSaved = (): true | undefined => {
    const verdict = savedVerdict(tier, savedFacts(watch, id, seq))
    if (verdict.kind === 'failed') throw new SynclineError(verdict.code, `${id} is not saved as asked: ${verdict.reason}.`)
    return verdict.kind === 'saved' ? true : undefined
  }
  await watch.until(isSaved, options)
}

export function assertTier(tier: SavedTier): void {
  if (tier === 'local' || tier === 'relay') return
  if (Number.isInteger(tier?.copies) && tier.copies >= 1) return
  throw new SynclineError('argument-invalid', `${JSON.stringify(tier)} is no tier: 'local', 'relay' or { copies: 1 or more }.`)
}

/** What is known of the direct peers, with regard to one document and one position of the log. */
function savedFacts(watch: Watch, id: DocId, seq: number): SavedFacts {
  const { engine } = watch.opened!
  const acks = new Map(engine.acknowledgements(id, seq).map((ack) => [ack.peer, ack]))
  const { peers: linked, rejected } = engine.status()
  const reachable = new Set<ReplicaId>([...linked.map((peer) => peer.replicaId), ...watch.configuredPeers()])
  const peers: PeerCopy[] = []
  for (const peer of new Set([...acks.keys(), ...reachable])) {
    const durability = acks.get(peer)?.durability ?? watch.durabilityOf(peer)
    if (durability === null) continue
    const refusal = rejected.find((row) => row.peer === peer && row.doc === id && row.direction === 'out') ?? null
    peers.push({ peer, durability, acked: acks.has(peer), reachable: reachable.has(peer), refusal })
  }
  return { durability: engine.durability, peers, unknownPeers: watch.unknownPeers() }
}
