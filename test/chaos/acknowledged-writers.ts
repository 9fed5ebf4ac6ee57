// Writers that know which of their edits were acknowledged: a stock y-websocket provider, by the echoes on its socket, and a native replica in memory, by the acks of
// its link. Each keeps a window of edits under way and writes again as they are acknowledged. Read by kill-relay.ts and kill-workers.ts.

import { collectionOf, DEFAULT_SPACE, isRefusal, walkUpdate, type DocId, type SpaceId } from '@syncline/protocol'
import { Replica } from '@syncline/replica'
import { dial, nodeClock, nodeCompression, nodeRandom, type Dial } from '@syncline/replica/ws'
import { createMemoryStore } from '@syncline/store/memory'
import type { WebSocket } from 'ws'
import type * as Y from 'yjs'
import * as codec from '../../packages/relay/src/y-websocket-codec.ts'
import { connectionIs, stockClient, type StockClient } from '../integration/room-client.ts'
import type { Random } from '@syncline/testing'

/** One transaction of one writer. */
export interface Edit {
  readonly space: SpaceId
  readonly doc: DocId
  /** Unique; stands in the document's array `tokens` once the edit is applied. */
  readonly token: string
  /** [client, from, to]*: ids it brought. */
  readonly ids: readonly number[]
  /** [client, from, to]*: ids it deleted. */
  readonly deletes: readonly number[]
}

export interface Writer {
  readonly link: 'native' | 'y-websocket'
  readonly space: SpaceId
  readonly acked: readonly Edit[]
  /** How many edits were sent and are not acknowledged. */
  readonly underWay: number
  /** How often its connection ended. */
  readonly losses: number
  sentAndOpen(): Edit[]
  /** Resolves when it is connected and has synced. */
  readonly ready: Promise<void>
  /** Writes, and goes on writing as acks come; `onAck` is called after each batch of acks. */
  start(onAck: () => void): void
  /** Writes nothing more; acks that still arrive count. */
  stop(): void
  /** Resolves when its connection is gone and everything that came through it was heard. */
  disconnected(): Promise<void>
  close(): Promise<void>
}

export interface WriterOptions {
  /** Of the relay; for a room of a space, with its prefix. */
  readonly url: string
  /** Default: the default one. */
  readonly space?: SpaceId
  readonly doc: DocId
  readonly name: string
  readonly window: number
  readonly random: Random
}

/** Makes one edit: a token in the array, and a change of the text, which may delete what another wrote. Returns its update. */
function edit(doc: Y.Doc, token: string, random: Random): Uint8Array {
  let made: Uint8Array | null = null
  const heard = (update: Uint8Array): void => {
    made = update
  }
  doc.on('update', heard)
  doc.transact(() => {
    doc.getArray('tokens').push([token])
    const text = doc.getText('body')
    if (text.length > 20 && random.chance(0.3)) text.delete(random.below(text.length - 3), 1 + random.below(3))
    else text.insert(random.below(text.length + 1), random.pick(['x', 'word ', 'ä', '😀']))
  })
  doc.off('update', heard)
  return made!
}

function editOf({ space = DEFAULT_SPACE, doc }: WriterOptions, token: string, update: Uint8Array): Edit {
  const facts = walkUpdate(update)
  if (isRefusal(facts)) throw new Error(`a local edit does not pass the gate: ${facts.reason}`)
  return { space, doc, token, ids: facts.structs, deletes: facts.deletes }
}

abstract class WindowWriter {
  readonly acked: Edit[] = []
  losses = 0
  protected readonly options: WriterOptions
  protected writing = false
  private count = 0
  private onAck: () => void = () => undefined

  constructor(options: WriterOptions) {
    this.options = options
  }

  get space(): SpaceId {
    return this.options.space ?? DEFAULT_SPACE
  }

  abstract readonly underWay: number
  protected abstract write(token: string): void

  start(onAck: () => void): void {
    this.onAck = onAck
    this.writing = true
    this.fill()
  }

  stop(): void {
    this.writing = false
  }

  protected acknowledged(edits: readonly Edit[]): void {
    this.acked.push(...edits)
    this.onAck()
    this.fill()
  }

  private fill(): void {
    while (this.writing && this.underWay < this.options.window) this.write(`${this.options.name}-${this.count++}`)
  }
}

