// A replica's side of a native link, made of messages: enough of the protocol to be linked, served and acknowledged, and free to say anything else. As an observer
// it keeps all it was sent. Frames go over a RawSocket. Read by the cases, the honest pair and relay-under-attack.ts.

import { randomBytes } from 'node:crypto'
import {
  DEFAULT_SPACE,
  decodeFrame,
  encodeFrame,
  encodeMessage,
  frameUpdates,
  parseDocId,
  replicaIdFromBytes,
  epochNonceFromBytes,
  SUBPROTOCOL,
  ZERO_DIGEST,
  type DocRef,
  type EntryRow,
  type EpochNonce,
  type Message,
  type MessageKind,
  type MessageOf,
  type ReplicaId,
} from '@syncline/protocol'
import { RawSocket, type Ended } from './raw-socket.ts'

export class NativePeer {
  readonly socket: RawSocket
  readonly replicaId: ReplicaId
  readonly nonce: EpochNonce
  readonly messages: Message[] = []
  readonly ended: Promise<Ended>
  /** Answers PING, RECON and what needs an ack, as a live peer does; false: says nothing by itself. */
  reacts = true
  onMessage: (message: Message) => void = () => undefined
  #framesIn = 0
  #framesOut = 0
  #aliases = 0
  #end: Ended | null = null
  readonly #docsIn = new Map<number, string>()
  readonly #waiting = new Set<() => void>()

  constructor(socket: RawSocket, ids: { replicaId?: ReplicaId; nonce?: EpochNonce } = {}) {
    this.socket = socket
    this.replicaId = ids.replicaId ?? replicaIdFromBytes(randomBytes(16))
    this.nonce = ids.nonce ?? epochNonceFromBytes(randomBytes(8))
    socket.onBinary = (payload) => this.#received(payload)
    this.ended = socket.ended.then((end) => {
      this.#end = end
      for (const check of this.#waiting) check()
      return end
    })
  }

  /** Upgraded, and nothing said yet. */
  static async silent(port: number, ids: { replicaId?: ReplicaId; nonce?: EpochNonce } = {}): Promise<NativePeer> {
    return new NativePeer(await RawSocket.upgraded(port, '/', { subprotocol: SUBPROTOCOL }), ids)
  }

  /** Linked, and live in one scope: the relay admits what this peer sends, and serves it. */
  static async live(port: number, scope = '*'): Promise<NativePeer> {
    const peer = await NativePeer.silent(port)
    peer.say(peer.hello(), peer.open(0, scope), { kind: 'start', channel: 0, mode: 'equal', nonce: peer.nonce, seq: 0 })
    await peer.messageWhere('start')
    return peer
  }

  hello(change: Partial<MessageOf<'hello'>> = {}): MessageOf<'hello'> {
    return {
      kind: 'hello',
      versionMin: 1,
      versionMax: 1,
      features: 0,
      space: DEFAULT_SPACE,
      replicaId: this.replicaId,
      nonce: this.nonce,
      role: 'device',
      durability: 'process',
      window: 8 * 1024 * 1024,
      auth: new Uint8Array(0),
      ...change,
    }
  }

  open(channel: number, scope: string, cursor: MessageOf<'open'>['cursor'] = null): MessageOf<'open'> {
    return { kind: 'open', channel, scope, root: ZERO_DIGEST, documents: 0, head: 0, cursor }
  }

  /** A new alias for a document. */
  ref(doc: string): DocRef {
    return { alias: this.#aliases++, fresh: { doc: parseDocId(doc), epoch: 0 } }
  }

  row(doc: string, updates: readonly Uint8Array[]): EntryRow {
    return { doc: this.ref(doc), origin: { alias: 0, fresh: this.nonce }, n: 1, kind: 'updates', bytes: frameUpdates(updates) }
  }

  /** One frame. */
  say(...messages: Message[]): void {
    this.sayBytes(...messages.map(encodeMessage))
  }

  /** One frame with a checksum that fits, of messages that need not be any. */
  sayBytes(...messages: Uint8Array[]): void {
    this.socket.binary(encodeFrame(messages, this.#framesOut++))
  }

  /** Resolves with the first message of a kind, come already or still to come, that `matches`. Rejects when the link ends before. */
  messageWhere<K extends MessageKind>(kind: K, matches: (message: MessageOf<K>) => boolean = () => true): Promise<MessageOf<K>> {
    const found = (): MessageOf<K> | undefined =>
      this.messages.find((message): message is MessageOf<K> => message.kind === kind && matches(message as MessageOf<K>))
    return new Promise((resolve, reject) => {
      const check = (): void => {
        const message = found()
        if (message === undefined && this.#end === null) return
        this.#waiting.delete(check)
        if (message !== undefined) resolve(message)
        else reject(new Error(`the link ended with ${this.#end!.code} ${this.#end!.reason} before ${kind} came`))
      }
      this.#waiting.add(check)
      check()
    })
  }

  /** Resolves when the relay has handled everything said so far: it answers a PING. */
  async handled(): Promise<void> {
    const token = this.#framesOut
    this.say({ kind: 'ping', token })
    await this.messageWhere('pong', (pong) => pong.token === token)
  }

  /** The name behind a reference that the relay sent. */
  nameOf(ref: DocRef): string {
    return ref.fresh?.doc ?? this.#docsIn.get(ref.alias) ?? '?'
  }

  #received(payload: Uint8Array): void {
    const frame = decodeFrame(payload, this.#framesIn++)
    if (!frame.ok) throw new Error(`the relay sent a frame that is ${frame.code}: ${frame.reason}`)
    for (const message of frame.messages) {
      this.#noteNames(message)
      this.messages.push(message)
      this.onMessage(message)
      if (this.reacts) this.#react(message)
    }
    for (const check of this.#waiting) check()
  }

  #noteNames(message: Message): void {
    const refs = message.kind === 'entries' ? message.rows.map((row) => row.doc) : 'doc' in message ? [message.doc] : []
    for (const ref of refs) if (ref.fresh !== null) this.#docsIn.set(ref.alias, ref.fresh.doc)
  }

  #react(message: Message): void {
    if (message.kind === 'ping') this.say({ kind: 'pong', token: message.token })
    else if (message.kind === 'entries' || message.kind === 'offer') this.say({ kind: 'ack', channel: 0, seq: message.toSeq })
    else if (message.kind === 'recon') {
      const { round, from, ranges } = message
      const to = ranges.at(-1)!.to
      if (!ranges.some(({ kind }) => kind === 'items' || kind === 'fingerprint')) return
      this.say({ kind: 'recon', channel: 0, round, first: false, nonce: this.nonce, seq: 0, from, ranges: [{ to, kind: 'skip' }] })
    }
  }
}
