// What is known of one link: its state, the peer's HELLO, both directions' aliases, its channels, and the messages that the next flush sends as one
// frame. Holds data and the alias rules; link-keeper.ts decides its life, receiver.ts and server.ts what the messages mean. Rules: IN-1, RS-1.

import {
  DOC_EPOCH_MAX,
  encodeFrame,
  encodeMessage,
  LIMITS,
  linkTable,
  step,
  type DocId,
  type DocKey,
  type DocRef,
  type EpochNonce,
  type LinkEvent,
  type LinkState,
  type Message,
  type MessageOf,
  type OriginRef,
  type ScopeText,
} from '@syncline/protocol'
import type { Channel } from './channel.ts'
import type { Access, LinkId } from './effects.ts'
import type { LinkWork } from './link-work.ts'
import type { OriginNumbers } from './origin-numbers.ts'

export interface LinkOptions {
  readonly dialled: boolean
  readonly access?: Access | undefined
  /** What HELLO says of who is behind this side: a token, for the peer's doorman. Default: nothing. */
  readonly auth?: Uint8Array | undefined
  /** Bytes the socket has accepted and not sent yet. */
  buffered?(): number
}

/** What all links of an engine have in common. */
export interface SharedByLinks {
  readonly work: LinkWork
  readonly origins: OriginNumbers
}

const FRAME_OVERHEAD_BYTES = 64
const FULL_ACCESS: Access = { read: () => true, readsAll: () => true, write: () => true }
/** Of HELLO: nobody in particular. */
export const NO_AUTH: Uint8Array = new Uint8Array(0)
const NO_ORIGINS = new Uint8Array(0)

export class LinkSession {
  readonly id: LinkId
  readonly dialled: boolean
  readonly access: Access
  readonly auth: Uint8Array
  readonly openedAtMs: number
  state: LinkState = 'greeting'
  hello: MessageOf<'hello'> | null = null
  heardAtMs: number
  pingedAtMs = 0
  /** While contending: the older link that is being pinged, how many frames it had sent by then, and the frames that wait. */
  contest: { readonly older: LinkId; readonly framesHeard: number; readonly sinceMs: number } | null = null
  deferred: Uint8Array[] = []
  waiting: readonly Message[] = []
  /** Nothing about it is due before, unless something happens to it (link-work.ts). */
  restUntilMs = -Infinity
  verifiedAtMs = 0
  /** Where the rotation of content verification stands. */
  verifyAfter: DocKey | null = null
  /** Documents whose VERIFY the peer has not answered yet: only these it may COMPARE. */
  verifying: Set<DocKey> | null = null
  /** Documents that this side sent COMPARE for, and waits for STATE: with the two contents that differ (verifier.ts). */
  comparing: Map<DocKey, string> | null = null
  /** What the network had not taken when the link was last tended. */
  unsentBefore = 0
  /** The refusal told last for the message at hand: rows of one document that are refused together are told once. */
  refusedLast = ''
  documentsReceived = 0
  bytesReceived = 0
  readonly channels = new Map<ScopeText, Channel>()
  readonly byPeerNumber = new Map<number, Channel>()
  /** The peer's numbers of channels that either side has shut. */
  shutNumbers: Set<number> | null = null
  /** Scopes that the peer opened and I did not, by its number: they pair when I subscribe. */
  unpaired: Map<number, MessageOf<'open'>> | null = null
  diffParts: Map<string, { bytes: Uint8Array[]; size: number }> | null = null
  #nextChannel = 0
  #nextRound = 1
  /** Frames read so far: each frame's checksum covers its number. */
  framesIn = 0
  #framesOut = 0
  #out: Uint8Array[] = []
  #outBytes = 0
  readonly #docsIn = new Map<number, NonNullable<DocRef['fresh']>>()
  /** In the order in which their aliases were given. */
  readonly #docsOut = new Map<DocKey, { readonly ref: DocRef; readonly docEpoch: number }>()
  #nextDocAlias = 0
  #originsIn: Map<number, EpochNonce> | null = null
  /** By number, of one generation: 1 where the peer knows it. */
  #originsOut = NO_ORIGINS
  #originGeneration = 0
  readonly #shared: SharedByLinks
  readonly #options: LinkOptions

  constructor(id: LinkId, options: LinkOptions, nowMs: number, shared: SharedByLinks) {
    this.id = id
    this.#shared = shared
    this.dialled = options.dialled
    this.access = options.access ?? FULL_ACCESS
    this.auth = options.auth ?? NO_AUTH
    this.#options = options
    this.openedAtMs = nowMs
    this.heardAtMs = nowMs
  }

  /** Bytes that the socket has accepted and not sent yet. */
  buffered(): number {
    return this.#options.buffered?.() ?? 0
  }

  /** That the peer opened, whether they pair or wait. */
  get scopesOpened(): number {
    return this.byPeerNumber.size + (this.unpaired?.size ?? 0)
  }

  get live(): boolean {
    return this.state === 'live'
  }

