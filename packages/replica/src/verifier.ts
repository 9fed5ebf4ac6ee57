// Content verification: while two replicas' knowledge agrees, each link compares the content of one document at a time, recently written ones first, then in
// rotation. Equal ids with different content are a fork: named by client and range, reported on both sides, never silent. Rule: CV-3.

import {
  boundAfter,
  contentDigest,
  endOf,
  firstDifference,
  frameUpdates,
  LIMITS,
  rangeHolds,
  startOf,
  toHex,
  unframeUpdates,
  type DocKey,
  type IdRange,
  type MessageOf,
} from '@syncline/protocol'
import type { Channel } from './channel.ts'
import type { CoreContext } from './core-context.ts'
import { storedUpdates } from './document-diff.ts'
import type { DocState } from './documents.ts'
import type { LinkSession } from './link-session.ts'
import { collectPart } from './receiver.ts'
import { pack } from './server.ts'

const CACHE_MAX = 4096
const RECENT_MAX = 256

export class Verifier {
  readonly #context: CoreContext
  /** Content digests by document and knowledge digest. */
  readonly #cache = new Map<string, Uint8Array | null>()
  /** Documents written lately, newest last. */
  readonly #recent = new Set<DocKey>()
  readonly #reported = new Set<string>()
  /** Of what was reported: peer and document, until they agree again. */
  readonly #diverged = new Set<string>()
  /** What COMPARE found, by peer, document and both contents: the same two are not sent and walked again at every rotation. */
  readonly #compared = new Map<string, IdRange>()

  constructor(context: CoreContext) {
    this.#context = context
  }

  /** A document changed: verify it soon. */
  wrote(key: DocKey): void {
    this.#recent.delete(key)
    this.#recent.add(key)
    if (this.#recent.size > RECENT_MAX) for (const oldest of this.#recent) return void this.#recent.delete(oldest)
  }

  /** The document's content was taken out and comes back from a peer, perhaps as another one under the same knowledge. */
  forget(key: DocKey): void {
    for (const id of this.#cache.keys()) if (id.startsWith(key)) this.#cache.delete(id)
  }

  /** Sends VERIFY for one document of the link, when it is time. The side that dialled asks. */
  tend(link: LinkSession): void {
    const { nowMs, limits } = this.#context
    if (!link.live || !link.dialled || nowMs - link.verifiedAtMs < limits.verifyEveryMs) return
    link.verifiedAtMs = nowMs
    const equal = [...link.channels.values()].filter((one) => one.settled && one.peerRoot !== null && one.peerRoot === one.rootSent)
    if (equal.length === 0) return
    const key = this.#next(link, equal)
    if (key === null || link.verifying?.has(key) === true || !this.#mayRead(link, key)) return
    const doc = this.#context.documents.byKey(key, nowMs)
    if (doc === undefined || doc.quarantined || doc.uncommitted > 0) return
    const content = this.#contentOf(doc)
    if (content === null) return
    link.verifying ??= new Set()
    link.verifying.add(key)
    link.send({ kind: 'verify', doc: link.docRef(doc.key, doc.name, doc.docEpoch), digest: doc.digest, content })
  }

  /** The next document of these channels: a recently written one, else the next in key order over all of them. */
  #next(link: LinkSession, channels: readonly Channel[]): DocKey | null {
    for (const key of this.#recent) {
      if (!channels.some(({ range }) => rangeHolds(range, key)) || !this.#mayRead(link, key)) continue
      this.#recent.delete(key)
      return key
    }
    const next = this.#firstAfter(link.verifyAfter, channels) ?? this.#firstAfter(null, channels)
    link.verifyAfter = next
    return next
  }

  #firstAfter(after: DocKey | null, channels: readonly Channel[]): DocKey | null {
    let first: DocKey | null = null
    for (const channel of channels) {
      const key = this.#firstIn(channel, after === null || after < channel.range.first ? null : after)
      if (key !== undefined && (first === null || key < first)) first = key
    }
    return first
  }

  /** Where much is hidden from the peer, the view finds the next one that is not. */
  #firstIn({ range, view }: Channel, after: DocKey | null): DocKey | undefined {
    if (view === null) return this.#context.reader.docs(range, 1, after ?? undefined)[0]?.key
    return view.tree.docs(after === null ? startOf(range) : boundAfter(after), endOf(range), 1)[0]?.key
  }

  /** A peer that may not read a document is not asked about it: the question would name it. */
  #mayRead(link: LinkSession, key: DocKey): boolean {
    const doc = this.#context.documents.head(key)
    return doc !== undefined && link.access.read(doc.name)
  }

  #contentOf(doc: DocState): Uint8Array | null {
    const id = doc.key + doc.digest
    const cached = this.#cache.get(id)
    if (cached !== undefined) return cached
    const digest = contentDigest(this.#stored(doc))
    this.#cache.set(id, digest)
    if (this.#cache.size > CACHE_MAX) for (const oldest of this.#cache.keys()) return (this.#cache.delete(oldest), digest)
    return digest
  }

  /** As stored: what a Y.Doc makes of it at load may hold deletes that only this replica would know. */
  #stored(doc: DocState): Uint8Array[] {
    const content = this.#context.reader.content(doc.key)
    return content === undefined ? [] : storedUpdates(content)
  }

