// Unmodified clients of three kinds that go on typing while the relays behind them are restarted, and remember what each of them was told: which edits were
// acknowledged, when it was without a connection, and everything that a user would call an error. Read by rolling-restart.ts.

import { HocuspocusProvider, HocuspocusProviderWebsocket } from '@hocuspocus/provider'
import { createReplica, type DocHandle, type Replica } from '@syncline/client'
import { WebSocket } from 'ws'
import * as Y from 'yjs'
import * as codec from '../../packages/relay/src/y-websocket-codec.ts'
import { stockClient, type StockClient } from '../integration/room-client.ts'

export const CLIENT_KINDS = ['y-websocket', 'hocuspocus', 'native'] as const
export type ClientKind = (typeof CLIENT_KINDS)[number]

export interface ClientPlace {
  readonly url: string
  readonly doc: string
  readonly name: string
}

/** A close that says "come back": the relay restarts. */
const SERVICE_RESTART = 1012

export abstract class RollingClient {
  abstract readonly kind: ClientKind
  readonly place: ClientPlace
  /** Tokens of its edits, in order; each stands in the document's array `tokens`. */
  readonly made: string[] = []
  readonly acked = new Set<string>()
  readonly ackMs: number[] = []
  /** Of each time that it was without a connection that had synced. */
  readonly gapsMs: number[] = []
  /** Beyond a reconnect. */
  readonly errors: string[] = []
  readonly ready: Promise<void>
  protected readonly underWay = new Map<string, number>()
  private readonly becameReady: () => void
  private readonly watchers = new Set<() => void>()
  private goneSince: number | null = null

  constructor(place: ClientPlace) {
    this.place = place
    const { promise, resolve } = Promise.withResolvers<void>()
    this.ready = promise
    this.becameReady = resolve
  }

  protected abstract readonly doc: Y.Doc
  abstract close(): Promise<void>

  get isConnected(): boolean {
    return this.goneSince === null
  }

  /** One edit. */
  type(): void {
    const token = `${this.place.name}-${this.made.length}`
    this.made.push(token)
    this.doc.transact(() => {
      this.doc.getArray('tokens').push([token])
      this.doc.getText('body').insert(0, 'x')
    })
    this.typed(token)
  }

  protected typed(token: string): void {
    this.underWay.set(token, performance.now())
  }

  /** Resolves when `holds`, looked at after everything that it is told. */
  until(holds: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (!holds()) return
        this.watchers.delete(look)
        resolve()
      }
      this.watchers.add(look)
      look()
    })
  }

  protected acknowledged(tokens: Iterable<string>): void {
    const now = performance.now()
    for (const token of tokens) {
      const since = this.underWay.get(token)
      if (since === undefined) continue
      this.underWay.delete(token)
      this.acked.add(token)
      this.ackMs.push(now - since)
    }
    for (const look of this.watchers) look()
  }

  protected synced(): void {
    this.becameReady()
    if (this.goneSince !== null) this.gapsMs.push(performance.now() - this.goneSince)
    this.goneSince = null
    for (const look of this.watchers) look()
  }

  protected gone(code: number): void {
    if (code !== SERVICE_RESTART) this.errors.push(`the connection was closed with ${code}`)
    this.goneSince ??= performance.now()
  }
}

/** An edit counts as acknowledged when its echo comes: the relay sends it after the commit. What a reconnect delivers in one piece has no echo of its own. */
export class RoomClient extends RollingClient {
  readonly kind = 'y-websocket'
  private readonly client: StockClient
  private lastUpdate = ''
  private readonly tokenOf = new Map<string, string>()
  private isClosing = false

  constructor(place: ClientPlace) {
    super(place)
    this.client = stockClient(place.url, place.doc)
    const { provider, doc } = this.client
    doc.on('update', (update: Uint8Array, origin: unknown) => {
      if (origin !== provider) this.lastUpdate = keyOf(update)
    })
    provider.on('status', ({ status }) => {
      if (status === 'connected') (provider.ws as unknown as WebSocket).on('message', (data) => this.heard(new Uint8Array(data as Buffer)))
    })
    provider.on('sync', (isSynced: boolean) => {
      if (isSynced) this.synced()
    })
    provider.on('connection-close', (event) => {
      this.underWay.clear()
      this.tokenOf.clear()
      if (!this.isClosing) this.gone(event?.code ?? 0)
    })
    provider.on('connection-error', (event) => {
      if (!this.isClosing) this.errors.push(`the connection failed: ${(event as unknown as { message?: string }).message ?? ''}`)
    })
  }

