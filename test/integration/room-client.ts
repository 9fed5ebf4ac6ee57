// Clients of the y-websocket door: the unmodified npm package, and a bare WebSocket that shows every frame. Read by the integration, compat and chaos tests.

import { WebSocket, type ClientOptions } from 'ws'
import { WebsocketProvider } from 'y-websocket'
import * as Y from 'yjs'
import * as codec from '../../packages/relay/src/y-websocket-codec.ts'

export interface StockClient {
  readonly doc: Y.Doc
  readonly provider: WebsocketProvider
  readonly text: Y.Text
  destroy(): void
}

/** The stock provider over ws, without BroadcastChannel, which in one process would sync without any server. */
export function stockClient(
  url: string,
  room: string,
  doc: Y.Doc = new Y.Doc(),
  options: { maxBackoffTime?: number; params?: Record<string, string> } = {},
): StockClient {
  const provider = new WebsocketProvider(url, room, doc, {
    disableBc: true,
    WebSocketPolyfill: WebSocket as unknown as typeof globalThis.WebSocket,
    ...options,
  })
  return {
    doc,
    provider,
    text: doc.getText('body'),
    destroy() {
      provider.destroy()
      doc.destroy()
    },
  }
}

/** Resolves when the provider is synced. */
export function synced(client: StockClient): Promise<void> {
  if (client.provider.synced) return Promise.resolve()
  return new Promise((resolve) => {
    const heard = (state: boolean): void => {
      if (!state) return
      client.provider.off('sync', heard)
      resolve()
    }
    client.provider.on('sync', heard)
  })
}

/** Resolves when the provider has that connection status. */
export function connectionIs(client: StockClient, wanted: 'connected' | 'disconnected'): Promise<void> {
  if (client.provider.wsconnected === (wanted === 'connected')) return Promise.resolve()
  return new Promise((resolve) => {
    const heard = ({ status }: { status: string }): void => {
      if (status !== wanted) return
      client.provider.off('status', heard)
      resolve()
    }
    client.provider.on('status', heard)
  })
}

/** Resolves when `holds` of a document, looked at after each of its updates. */
export function docWhere(doc: Y.Doc, holds: () => boolean): Promise<void> {
  return eventWhere(
    (listener) => doc.on('update', listener),
    (listener) => doc.off('update', listener),
    holds,
  )
}

/** Resolves when `holds` of the others' presence, looked at after each change. */
export function awarenessWhere(client: StockClient, holds: (states: Map<number, Record<string, unknown>>) => boolean): Promise<void> {
  const { awareness } = client.provider
  return eventWhere(
    (listener) => awareness.on('change', listener),
    (listener) => awareness.off('change', listener),
    () => holds(awareness.getStates()),
  )
}

function eventWhere(on: (listener: () => void) => void, off: (listener: () => void) => void, holds: () => boolean): Promise<void> {
  if (holds()) return Promise.resolve()
  return new Promise((resolve) => {
    const listener = (): void => {
      if (!holds()) return
      off(listener)
      resolve()
    }
    on(listener)
  })
}

export interface Closed {
  readonly code: number
  readonly reason: string
}

/** A WebSocket that keeps every message it was sent. */
export class BareClient {
  readonly socket: WebSocket
  readonly opened: Promise<void>
  readonly closed: Promise<Closed>
  readonly messages: codec.RoomMessage[] = []
  private readonly waiting = new Set<() => void>()
  private end: Closed | null = null
  /** Called with each message as it arrives, before anything else happens. */
  onMessage: (message: codec.RoomMessage) => void = () => undefined

  constructor(url: string, options: ClientOptions & { subprotocols?: string[] } = {}) {
    const { subprotocols, ...rest } = options
    this.socket = new WebSocket(url, subprotocols ?? [], { perMessageDeflate: false, ...rest })
    this.opened = new Promise((resolve, reject) => {
      this.socket.once('open', resolve)
      this.socket.once('error', reject)
    })
    this.opened.catch(() => undefined)
    this.socket.on('error', () => undefined)
    this.closed = new Promise((resolve) => {
      this.socket.once('close', (code, reason) => {
        this.end = { code, reason: reason.toString() }
        for (const check of this.waiting) check()
        resolve(this.end)
      })
    })
    this.socket.on('message', (data) => {
      const frame = codec.readFrame(new Uint8Array(data as Buffer))
      if ('problem' in frame) throw new Error(`the relay sent ${frame.problem}`)
      for (const message of frame.messages) {
        this.onMessage(message)
        this.messages.push(message)
      }
      for (const check of this.waiting) check()
    })
  }

  send(frame: Uint8Array): void {
    this.socket.send(frame)
  }

  /** Resolves with the first message, sent already or later, that `matches`; rejects when the connection ends before. */
  messageWhere(matches: (message: codec.RoomMessage) => boolean): Promise<codec.RoomMessage> {
    return new Promise((resolve, reject) => {
      const check = (): void => {
        const found = this.messages.find(matches)
        if (found === undefined && this.end === null) return
        this.waiting.delete(check)
        if (found === undefined) reject(new Error(`closed with ${this.end!.code} ${this.end!.reason}`))
        else resolve(found)
      }
      this.waiting.add(check)
      check()
    })
  }

  /** The echo of exactly these bytes. */
  echoOf(update: Uint8Array): Promise<codec.RoomMessage> {
    return this.messageWhere((message) => message.kind === 'update' && Buffer.from(message.update).equals(update))
  }

  terminate(): void {
    this.socket.terminate()
  }
}

/** What an upgrade that is refused is answered: HTTP status and words. */
export function refusedUpgrade(
  url: string,
  options: ClientOptions = {},
  subprotocols: string[] = [],
): Promise<{ status: number; words: string }> {
  const socket = new WebSocket(url, subprotocols, options)
  return new Promise((resolve, reject) => {
    socket.on('open', () => {
      socket.terminate()
      reject(new Error('the upgrade was accepted'))
    })
    socket.on('error', reject)
    socket.on('unexpected-response', (_, response) => {
      let words = ''
      response.setEncoding('utf8').on('data', (text: string) => (words += text))
      response.on('end', () => resolve({ status: response.statusCode ?? 0, words }))
    })
  })
}

/** An update that inserts `text` as a new writer, and its bytes. */
export function freshUpdate(text: string, clientId?: number): Uint8Array {
  const doc = new Y.Doc()
  if (clientId !== undefined) doc.clientID = clientId
  doc.getText('body').insert(0, text)
  return Y.encodeStateAsUpdate(doc)
}

/** (client, clock) of every id that an update brings, as "client:clock". */
export function idsOf(update: Uint8Array): string[] {
  return Y.decodeUpdate(update).structs.flatMap(({ id, length }) =>
    Array.from({ length }, (_, offset) => `${id.client}:${id.clock + offset}`),
  )
}
