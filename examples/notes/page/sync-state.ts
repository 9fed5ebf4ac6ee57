// What the page knows about the relay, in words. y-websocket 3 has no message that says "committed", so the page never says "saved": it says what
// left this window and what did not.

import type { WebsocketProvider } from 'y-websocket'
import type * as Y from 'yjs'

export interface SyncState {
  readonly connection: 'connected' | 'connecting' | 'disconnected'
  /** The note as the relay has it has arrived since the connection was made. */
  readonly fetched: boolean
  /** Edits made here that were not handed to a connection. */
  readonly unsent: number
}

/** Calls `show` now and after every change. */
export function watchSync(provider: WebsocketProvider, doc: Y.Doc, show: (state: SyncState) => void): void {
  let unsent = 0
  let connection: SyncState['connection'] = 'connecting'
  const tell = (): void => show({ connection, fetched: provider.synced, unsent })
  doc.on('update', (_update: Uint8Array, origin: unknown) => {
    if (origin === provider || provider.wsconnected) return
    unsent++
    tell()
  })
  provider.on('status', ({ status }: { status: SyncState['connection'] }) => {
    connection = status
    tell()
  })
  provider.on('sync', (synced: boolean) => {
    // The handshake sent the relay everything it did not have.
    if (synced) unsent = 0
    tell()
  })
  tell()
}

export function connectionWords({ connection, fetched }: SyncState): string {
  if (connection === 'connected') return fetched ? 'Connected' : 'Connected, fetching the note'
  return connection === 'connecting' ? 'Connecting to the relay' : 'Not connected, trying again'
}

export function savedWords({ connection, fetched, unsent }: SyncState): string {
  if (unsent > 0) return `${unsent} ${unsent === 1 ? 'edit is' : 'edits are'} in this window only. Keep it open until the relay is back.`
  if (connection === 'connected' && fetched) return 'Every edit was sent to the relay.'
  return 'No unsent edits.'
}
