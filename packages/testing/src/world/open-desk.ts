// The open documents of one life of a simulated replica: the real binding on real Y.Docs, their authors, and the writes that wait for an outcome. Ends with
// the process. Read by simulated-replica.ts.

import { deletionOf, isDeletion, parseDocId, SynclineError, type DocId, type DocKey } from '@syncline/protocol'
import { DocumentBinding, type DocumentHost, type ReplicaCore, type Ticket, type WriteOutcome } from '@syncline/replica'
import type { MemoryStore } from '@syncline/store/memory'
import * as Y from 'yjs'
import type { LocalWrite } from '../oracles/oracle.ts'
import { Violation } from '../violation.ts'
import { DocumentAuthor } from '../workload/author.ts'
import { isOwn, type Delivery } from './delivery.ts'
import { describeUpdate } from './describe-frame.ts'
import type { Edit, Workload } from '../workload/workload.ts'
import type { SimulatedReplica } from './simulated-replica.ts'
import { keyOf } from './space.ts'
import type { Surroundings } from './surroundings.ts'

export interface OpenedDocument {
  readonly binding: DocumentBinding
  readonly author: DocumentAuthor
}

/** Why an open document ends: one for all, for errors are slow to make. */
const ENDED = new SynclineError('replica-closed', 'The process died, or the document was released.')

/** That of a document without structs. */
const EMPTY_STATE_VECTOR = Uint8Array.of(0)

/** Origin of local edits, tracked by undo managers. */
const LOCAL_EDIT = { from: 'simulated author' }

/** Marks what comes from the engine in every open document. */
const REMOTE = { from: 'engine' }

export class OpenDesk {
  readonly opened = new Map<DocId, OpenedDocument>()
  readonly #replica: SimulatedReplica
  readonly #core: ReplicaCore
  readonly #store: MemoryStore
  readonly #world: Surroundings
  readonly #random: (length: number) => Uint8Array
  readonly #tickets = new Map<Ticket, (outcome: WriteOutcome) => void>()
  readonly #settling = new Set<DocumentBinding>()
  /** "document client" -> clock up to which its author has written in this life. */
  readonly #sent = new Map<string, number>()
  #nextTicket = 1
  #ended = false

  constructor(
    replica: SimulatedReplica,
    parts: {
      readonly core: ReplicaCore
      readonly store: MemoryStore
      readonly world: Surroundings
      readonly random: (length: number) => Uint8Array
    },
  ) {
    this.#replica = replica
    this.#core = parts.core
    this.#store = parts.store
    this.#world = parts.world
    this.#random = parts.random
  }

  end(): void {
    this.#ended = true
    for (const { binding, author } of this.opened.values()) {
      author.destroy()
      binding.end(ENDED)
    }
  }

