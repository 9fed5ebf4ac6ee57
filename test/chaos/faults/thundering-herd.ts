// C20: a relay dies with hundreds of clients linked, which all write on, and all come back at once. Rules: RS-1, CV-2, DU-1.

import { dial, nodeClock, nodeCompression, nodeRandom, type Dial } from '@syncline/replica/ws'
import { DEFAULT_SPACE, parseDocId } from '@syncline/protocol'
import { Replica, type OpenDocument } from '@syncline/replica'
import { createMemoryStore } from '@syncline/store/memory'
import { residentMib } from '../process-memory.ts'
import { verdict, type Scenario } from '../scenario.ts'
import type { Scene } from '../scene.ts'

const CLIENTS = 500
const BOARDS = 5
const SYNCED_MS_MAX = 60_000
const MIB_MAX = 600

export const thunderingHerd: Scenario = {
  id: 'thundering-herd',
  fault: 'all clients of a relay reconnect at once',
  how: `kill -9 of a relay with ${CLIENTS} native clients, each writes while it is gone, then a start on the same port and folder`,
  expected: `all ${CLIENTS} have the edits of all within 60 s of the start, with the usual backoff; every edit is acknowledged; the relay stays under ${MIB_MAX} MiB`,
  deadlineMs: 180_000,
  async run(scene) {
    const folder = scene.subfolder('data')
    let relay = await scene.relay(folder)
    const clients = Array.from({ length: CLIENTS }, (_, index) => new HerdClient(relay.url, index))
    scene.atEnd(() => Promise.all(clients.map((client) => client.close())))
    for (const client of clients) client.write('first')
    const firstMs = await allEqual(scene, clients, 'first')
    scene.report(`${CLIENTS} clients connected and equal after ${Math.round(firstMs)} ms`)
    await relay.end('SIGKILL')
    await scene.until('all are cut', () => clients.every((client) => !client.isLinked), 20_000)
    for (const client of clients) client.write('second')
    relay = await scene.relay(folder, { port: relay.port })
    let mib = 0
    const stop = nodeClock().every(200, () => (mib = Math.max(mib, residentMib(relay.pid) ?? 0)))
    const againMs = await allEqual(scene, clients, 'second')
    stop()
    const problems = mib > MIB_MAX ? [`the relay took ${mib.toFixed(0)} MiB`] : []
    return verdict(
      `${CLIENTS} clients equal ${(againMs / 1000).toFixed(1)} s after the restart with ${CLIENTS} edits made meanwhile, all acknowledged; relay at most ${mib === 0 ? '(not measured here)' : mib.toFixed(0)} MiB`,
      problems,
    )
  },
}

async function allEqual(scene: Scene, clients: readonly HerdClient[], round: string): Promise<number> {
  return scene.until(
    `all ${clients.length} clients are acknowledged and have all edits of the ${round} round`,
    () =>
      clients.every((client) => client.isSaved) &&
      clients.every((client) => client.count(round) === Math.ceil((CLIENTS - client.board) / BOARDS)),
    SYNCED_MS_MAX,
  )
}

/** A native replica in memory with one document open, which it shares with a hundred others. */
class HerdClient {
  readonly board: number
  isLinked = false
  readonly #index: number
  readonly #replica: Replica
  readonly #dial: Dial
  readonly #open: OpenDocument
  #savedSeq = 0
  #ackedSeq = 0

  constructor(url: string, index: number) {
    this.#index = index
    this.board = index % BOARDS
    const store = createMemoryStore({ space: DEFAULT_SPACE, random: nodeRandom })
    const doc = parseDocId(`board/${this.board}`)
    const interests = [{ kind: 'document', doc } as const]
    this.#replica = new Replica({ store, role: 'device', clock: nodeClock(), random: nodeRandom, compression: nodeCompression, interests })
    this.#replica.onEvent((event) => {
      if (event.type === 'link-live') this.isLinked = true
      if (event.type === 'link-ended') this.isLinked = false
      if (event.type === 'acked') this.#ackedSeq = Math.max(this.#ackedSeq, event.seq)
    })
    this.#open = this.#replica.openDocument(doc)
    this.#dial = dial(this.#replica, { url })
  }

  write(round: string): void {
    this.#savedSeq = Infinity
    this.#open.doc.getMap(round).set(String(this.#index), true)
    void this.#open.saved().then((seq) => (this.#savedSeq = seq))
  }

  get isSaved(): boolean {
    return this.#ackedSeq >= this.#savedSeq
  }

  count(round: string): number {
    return this.#open.doc.getMap(round).size
  }

  async close(): Promise<void> {
    await this.#dial.close()
    await this.#replica.close()
  }
}
