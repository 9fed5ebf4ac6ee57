// A relay as the admin page meets it: all of it, with its ports, its store and its doors, and whoever writes to it. Read by admin-page.test.ts.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DEFAULT_SPACE, parseDocId } from '@syncline/protocol'
import { createRelay, type Relay } from '@syncline/relay'
import { Replica, type GuestPort } from '@syncline/replica'
import { dial, nodeClock, nodeRandom } from '@syncline/replica/ws'
import { createMemoryStore } from '@syncline/store/memory'
import * as Y from 'yjs'
import type { Action, Doorman } from '../../packages/relay/src/access/access.ts'
import { openDoorman } from '../../packages/relay/src/access/open-doorman.ts'
import { updateFrame } from '../../packages/relay/src/y-websocket-codec.ts'
import { BareClient } from '../integration/room-client.ts'

const clock = nodeClock()
const noPort: GuestPort = {
  deliver: () => undefined,
  presence: () => undefined,
  ping: () => undefined,
  close: () => undefined,
  buffered: () => 0,
}

export interface AdminRelay {
  readonly relay: Relay
  /** Of the page. */
  readonly url: string
  /** Writes a document from what `edit` does to an empty one, as a further writer. Resolves when it is committed. */
  write(name: string, edit: (doc: Y.Doc) => void, space?: string): Promise<void>
  /** A y-websocket client of one room; nonsense(): sends an update that is none. */
  room(name: string): Promise<{ readonly client: BareClient; nonsense(): void }>
  /** A second relay, linked to this one. */
  link(): Replica
  stop(): Promise<void>
}

export interface Place {
  readonly folder: string
  /** Of the page; 0: any free one. */
  readonly port: number
  readonly doorman?: Doorman
  /** Several spaces, which close when nobody has used them for this time. */
  readonly spaceIdleMs?: number
}

/** A folder for stores, and the way to remove it. */
export function storeFolder(): { readonly folder: string; remove(): void } {
  const folder = mkdtempSync(join(tmpdir(), 'syncline-admin-'))
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }) }
}

/** Lets everybody in without a token, and takes from nobody what begins like this. */
export function refusing(prefix: string): Doorman {
  const may = (action: Action, doc: string): boolean => action !== 'write' || !doc.startsWith(prefix)
  // A relay that knows nobody asks no pass about native links.
  return { authenticates: true, admit: async (credentials) => ({ ...(await openDoorman.admit(credentials)), may }) }
}

export async function startRelay({ folder, port, doorman = openDoorman, spaceIdleMs }: Place): Promise<AdminRelay> {
  const many = spaceIdleMs === undefined ? {} : { spacePrefix: '/s/', insecure: true, limits: { spaceIdleMs } }
  const relay = await createRelay({ data: folder, port: 0, admin: { port }, durability: 'process', doorman, ...many })
  const closers: (() => unknown)[] = []
  return {
    relay,
    url: `${relay.adminUrl!}/`,
    async write(name, edit, space = DEFAULT_SPACE) {
      const doc = new Y.Doc()
      edit(doc)
      const { replica, release } = await relay.space(space)
      const guest = replica.attachGuest(parseDocId(name), noPort)
      const outcome = await guest.write(Y.encodeStateAsUpdate(doc))
      guest.detach()
      release()
      doc.destroy()
      if (outcome.kind !== 'committed') throw new Error(`${name}: ${JSON.stringify(outcome)}`)
    },
    async room(name) {
      const client = new BareClient(`${relay.url}/${name}`)
      closers.push(() => client.socket.terminate())
      await client.opened
      return { client, nonsense: () => client.send(updateFrame(new Uint8Array([255, 255, 255, 255]))) }
    },
    link() {
      const store = createMemoryStore({ space: DEFAULT_SPACE, random: nodeRandom })
      const peer = new Replica({ store, role: 'relay', clock, random: nodeRandom })
      const dialled = dial(peer, { url: relay.url })
      closers.push(async () => {
        await dialled.close()
        await peer.close()
      })
      return peer
    },
    async stop() {
      const closing = relay.close()
      for (const close of closers.splice(0)) await close()
      await closing
    },
  }
}
