// A client of syncline.1 that keeps no documents: it opens the scope of one document and says that it has nothing, sends each update as an entry of its log in a frame of its
// own, acknowledges what it is sent as often as a replica whose commits take ACK_EVERY_MS, and never verifies. On the codec of @syncline/protocol, so every frame is checked.

import { randomBytes } from 'node:crypto'
import {
  decodeFrame,
  DEFAULT_SPACE,
  encodeFrame,
  encodeMessage,
  epochNonceFromBytes,
  frameUpdates,
  LIMITS,
  parseDocId,
  replicaIdFromBytes,
  ZERO_DIGEST,
  type DocId,
  type Message,
} from '@syncline/protocol'
import { inflateRawSync } from 'node:zlib'
import type { Session, SessionPort } from './dialect.ts'

const ACK_EVERY_MS = 10
const owing = new Set<NativeSession>()
let ackTimer: NodeJS.Timeout | null = null

export function nativeSession(doc: string, port: SessionPort): Session {
  return new NativeSession(parseDocId(doc), port)
}

class NativeSession implements Session {
  private readonly doc: DocId
  private readonly port: SessionPort
  private readonly nonce = epochNonceFromBytes(randomBytes(8))
  private framesIn = 0
  private framesOut = 0
  private relayChannel = -1
  private seq = 0
  private acknowledged = 0
  private receivedSeq = 0
  private acked = 0
  private diff: Uint8Array[] = []
  private ready = false

  constructor(doc: DocId, port: SessionPort) {
    this.doc = doc
    this.port = port
  }

  opened(): void {
    this.say({
      ...{ kind: 'hello', versionMin: 1, versionMax: 1, features: 1, space: DEFAULT_SPACE, replicaId: replicaIdFromBytes(randomBytes(16)) },
      ...{ nonce: this.nonce, role: 'device', durability: 'process', window: LIMITS.windowBytes, auth: new Uint8Array(0) },
    })
    this.say({ kind: 'open', channel: 0, scope: `=${this.doc}`, root: ZERO_DIGEST, documents: 0, head: 0, cursor: null })
  }

  received(bytes: Buffer, start: number, end: number): void {
    const frame = decodeFrame(bytes.subarray(start, end), this.framesIn++)
    if (!frame.ok) throw new Error(`${frame.code}: ${frame.reason}`)
    for (const message of frame.messages) this.handle(message)
  }

  write(update: Uint8Array): void {
    const first = this.seq === 0
    const seq = ++this.seq
    this.say({
      kind: 'entries',
      channel: 0,
      toSeq: seq,
      rows: [
        {
          doc: { alias: 0, fresh: first ? { doc: this.doc, epoch: 0 } : null },
          origin: { alias: 0, fresh: first ? this.nonce : null },
          ...{ n: seq, kind: 'updates', bytes: frameUpdates([update]) },
        },
      ],
    })
  }

  acknowledge(): void {
    if (this.receivedSeq <= this.acked) return
    this.acked = this.receivedSeq
    this.say({ kind: 'ack', channel: 0, seq: this.acked })
  }

  private handle(message: Message): void {
    switch (message.kind) {
      case 'open':
        if (message.scope !== `=${this.doc}`) return
        this.relayChannel = message.channel
        return this.say({ kind: 'start', channel: 0, mode: 'equal', nonce: this.nonce, seq: 0 })
      case 'start':
        if (message.mode === 'equal') return this.isReady()
        return this.say({
          ...{ kind: 'want', channel: 0, doc: { alias: 0, fresh: { doc: this.doc, epoch: 0 } }, digest: ZERO_DIGEST },
          ...{ stateVector: Uint8Array.of(0), buckets: [] },
        })
      case 'diff':
        this.diff.push(Buffer.from(message.bytes))
        if (!message.last) return
        this.take(message.encoding === 'deflate' ? inflateRawSync(Buffer.concat(this.diff)) : Buffer.concat(this.diff))
        this.diff = []
        return this.isReady()
      case 'entries':
        for (const row of message.rows) this.take(row.bytes as Buffer)
        return this.owe(message.toSeq)
      case 'advance':
        return this.owe(message.toSeq)
      case 'ack':
        this.port.acknowledged(message.seq - this.acknowledged)
        this.acknowledged = message.seq
        return
      case 'verify':
        return this.say({ kind: 'verified', doc: { alias: 0, fresh: { doc: this.doc, epoch: 0 } }, verdict: 'skipped', range: null })
      case 'ping':
        return this.say({ kind: 'pong', token: message.token })
      case 'error':
      case 'refused':
        throw new Error(`${message.kind}: ${message.code} ${message.reason}`)
      default:
    }
  }

  private isReady(): void {
    if (this.ready) return
    this.ready = true
    this.port.ready()
    this.port.greeted()
  }

  /** Framed updates. */
  private take(framed: Buffer): void {
    let at = 0
    while (at < framed.length) {
      let length = 0
      let shift = 0
      for (;;) {
        const byte = framed[at++]!
        length |= (byte & 127) << shift
        if (byte < 128) break
        shift += 7
      }
      this.port.update(framed, at, at + length)
      at += length
    }
  }

  private owe(seq: number): void {
    this.receivedSeq = Math.max(this.receivedSeq, seq)
    owing.add(this)
    ackTimer ??= setTimeout(payAll, ACK_EVERY_MS)
  }

  private say(message: Message): void {
    this.port.send(encodeFrame([encodeMessage(message)], this.framesOut++))
  }
}

function payAll(): void {
  ackTimer = null
  for (const session of owing) session.acknowledge()
  owing.clear()
}
