// Node as the client's platform: SQLite in a folder, WebSockets of ws, the system's clock and chance. The only file of this package that knows
// which storage there is.

import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { SynclineError } from '@syncline/protocol'
import { dial, listen, nodeClock, nodeCompression, nodeRandom } from '@syncline/replica/ws'
import type { Store } from '@syncline/store'
import { createMemoryStore } from '@syncline/store/memory'
import { openSqliteStore } from '@syncline/store/sqlite'
import type { Settings } from '../options.ts'
import type { Platform } from '../platform.ts'
import { onTermination } from './termination.ts'

export const nodePlatform: Platform = {
  clock: nodeClock(),
  random: nodeRandom,
  compression: nodeCompression,
  defaultFolder: (name) => join('syncline-data', name),
  openStore,
  dial: (replica, url, { auth, backoff }, onState) =>
    dial(replica, {
      url,
      backoff,
      ...(auth ? { token: (reason) => auth({ peer: url, reason }) } : {}),
      onState: ({ phase, peer, error }) => onState({ state: phase, replicaId: peer, error }),
    }),
  async listen(replica, at) {
    try {
      return await listen(replica, at)
    } catch (error) {
      throw listenError(error, at)
    }
  },
  onTermination,
}

/** One file for the space, `<folder>/<space>.db`: the layout of a relay's folder, so that the `syncline` command reads it too. */
async function openStore({ folder, space, durability }: Settings): Promise<Store> {
  if (folder === null) return createMemoryStore({ space, random: nodeRandom, now: () => nodePlatform.clock.wallMs() })
  try {
    await mkdir(folder, { recursive: true })
  } catch (cause) {
    throw new SynclineError('store-io', `The folder ${folder} cannot be made: ${cause instanceof Error ? cause.message : String(cause)}.`, {
      cause,
    })
  }
  return openSqliteStore({ path: join(folder, `${space}.db`), space, durability })
}

function listenError(error: unknown, { host, port }: { host: string; port: number }): unknown {
  const cause = error instanceof SynclineError ? error.cause : error
  const code = cause instanceof Error && 'code' in cause ? cause.code : null
  if (code === 'EADDRINUSE') return new SynclineError('port-taken', `Another program listens on ${host}:${port}.`, { cause })
  if (code === 'EACCES') return new SynclineError('port-forbidden', `This process may not listen on ${host}:${port}.`, { cause })
  return error
}