  /** False when the event does not fit the state: the peer's fault. */
  advance(event: LinkEvent): boolean {
    const next = step<LinkState, LinkEvent>(linkTable, this.state, event)
    if (next === 'refuse') return false
    this.state = next
    return true
  }

  nextChannelNumber(): number {
    return this.#nextChannel++
  }

  nextRound(): number {
    return this.#nextRound++
  }

  send(message: Message): void {
    if (this.state === 'closed') return
    this.sendEncoded(encodeMessage(message))
  }

  /** As send, of a message with its tag and length. */
  sendEncoded(bytes: Uint8Array): void {
    if (this.state === 'closed') return
    if (this.#out.length === 0) this.#shared.work.talks(this)
    this.#out.push(bytes)
    this.#outBytes += bytes.length
  }

  /** Bytes waiting here and in the socket: what the pump and the diff server look at before they produce more. */
  queuedBytes(): number {
    return this.#outBytes + this.buffered()
  }

  /** Everything said since the last call, as few frames as the frame limit allows. */
  takeFrames(): Uint8Array[] {
    const frames: Uint8Array[] = []
    let group: Uint8Array[] = []
    let size = 0
    for (const message of this.#out) {
      if (
        group.length > 0 &&
        (size + message.length > LIMITS.nativeFrameBytesMax - FRAME_OVERHEAD_BYTES || group.length >= LIMITS.messagesPerFrameMax)
      ) {
        frames.push(encodeFrame(group, this.#framesOut++))
        group = []
        size = 0
      }
      group.push(message)
      size += message.length
    }
    if (group.length > 0) frames.push(encodeFrame(group, this.#framesOut++))
    this.#out = []
    this.#outBytes = 0
    return frames
  }

  /** Alias of a document in this direction, for one epoch (null: where that says nothing); its first use carries the name. Old numbers are given anew above the
   *  bound. */
  docRef(key: DocKey, doc: DocId, docEpoch: number | null): DocRef {
    const known = this.#docsOut.get(key)
    if (known !== undefined && (docEpoch === null || known.docEpoch === docEpoch)) return known.ref
    const alias = this.#nextDocAlias
    this.#nextDocAlias = (alias + 1) % LIMITS.aliasesPerLinkMax
    this.#docsOut.delete(key)
    // All numbers were given since: who had this one is the oldest.
    for (const [oldest, { ref }] of this.#docsOut) {
      if (ref.alias === alias) this.#docsOut.delete(oldest)
      break
    }
    const epoch = docEpoch ?? 0
    this.#docsOut.set(key, { ref: { alias, fresh: null }, docEpoch: epoch })
    return { alias, fresh: { doc, epoch } }
  }

  /** The alias of a document in one epoch, where the peer knows it. */
  knownAlias(key: DocKey, docEpoch: number): number | null {
    const known = this.#docsOut.get(key)
    return known?.docEpoch === docEpoch ? known.ref.alias : null
  }

  /** Null when the alias was never introduced. */
  resolveDoc(ref: DocRef): DocId | null {
    return this.resolveEpoch(ref)?.doc ?? null
  }

  /** As resolveDoc, with the document epoch that the reference speaks of. */
  resolveEpoch({ alias, fresh }: DocRef): { readonly doc: DocId; readonly epoch: number } | null {
    if (fresh === null) return this.#docsIn.get(alias) ?? null
    if (alias >= LIMITS.aliasesPerLinkMax || fresh.epoch > DOC_EPOCH_MAX) return null
    this.#docsIn.set(alias, fresh)
    return fresh
  }

  originRef(origin: EpochNonce): OriginRef {
    const alias = this.#shared.origins.of(origin)
    if (this.#knowsOrigin(alias)) return { alias, fresh: null }
    if (alias >= this.#originsOut.length) this.#growOrigins(alias)
    this.#originsOut[alias] = 1
    return { alias, fresh: origin }
  }

  /** Whether the peer knows all these numbers of origins, but for those at the indexes `except` (ascending). */
  knowsOrigins(numbers: readonly number[], except: readonly number[]): boolean {
    let skipped = 0
    for (let i = 0; i < numbers.length; i++) {
      if (except[skipped] === i) skipped++
      else if (!this.#knowsOrigin(numbers[i]!)) return false
    }
    return true
  }

  #knowsOrigin(alias: number): boolean {
    const { generation } = this.#shared.origins
    if (generation !== this.#originGeneration) {
      this.#originGeneration = generation
      this.#originsOut.fill(0)
    }
    return alias < this.#originsOut.length && this.#originsOut[alias] === 1
  }

  #growOrigins(alias: number): void {
    const grown = new Uint8Array(Math.max(16, 2 * alias))
    grown.set(this.#originsOut)
    this.#originsOut = grown
  }

  resolveOrigin(ref: OriginRef): EpochNonce | null {
    if (ref.fresh === null) return this.#originsIn?.get(ref.alias) ?? null
    if (ref.alias >= LIMITS.aliasesPerLinkMax) return null
    this.#originsIn ??= new Map()
    this.#originsIn.set(ref.alias, ref.fresh)
    return ref.fresh
  }
}