export class RoomWriter extends WindowWriter implements Writer {
  readonly link = 'y-websocket'
  readonly ready: Promise<void>
  private readonly client: StockClient
  /** By the bytes of their update: the echo has the same. */
  private readonly sent = new Map<string, Edit>()

  constructor(options: WriterOptions) {
    super(options)
    this.client = stockClient(options.url, options.doc)
    const { provider } = this.client
    this.ready = new Promise((resolve) => provider.once('sync', () => resolve()))
    provider.on('status', ({ status }) => {
      if (status === 'disconnected') this.losses++
      if (status !== 'connected') return
      const socket = provider.ws as unknown as WebSocket
      socket.on('message', (data) => this.heard(new Uint8Array(data as Buffer)))
    })
  }

  get underWay(): number {
    return this.sent.size
  }

  sentAndOpen(): Edit[] {
    return [...this.sent.values()]
  }

  disconnected(): Promise<void> {
    this.client.provider.shouldConnect = false
    return connectionIs(this.client, 'disconnected')
  }

  async close(): Promise<void> {
    this.stop()
    this.client.destroy()
  }

  protected write(token: string): void {
    const update = edit(this.client.doc, token, this.options.random)
    this.sent.set(keyOf(update), editOf(this.options, token, update))
  }

  private heard(bytes: Uint8Array): void {
    const frame = codec.readFrame(bytes)
    if ('problem' in frame) throw new Error(`the relay sent ${frame.problem}`)
    const echoed: Edit[] = []
    for (const message of frame.messages) {
      if (message.kind !== 'update') continue
      const own = this.sent.get(keyOf(message.update))
      if (own !== undefined) echoed.push(own)
      this.sent.delete(keyOf(message.update))
    }
    if (echoed.length > 0) this.acknowledged(echoed)
  }
}

function keyOf(update: Uint8Array): string {
  return Buffer.from(update).toString('latin1')
}

export class NativeWriter extends WindowWriter implements Writer {
  readonly link = 'native'
  readonly ready: Promise<void>
  private readonly replica: Replica
  private readonly dialled: Dial
  private readonly doc: Y.Doc
  private readonly ended: Promise<void>
  private readonly release: () => Promise<void>
  private readonly saved: () => Promise<number>
  /** In the order in which they were made; `seq` once it is known. */
  private sent: { readonly edit: Edit; seq: number }[] = []

  constructor(options: WriterOptions) {
    super(options)
    const store = createMemoryStore({ space: options.space ?? DEFAULT_SPACE, random: nodeRandom })
    const interests = [{ kind: 'collection', collection: collectionOf(options.doc) } as const]
    this.replica = new Replica({ store, role: 'device', clock: nodeClock(), random: nodeRandom, compression: nodeCompression, interests })
    const opened = this.replica.openDocument(options.doc)
    this.doc = opened.doc
    this.saved = () => opened.saved()
    this.release = () => opened.release()
    this.ended = new Promise((resolve) => {
      this.replica.onEvent((event) => {
        if (event.type !== 'link-ended') return
        this.losses++
        resolve()
      })
    })
    this.ready = new Promise((resolve) => {
      this.replica.onEvent((event) => {
        if (event.type === 'synced') resolve()
        // Only what a durable peer acknowledged counts.
        if (event.type === 'acked' && event.durability === 'disk') this.heard(event.seq)
      })
    })
    this.dialled = dial(this.replica, { url: options.url })
  }

  get underWay(): number {
    return this.sent.length
  }

  sentAndOpen(): Edit[] {
    return this.sent.map((made) => made.edit)
  }

  disconnected(): Promise<void> {
    return this.ended
  }

  async close(): Promise<void> {
    this.stop()
    await this.dialled.close()
    await this.release()
    await this.replica.close()
  }

  protected write(token: string): void {
    const made = { edit: editOf(this.options, token, edit(this.doc, token, this.options.random)), seq: Infinity }
    this.sent.push(made)
    void this.saved().then((seq) => (made.seq = seq))
  }

  private heard(seq: number): void {
    const acked = this.sent.filter((made) => made.seq <= seq)
    if (acked.length === 0) return
    this.sent = this.sent.filter((made) => made.seq > seq)
    this.acknowledged(acked.map((made) => made.edit))
  }
}