  protected get doc(): Y.Doc {
    return this.client.doc
  }

  protected override typed(token: string): void {
    if (!this.client.provider.wsconnected) return
    super.typed(token)
    this.tokenOf.set(this.lastUpdate, token)
  }

  close(): Promise<void> {
    this.isClosing = true
    this.client.destroy()
    return Promise.resolve()
  }

  private heard(bytes: Uint8Array): void {
    const frame = codec.readFrame(bytes)
    if ('problem' in frame) return void this.errors.push(`the relay sent ${frame.problem}`)
    const echoed = frame.messages.flatMap((message) => (message.kind === 'update' ? (this.tokenOf.get(keyOf(message.update)) ?? []) : []))
    this.acknowledged(echoed)
  }
}

function keyOf(update: Uint8Array): string {
  return Buffer.from(update).toString('latin1')
}

/** The provider closes a socket that still connects, and ws then throws an error that nobody hears. */
class HeardWebSocket extends WebSocket {
  constructor(url: string) {
    super(url)
    this.on('error', () => undefined)
  }
}

/** Edits count as acknowledged when the provider has no unsynced changes left. */
export class HocuspocusClient extends RollingClient {
  readonly kind = 'hocuspocus'
  protected readonly doc = new Y.Doc()
  private readonly socket: HocuspocusProviderWebsocket
  private readonly provider: HocuspocusProvider
  private isClosing = false

  constructor(place: ClientPlace) {
    super(place)
    this.socket = new HocuspocusProviderWebsocket({ url: place.url, WebSocketPolyfill: HeardWebSocket })
    this.provider = new HocuspocusProvider({ websocketProvider: this.socket, name: place.doc, document: this.doc, token: 'none' })
    this.provider.on('synced', () => this.synced())
    this.provider.on('unsyncedChanges', ({ number }: { number: number }) => {
      if (number === 0 && this.provider.synced) this.acknowledged([...this.underWay.keys()])
    })
    this.provider.on('authenticationFailed', ({ reason }: { reason: string }) => this.errors.push(`authentication failed: ${reason}`))
    this.provider.on('close', ({ event }: { event: { code: number } }) => {
      if (!this.isClosing) this.gone(event.code)
    })
    this.provider.attach()
  }

  close(): Promise<void> {
    this.isClosing = true
    this.provider.destroy()
    this.socket.destroy()
    this.doc.destroy()
    return Promise.resolve()
  }
}

/** Edits count as acknowledged when whenSaved('relay') resolves. */
export class NativeClient extends RollingClient {
  readonly kind = 'native'
  private readonly replica: Replica
  private readonly handle: DocHandle
  private isClosing = false

  private constructor(place: ClientPlace, replica: Replica, handle: DocHandle) {
    super(place)
    this.replica = replica
    this.handle = handle
    let wasSynced = false
    replica.status.subscribe(({ synced, connection, error, rejected, diverged }) => {
      if (this.isClosing) return
      for (const problem of [error?.code, ...rejected.map(({ code }) => code), ...diverged.map(() => 'divergence')])
        if (problem !== undefined && !this.errors.includes(problem)) this.errors.push(problem)
      const isSynced = synced && connection === 'connected'
      if (isSynced) this.synced()
      else if (wasSynced) this.gone(SERVICE_RESTART)
      wasSynced = isSynced
    })
  }

  static async open(place: ClientPlace): Promise<NativeClient> {
    const { url, doc, name } = place
    const replica = createReplica({ name, storage: { kind: 'memory' }, peers: [url], subscribe: [doc] })
    return new NativeClient(place, replica, await replica.open(doc))
  }

  protected get doc(): Y.Doc {
    return this.handle.doc
  }

  protected override typed(token: string): void {
    super.typed(token)
    this.handle.whenSaved('relay').then(
      () => this.acknowledged([token]),
      (error: { code: string }) => {
        if (!this.isClosing) this.errors.push(error.code)
      },
    )
  }

  async close(): Promise<void> {
    this.isClosing = true
    await this.replica.close()
  }
}

export function openClient(kind: ClientKind, place: ClientPlace): Promise<RollingClient> {
  if (kind === 'native') return NativeClient.open(place)
  return Promise.resolve(kind === 'hocuspocus' ? new HocuspocusClient(place) : new RoomClient(place))
}
