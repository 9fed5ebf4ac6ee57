// The unmodified npm package @y/websocket 4 with its Yjs 14 as a kind of client, and what it may call confirmed. Over ws, so that a test can cut the line.
// 4.0.0-3, the newest that is published, shows no confirmed state; what is built on it keeps one from the content ids of Yjs 14: those of own updates wait
// until the server sends them back. That is done here, outside the provider, by listening to its document and its socket.

import * as Y from '@y/y'
import { WebsocketProvider } from '@y/websocket'
import { WebSocket } from 'ws'
import * as codec from '../../packages/relay/src/y-websocket-codec.ts'

/** What of the provider is used. */
export interface Provider4 {
  readonly synced: boolean
  readonly wsconnected: boolean
  readonly shouldConnect: boolean
  readonly ws: WebSocket | null
  readonly awareness: {
    readonly clientID: number
    getStates(): Map<number, Record<string, unknown>>
    setLocalStateField(name: string, value: unknown): void
    on(event: 'change', listener: () => void): void
  }
  connect(): void
  disconnect(): void
  destroy(): void
  on(event: string, listener: () => void): void
}

export interface Client4 {
  readonly doc: Y.Doc
  readonly text: Y.Type
  readonly provider: Provider4
  /** Whether own updates were not sent back yet. */
  readonly unconfirmed: boolean
  /** Called in the turn in which the last own update was sent back. */
  onConfirmed: () => void
  /** Close codes of its connections so far. */
  readonly closings: number[]
  /** How often it was told that it may not do something. */
  readonly denials: number
  /** Resolves when `holds`, looked at after everything that happens to the client. */
  until(holds: () => boolean): Promise<void>
  destroy(): void
}

export function client4(url: string, room: string, options: { readonly doc?: Y.Doc; readonly token?: string } = {}): Client4 {
  const { doc = new Y.Doc(), token } = options
  const watchers = new Set<() => void>()
  const look = (): void => watchers.forEach((watcher) => watcher())
  const closings: number[] = []
  let denials = 0
  let unconfirmed = Y.createContentIds()
  doc.on('update', (update: Uint8Array, origin: unknown) => {
    if (origin !== provider) unconfirmed = Y.mergeContentIds([unconfirmed, Y.createContentIdsFromUpdate(update)])
  })
  const heard = (bytes: Uint8Array): void => {
    const frame = codec.readFrame(bytes)
    for (const message of 'messages' in frame ? frame.messages : []) {
      if (message.kind === 'update') sentBack(new Uint8Array(message.update))
      else if (message.kind === 'foreign' && message.type === 2) denials++
    }
    look()
  }
  const sentBack = (update: Uint8Array): void => {
    const waited = client.unconfirmed
    unconfirmed = Y.excludeContentIds(unconfirmed, Y.createContentIdsFromUpdate(update))
    if (waited && !client.unconfirmed) client.onConfirmed()
  }
  class HeardWebSocket extends WebSocket {
    constructor(address: string) {
      super(address)
      this.on('message', (data) => heard(new Uint8Array(data as ArrayBuffer)))
      this.on('close', (code) => {
        closings.push(code)
        look()
      })
      this.on('error', () => undefined)
    }
  }
  const provider = new WebsocketProvider(url, room, doc, {
    disableBc: true,
    maxBackoffTime: 200,
    WebSocketPolyfill: HeardWebSocket as unknown as typeof globalThis.WebSocket,
    ...(token === undefined ? {} : { params: { token } }),
  }) as unknown as Provider4
  for (const event of ['sync', 'status']) provider.on(event, look)
  provider.awareness.on('change', look)
  doc.on('update', look)
  const client: Client4 = {
    doc,
    text: doc.get('body'),
    provider,
    onConfirmed: () => undefined,
    closings,
    get denials() {
      return denials
    },
    get unconfirmed() {
      return !unconfirmed.inserts.isEmpty() || !unconfirmed.deletes.isEmpty()
    },
    until: (holds) =>
      new Promise((resolve) => {
        const watcher = (): void => {
          if (!holds()) return
          watchers.delete(watcher)
          resolve()
        }
        watchers.add(watcher)
        watcher()
      }),
    destroy() {
      provider.destroy()
      doc.destroy()
    },
  }
  return client
}

/** The words of a Yjs 14 text: `toString()` of one shows formats too. */
export function wordsOf(text: Y.Type): string {
  return text.toArray().join('')
}
