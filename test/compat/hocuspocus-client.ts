// Unmodified Hocuspocus providers, version 4 and 3, as one kind of client, and what a test waits for of them. Over ws, so that a test can cut the line.

import * as four from '@hocuspocus/provider'
import * as three from 'hocuspocus-provider-3'
import { WebSocket } from 'ws'
import * as Y from 'yjs'

export type ProviderVersion = 3 | 4
export const providerVersions: readonly ProviderVersion[] = [4, 3]

export type Socket = four.HocuspocusProviderWebsocket
export type Provider = four.HocuspocusProvider

export interface ClientOptions {
  readonly version?: ProviderVersion
  readonly token?: string | (() => string)
  readonly doc?: Y.Doc
  /** Shared by several clients; default: one of its own. */
  readonly socket?: Socket
  readonly sessionAwareness?: boolean
}

export interface Client {
  readonly doc: Y.Doc
  readonly text: Y.Text
  readonly provider: Provider
  readonly socket: Socket
  readonly denials: string[]
  readonly scopes: string[]
  readonly stateless: string[]
  /** Resolves when `holds`, looked at after every event of the provider and every change of its document. */
  until(holds: () => boolean): Promise<void>
  /** Cuts the line without a word. */
  cut(): void
  destroy(): void
}

/** A provider takes its listeners off before it closes a socket that still connects, and ws throws an error that nobody hears. */
class HeardWebSocket extends WebSocket {
  constructor(url: string) {
    super(url)
    this.on('error', () => undefined)
  }
}

export function socketTo(url: string, version: ProviderVersion = 4, more: { messageReconnectTimeout?: number } = {}): Socket {
  const options = { url, WebSocketPolyfill: HeardWebSocket, delay: 100, minDelay: 50, maxDelay: 200, ...more }
  return version === 4
    ? new four.HocuspocusProviderWebsocket(options)
    : (new three.HocuspocusProviderWebsocket(options) as unknown as Socket)
}

export function clientOf(url: string, name: string, options: ClientOptions = {}): Client {
  const { version = 4, token = 'token', doc = new Y.Doc() } = options
  const socket = options.socket ?? socketTo(url, version)
  const given = {
    websocketProvider: socket,
    name,
    document: doc,
    token,
    ...(options.sessionAwareness === true ? { sessionAwareness: true } : {}),
  }
  const provider =
    version === 4
      ? new four.HocuspocusProvider(given)
      : (new three.HocuspocusProvider(given as unknown as three.HocuspocusProviderConfiguration) as unknown as Provider)
  const watchers = new Set<() => void>()
  const look = (): void => watchers.forEach((watcher) => watcher())
  const client: Client = {
    doc,
    text: doc.getText('body'),
    provider,
    socket,
    denials: [],
    scopes: [],
    stateless: [],
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
    cut: () => (socket.webSocket as unknown as WebSocket).terminate(),
    destroy() {
      provider.destroy()
      if (options.socket === undefined) socket.destroy()
      doc.destroy()
    },
  }
  provider.on('authenticationFailed', ({ reason }: { reason: string }) => client.denials.push(reason))
  provider.on('authenticated', ({ scope }: { scope: string }) => client.scopes.push(scope))
  provider.on('stateless', ({ payload }: { payload: string }) => client.stateless.push(payload))
  for (const event of [
    'synced',
    'status',
    'close',
    'authenticated',
    'authenticationFailed',
    'unsyncedChanges',
    'awarenessChange',
    'stateless',
  ])
    provider.on(event, look)
  doc.on('update', look)
  provider.attach()
  return client
}

/** Synced, and everything is called saved. */
export function saved(client: Client): Promise<void> {
  return client.until(() => client.provider.synced && !client.provider.hasUnsyncedChanges)
}

export function textIs(client: Client, text: string): Promise<void> {
  return client.until(() => client.text.toString() === text)
}