  /** Opens the document, or answers the open one; null while its stored content is damaged, or too many others are open with edits under way. */
  open(docId: DocId): OpenedDocument | null {
    const known = this.opened.get(docId)
    if (known !== undefined) {
      // Most recently used last.
      this.opened.delete(docId)
      this.opened.set(docId, known)
      return known
    }
    if (this.isOver(docId) || !this.#makeRoom()) return null
    const { settings } = this.#replica
    const options = { gc: settings.gc, presence: settings.presence, recreate: true }
    const binding = this.#replica.readOr(null, () => new DocumentBinding(this.#host(), docId, keyOf(docId), options))
    if (binding === null) return null
    const author = new DocumentAuthor(binding.doc, { origin: LOCAL_EDIT, met: (situation) => this.#world.met(docId, situation) })
    this.#world.workload.roots(binding.doc)
    const opened = { binding, author }
    this.opened.set(docId, opened)
    return opened
  }

  /** Whether the document was deleted, and nobody begins it anew. */
  isOver(docId: DocId): boolean {
    return isDeletion(this.#replica.readOr(0, () => this.#core.docEpoch(docId))) && !this.#world.begunAnew.has(docId)
  }

  /** Deletes a document, open or not. */
  delete(docId: DocId): void {
    const docEpoch = this.#replica.readOr(null, () => deletionOf(this.#core.admittedEpoch(docId)))
    if (docEpoch === null) return
    this.#core.write({ doc: docId, docEpoch, update: null, source: 0, ticket: null })
    this.#replica.flushSoon()
  }

  /** Carries an edit out, committed or not. False: nothing was changed. */
  edit(docId: DocId, edit: Edit): boolean {
    const { author, binding } = this.opened.get(docId)!
    this.#world.counters.add('operation')
    const changed = performed(this.#world.workload, edit, author, `${this.#replica.name} edits ${docId}`)
    if (changed) this.#world.oracles.shown(this.#replica, docId, binding.doc)
    return changed
  }

  /** Closes the least recently used documents that are saved. */
  #makeRoom(): boolean {
    for (const docId of [...this.opened.keys()]) {
      if (this.opened.size < this.#replica.settings.openDocumentsMax) return true
      this.#close(docId)
    }
    return this.opened.size < this.#replica.settings.openDocumentsMax
  }

  #close(docId: DocId): void {
    const { binding, author } = this.opened.get(docId)!
    // What was refused stays unsaved for good.
    if (binding.unsaved > 0 && binding.rejection === null) return
    author.destroy()
    binding.end(ENDED)
    this.opened.delete(docId)
  }

  /** What stands in no transaction any more is sent. Before each flush. */
  settle(): void {
    for (const binding of this.#settling) binding.settle()
    this.#settling.clear()
  }

  deliver(docId: DocId, rows: readonly Delivery[]): void {
    const opened = this.opened.get(docId)
    if (opened === undefined) return
    const { binding, author } = opened
    const updates = rows.flatMap((row) => (row.docEpoch !== binding.docEpoch || isOwn(row, 0) ? [] : row.updates))
    if (updates.length > 0) {
      binding.apply(updates)
      this.#world.oracles.shown(this.#replica, docId, binding.doc)
    }
    if (rows.every((row) => row.docEpoch <= binding.docEpoch)) return
    binding.deleted()
    author.destroy()
    binding.end(ENDED)
    this.opened.delete(docId)
  }

  applyPresence(docId: DocId, bytes: Uint8Array): void {
    this.opened.get(docId)?.binding.applyPresence(bytes)
  }

  rotateClientIds(): void {
    for (const { binding } of this.opened.values()) binding.rotateClientId()
  }

  /** The stored document was lost: what is open writes it again. A follower may not; its reader opens the document anew. */
  lost(key: DocKey): void {
    for (const [docId, { binding, author }] of this.opened) {
      if (binding.key !== key) continue
      binding.restore()
      if (!this.#replica.settings.readOnly) continue
      author.destroy()
      binding.end(ENDED)
      this.opened.delete(docId)
    }
  }

  // ---- writes and their outcomes

  answer(ticket: Ticket, outcome: WriteOutcome): void {
    this.#tickets.get(ticket)?.(outcome)
    this.#tickets.delete(ticket)
  }

  /** Hands a write to the engine; `told` hears its outcome, unless the process dies first. */
  write(source: number, write: LocalWrite, told: (ticket: Ticket, outcome: WriteOutcome) => void): Ticket {
    const ticket = this.#nextTicket++
    this.#world.oracles.wrote(this.#replica, write)
    this.#tickets.set(ticket, (outcome) => {
      if (outcome.kind === 'committed' || outcome.kind === 'known') this.#replica.promise(write)
      this.#world.oracles.answered(this.#replica, write, outcome)
      told(ticket, outcome)
    })
    this.#replica.note(10, () => `write ${ticket} to ${write.doc}: ${describeUpdate(write.update)}`)
    this.#core.write({ doc: write.doc, docEpoch: write.docEpoch, update: write.update, source, ticket })
    this.#replica.flushSoon()
    return ticket
  }

  #writeEdit(docId: DocId, docEpoch: number, update: Uint8Array, told: (ticket: Ticket, outcome: WriteOutcome) => void): Ticket {
    // A write while the document opens: deletes that Yjs derived.
    const open = this.opened.get(docId)?.binding.doc
    const key = `${docId} ${open?.clientID ?? 0}`
    const write = localWrite(docId, docEpoch, open, update, this.#sent.get(key) ?? 0)
    if (write.to > 0) this.#sent.set(key, write.to)
    return this.write(0, write, told)
  }

  #host(): DocumentHost {
    const core = this.#core
    const store = this.#store
    const { counters } = this.#world
    const { name, settings } = this.#replica
    return {
      readOnly: settings.readOnly,
      origin: REMOTE,
      random: this.#random,
      content: (key) => store.reader.content(key),
      lastSeq: (key) => store.reader.doc(key)?.lastSeq ?? 0,
      localSeq: (doc) => this.#replica.readOr(0, () => core.localSeq(doc)),
      knowsClient: (doc, client) => this.#replica.readOr(false, () => core.knowsClient(doc, client)),
      stateVector: (doc) => this.#replica.readOr(EMPTY_STATE_VECTOR, () => core.stateVector(doc)),
      derivedDeletes: (doc, update) => {
        const derived = this.#replica.readOr(null, () => core.derivedDeletes(doc, update))
        if (derived !== null) counters.add('derived delete')
        return derived
      },
      docEpoch: (doc) => this.#replica.readOr(0, () => core.docEpoch(doc)),
      storedEpoch: (key) => store.reader.doc(key)?.docEpoch ?? 0,
      write: (doc, docEpoch, update, outcome) => this.#writeEdit(doc, docEpoch, update, outcome),
      presence: (doc, bytes) => {
        if (this.#ended) return
        core.presence({ doc, bytes, source: 0 })
        this.#replica.flushSoon()
      },
      presenceSnapshot: () => null,
      turnEnd: () => Promise.resolve(),
      settleSoon: (binding) => {
        this.#settling.add(binding)
        this.#replica.flushSoon()
      },
      report: (error, doc) => {
        if (error instanceof Violation) throw error
        throw new Violation('IN-1', `${name}: applying a committed update of ${doc} threw ${String(error)}`)
      },
      changed: () => undefined,
      stuck: (doc, reason) => {
        throw new Violation('CV-1', `${name}: open document ${doc} is stuck: ${reason}`)
      },
      released: () => undefined,
    }
  }
}

/** As the workload does it. What it throws is the user's, not the engine's: rule OR-12. */
export function performed(workload: Workload, edit: Edit, author: DocumentAuthor, what: string): boolean {
  try {
    return workload.perform(edit, author)
  } catch (error) {
    if (error instanceof Violation) throw error
    throw new Violation(
      'OR-12',
      `the workload threw while ${what}, ${JSON.stringify(edit)}: ${error instanceof Error ? error.message : String(error)}`,
    )
  }
}

/** What an update of this author brings: the clocks after those that it had sent. */
export function localWrite(docId: DocId, docEpoch: number, doc: Y.Doc | undefined, update: Uint8Array, sent: number): LocalWrite {
  const client = doc?.clientID ?? 0
  // An update without structs promises nothing about clocks.
  const to = doc === undefined || update[0] === 0 ? 0 : Y.getState(doc.store, client)
  return { doc: docId, docEpoch, client, from: to === 0 ? 0 : Math.min(sent, to), to, update }
}

/** The document that a promise ("document client") is about. */
export function documentOfPromise(promise: string): DocId {
  return parseDocId(promise.slice(0, promise.lastIndexOf(' ')))
}