  receiveVerify(link: LinkSession, message: MessageOf<'verify'>): boolean {
    const doc = this.#resolve(link, message)
    if (doc === null) return false
    const ref = link.docRef(doc.key, doc.name, doc.docEpoch)
    const comparable = link.access.read(doc.name) && doc.digest === message.digest && doc.uncommitted === 0 && !doc.quarantined
    const mine = comparable ? this.#contentOf(doc) : null
    if (mine === null) {
      link.send({ kind: 'verified', doc: ref, verdict: 'skipped', range: null })
    } else if (sameBytes(mine, message.content)) {
      this.#agreed(link, doc)
      link.send({ kind: 'verified', doc: ref, verdict: 'equal', range: null })
    } else {
      const pair = link.hello!.replicaId + doc.key + toHex(mine) + toHex(message.content)
      const found = this.#compared.get(pair)
      if (found === undefined) {
        link.comparing ??= new Map()
        link.comparing.set(doc.key, pair)
        link.send({ kind: 'compare', doc: ref })
      } else {
        link.send({ kind: 'verified', doc: ref, verdict: 'differs', range: found })
      }
    }
    return true
  }

  receiveCompare(link: LinkSession, message: MessageOf<'compare'>): boolean {
    const doc = this.#resolve(link, message)
    // Three bytes that ask for a whole document: nobody sends them unasked.
    if (doc === null || link.verifying?.delete(doc.key) !== true) return false
    if (!link.access.read(doc.name)) {
      // The right was withdrawn since VERIFY: no fault of the peer.
      link.send({ kind: 'verified', doc: link.docRef(doc.key, doc.name, doc.docEpoch), verdict: 'skipped', range: null })
      return true
    }
    const { encoding, bytes } = pack(this.#context, link, frameUpdates(this.#stored(doc)))
    for (let part = 0, at = 0; part === 0 || at < bytes.length; part++, at += LIMITS.diffChunkBytes) {
      const last = at + LIMITS.diffChunkBytes >= bytes.length
      const chunk = bytes.subarray(at, at + LIMITS.diffChunkBytes)
      link.send({ kind: 'state', doc: link.docRef(doc.key, doc.name, doc.docEpoch), part, last, encoding, bytes: chunk })
    }
    return true
  }

  receiveState(link: LinkSession, message: MessageOf<'state'>): boolean {
    const doc = this.#resolve(link, message)
    if (doc === null) return false
    const bytes = collectPart(link, `state/${doc.key}`, message)
    if (bytes === null) return false
    if (bytes === 'more') return true
    // A whole stored document is read for it: only where it was asked for.
    const pair = link.comparing?.get(doc.key)
    if (pair === undefined) return false
    link.comparing!.delete(doc.key)
    const inflate = this.#context.options.compression?.inflate
    const theirs = message.encoding === 'deflate' ? (inflate?.(bytes, LIMITS.updateBytesMax) ?? null) : bytes
    if (theirs === null) return false
    const updates = unframeUpdates(theirs)
    if (updates === null) return false
    const range = firstDifference(this.#stored(doc), updates)
    if (range !== null) {
      this.#report(link, doc, range)
      if (this.#compared.size >= CACHE_MAX) this.#compared.clear()
      this.#compared.set(pair, range)
    }
    const verdict = range === null ? 'skipped' : 'differs'
    link.send({ kind: 'verified', doc: link.docRef(doc.key, doc.name, doc.docEpoch), verdict, range })
    return true
  }

  receiveVerified(link: LinkSession, message: MessageOf<'verified'>): boolean {
    const doc = this.#resolve(link, message)
    if (doc === null) return false
    link.verifying?.delete(doc.key)
    if (message.verdict === 'differs') this.#report(link, doc, message.range)
    if (message.verdict === 'equal') this.#agreed(link, doc)
    return true
  }

  #report(link: LinkSession, doc: DocState, range: IdRange | null): void {
    const peer = link.hello!.replicaId
    const id = `${peer}${doc.key}${doc.digest}`
    if (this.#reported.has(id)) return
    if (this.#reported.size > CACHE_MAX) this.#reported.clear()
    this.#reported.add(id)
    if (this.#diverged.size > CACHE_MAX) this.#diverged.clear()
    this.#diverged.add(peer + doc.key)
    this.#context.event({ type: 'divergence', doc: doc.name, peer, range })
  }

  /** Both sides hear of it: one asks, the other answers. */
  #agreed(link: LinkSession, doc: DocState): void {
    const peer = link.hello!.replicaId
    if (!this.#diverged.delete(peer + doc.key)) return
    this.#reported.clear() // a later divergence of the same ids is news
    this.#context.event({ type: 'agreed-again', doc: doc.name, peer })
  }

  #resolve(link: LinkSession, message: { readonly doc: MessageOf<'verify'>['doc'] }): DocState | null {
    const name = link.resolveDoc(message.doc)
    return name === null ? null : this.#context.documents.get(name, this.#context.nowMs)
  }
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index])
}
