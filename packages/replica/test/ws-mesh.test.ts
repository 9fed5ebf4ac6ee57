// Three replicas with SQLite files that all dial each other, stopped and started at random while they are edited. Seeds are fixed; MESH_SEED=n runs one of your choice.

import { parseDocId } from '@syncline/protocol'
import { expect, onTestFinished, test } from 'vitest'
import { dial, listen, type Dial, type Listener } from '../src/ws/index.ts'
import { seeded } from './core-world.ts'
import { clock, eventually, openHost, scratchFolder, sqliteStore, type Host } from './hosts.ts'

const SEEDS = process.env['MESH_SEED'] === undefined ? [1, 2] : [Number(process.env['MESH_SEED'])]
const STEPS = 150
const NODES = 3
const names = Array.from({ length: 4 }, (_, index) => parseDocId(`note/${index}`))

interface Node {
  readonly host: Host
  readonly door: Listener
  readonly dials: readonly Dial[]
}

class Mesh {
  readonly nodes: (Node | null)[] = Array.from({ length: NODES }, () => null)
  readonly #folder = scratchFolder()
  readonly #ports: number[] = []
  slowestStopMs = 0
  readonly alarms: unknown[] = []

  /** Ports are taken by listening once: the nodes must be found again after a restart. */
  async reservePorts(): Promise<void> {
    const doors = await Promise.all(Array.from({ length: NODES }, () => listen(openHost().replica, { port: 0 })))
    this.#ports.push(...doors.map((door) => door.port))
    await Promise.all(doors.map((door) => door.close()))
  }

  async start(index: number): Promise<void> {
    const host = openHost({ store: await sqliteStore(`${this.#folder}/${index}.db`), limits: { sweepEveryMs: 300 } })
    const door = await listen(host.replica, { port: this.#ports[index]! })
    const others = this.#ports.filter((_, other) => other !== index)
    const dials = others.map((port) => dial(host.replica, { url: `ws://127.0.0.1:${port}`, backoff: { firstMs: 20, maxMs: 200 } }))
    this.nodes[index] = { host, door, dials }
  }

  async stop(index: number, replicaFirst: boolean): Promise<void> {
    const node = this.nodes[index]
    if (node == null) return
    this.nodes[index] = null
    const started = clock.now()
    if (replicaFirst) await node.host.replica.close()
    await Promise.all([node.door.close(), ...node.dials.map((one) => one.close())])
    await node.host.replica.close()
    this.slowestStopMs = Math.max(this.slowestStopMs, clock.now() - started)
    const alarms = ['rejected', 'divergence', 'quarantined', 'rollback-detected', 'storage-failed', 'document-stuck']
    this.alarms.push(...node.host.events.filter(({ type }) => alarms.includes(type)), ...node.host.errors)
  }
}

test.each(SEEDS)(
  '[CV-1] three replicas that all dial each other, stopped and started at random, end equal with one link per pair (replay: MESH_SEED=%i)',
  async (seed) => {
    const bytes = seeded(seed)
    const below = (limit: number): number => bytes(1)[0]! % limit
    const mesh = new Mesh()
    await mesh.reservePorts()
    onTestFinished(async () => {
      for (let index = 0; index < NODES; index++) await mesh.stop(index, false)
    })
    for (let index = 0; index < NODES; index++) await mesh.start(index)
    for (let step = 0; step < STEPS; step++) {
      const index = below(NODES)
      if (below(20) === 0) await (mesh.nodes[index] === null ? mesh.start(index) : mesh.stop(index, below(2) === 0))
      const document = mesh.nodes[index]?.host.replica.openDocument(names[below(names.length)]!)
      if (document === undefined) continue
      const body = document.doc.getText('body')
      const at = below(body.length + 1)
      if (below(3) > 0) body.insert(at, 'ab'.repeat(1 + below(50)))
      else body.delete(at, Math.min(body.length - at, 1 + below(8)))
      if (below(3) === 0) void document.release()
      if (below(3) === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    for (let index = 0; index < NODES; index++) if (mesh.nodes[index] === null) await mesh.start(index)
    await eventually(() => {
      const shown = mesh.nodes.map((node) => names.map((name) => node!.host.replica.openDocument(name).doc.getText('body').toString()))
      for (const texts of shown) expect(texts).toEqual(shown[0])
      const peers = mesh.nodes.map((node) => node!.host.replica.status().peers.map(({ synced, lag }) => ({ synced, lag })))
      for (const ofNode of peers) expect(ofNode).toEqual(Array.from({ length: NODES - 1 }, () => ({ synced: true, lag: 0 })))
    })
    for (let index = 0; index < NODES; index++) await mesh.stop(index, true)
    expect(mesh.alarms).toEqual([])
    expect(mesh.slowestStopMs).toBeLessThan(4_000)
  },
  30_000,
)
