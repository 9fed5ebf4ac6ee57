// A replica over a real SQLite file in a temporary folder, for benchmarks.

import { DEFAULT_SPACE, parseDocId } from '@syncline/protocol'
import { Replica, type CoreLimits, type ReplicaEvent } from '@syncline/replica'
import { nodeClock, nodeCompression, nodeRandom } from '@syncline/replica/ws'
import { openSqliteStore, type SqliteDurability } from '@syncline/store/sqlite'
import * as Y from 'yjs'

export async function benchReplica(
  path: string,
  options: { durability?: SqliteDurability; onEvent?: (event: ReplicaEvent) => void; limits?: Partial<CoreLimits> } = {},
): Promise<Replica> {
  const store = await openSqliteStore({ path, space: DEFAULT_SPACE, durability: options.durability ?? 'process' })
  const onEvent = options.onEvent === undefined ? {} : { onEvent: options.onEvent }
  const limits = options.limits ?? {}
  return new Replica({ store, role: 'relay', clock: nodeClock(), random: nodeRandom, compression: nodeCompression, limits, ...onEvent })
}

/** Writes one update to each document, as a guest would, many at once. */
export async function fill(replica: Replica, names: readonly string[], update: Uint8Array): Promise<void> {
  for (let from = 0; from < names.length; from += 2_000) {
    await Promise.all(names.slice(from, from + 2_000).map((name) => writeOnce(replica, name, update)))
  }
}

export async function writeOnce(replica: Replica, name: string, update: Uint8Array): Promise<void> {
  const guest = replica.attachGuest(parseDocId(name), { deliver() {}, presence() {}, ping() {}, close() {}, buffered: () => 0 })
  const outcome = await guest.write(update)
  guest.detach()
  if (outcome.kind !== 'committed' && outcome.kind !== 'known') throw new Error(`write to ${name}: ${JSON.stringify(outcome)}`)
}

/** The same bytes for the same arguments, where a writer is given. */
export function oneEdit(text: string, writer?: number): Uint8Array {
  const doc = new Y.Doc()
  if (writer !== undefined) doc.clientID = writer
  doc.getText('body').insert(0, text)
  return Y.encodeStateAsUpdate(doc)
}

export async function until(condition: () => boolean, timeoutMs: number, what: string): Promise<number> {
  const started = performance.now()
  while (!condition()) {
    if (performance.now() - started > timeoutMs) throw new Error(`timed out: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  return performance.now() - started
}
