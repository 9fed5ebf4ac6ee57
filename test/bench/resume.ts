// A client that was away for half of a long ingest, while compaction runs, resumes by cursor. Prints rate, sweeps and how the client was served.

import { join } from 'node:path'
import { parseDocId } from '@syncline/protocol'
import { dial, listen, nodeClock, nodeRandom } from '@syncline/replica/ws'
import * as Y from 'yjs'
import { benchReplica, until } from './bench-replica.ts'
import { temporaryFolder } from './clean-up.ts'
import type { Figure, Progress } from './report.ts'

const DOCUMENTS = 20
const PER_TURN = 40

export async function resumeAfterIngest(minutes: number, progress: Progress): Promise<Figure[]> {
  const folder = temporaryFolder()
  let sweeps = 0
  let reconciliations = 0
  const relay = await benchReplica(join(folder.path, 'relay.db'), { onEvent: (event) => void (event.type === 'swept' && sweeps++) })
  const client = await benchReplica(join(folder.path, 'client.db'))
  const watch = (event: { type: string }): void => void (event.type === 'reconcile' && reconciliations++)
  const listener = await listen(relay, { host: '127.0.0.1', port: 0 })
  const connect = (): ReturnType<typeof dial> =>
    dial(client, { url: `ws://127.0.0.1:${listener.port}`, clock: nodeClock(), random: nodeRandom })
  try {
    let link = connect()
    await until(() => client.status().peers.some((peer) => peer.synced), 10_000, 'first sync')
    relay.onEvent(watch)
    client.onEvent(watch)
    const totalMs = minutes * 60_000
    const started = performance.now()
    let away = false
    let back = false
    let written = 0
    const writers = Array.from({ length: DOCUMENTS }, (_, i) => typist(`doc/${i}`))
    while (performance.now() - started < totalMs) {
      const elapsed = performance.now() - started
      if (!away && elapsed > totalMs * 0.25) {
        await link.close()
        away = true
      }
      if (!back && elapsed > totalMs * 0.75) {
        link = connect()
        back = true
      }
      await Promise.all(writers.map((writer) => writer(relay, PER_TURN)))
      written += DOCUMENTS * PER_TURN
      if (written % (DOCUMENTS * PER_TURN * 200) === 0)
        progress(`resume: ${Math.round(elapsed / 1000)} s, ${written} updates, ${sweeps} sweeps`)
    }
    const rate = written / ((performance.now() - started) / 1000)
    const catchUpMs = await until(() => client.root === relay.root, 120_000, 'client equal')
    await link.close()
    return [
      { name: `ingest for ${minutes} min`, value: Math.round(rate), unit: 'updates/s' },
      { name: 'compaction sweeps meanwhile', value: sweeps, unit: '' },
      { name: 'reconciliations when the client came back', value: reconciliations, unit: '', bound: 0 },
      { name: 'client equal after the last write', value: Math.round(catchUpMs), unit: 'ms' },
    ]
  } finally {
    await client.close()
    await relay.close()
    await listener.close()
    folder.remove()
  }
}

/** Types into one document through one guest; each call commits `count` updates. */
function typist(name: string): (replica: Awaited<ReturnType<typeof benchReplica>>, count: number) => Promise<void> {
  const doc = new Y.Doc()
  const updates: Uint8Array[] = []
  doc.on('update', (update: Uint8Array) => void updates.push(update))
  const text = doc.getText('body')
  return async (replica, count) => {
    for (let i = 0; i < count; i++) {
      if (text.length > 2_000) text.delete(0, 1_000)
      else text.insert(text.length, 'x')
    }
    const guest = replica.attachGuest(parseDocId(name), { deliver() {}, presence() {}, ping() {}, close() {}, buffered: () => 0 })
    await Promise.all(updates.splice(0).map((update) => guest.write(update)))
    guest.detach()
  }
}
