import { parseDocId } from '@syncline/protocol'
import { expect, test, onTestFinished } from 'vitest'
import * as Y from 'yjs'
import { createServer } from 'node:net'
import { dial, listen, type Dial, type Listener } from '../src/ws/index.ts'
import { eventually, openHost, scratchFolder, sqliteStore, type Host } from './hosts.ts'
const seeds = Number(process.env.SOAK ?? 3), base = Number(process.env.SEED ?? 1)
for (let s = base; s < base + seeds; s++) test(`ws soak ${s}`, async () => {
  let st = s * 2654435761 >>> 0
  const rnd = (n: number) => { st = (Math.imul(st ^ (st >>> 15), 1 | st) + 0x6d2b79f5) >>> 0; return ((st ^ (st >>> 14)) >>> 0) % n }
  const folder = scratchFolder()
  const n = 3
  const ports: number[] = []
  for (let i = 0; i < n; i++) { const srv = createServer(); await new Promise<void>((r) => srv.listen(0, '127.0.0.1', r)); ports.push((srv.address() as any).port); await new Promise((r) => srv.close(r)) }
  const names = Array.from({ length: 4 }, (_, i) => parseDocId(`note/${i}`))
  interface N { host: Host; door: Listener; dials: Dial[] }
  const nodes: (N | null)[] = Array.from({ length: n }, () => null)
  const start = async (i: number) => {
    const host = openHost({ store: await sqliteStore(`${folder}/${i}.db`), limits: { sweepEveryMs: 300 } })
    const door = await listen(host.replica, { port: ports[i]! })
    const dials = ports.flatMap((p, j) => j === i ? [] : [dial(host.replica, { url: `ws://127.0.0.1:${p}`, backoff: { firstMs: 20, maxMs: 200 } })])
    nodes[i] = { host, door, dials }
  }
  const stop = async (i: number) => {
    const x = nodes[i]!; nodes[i] = null
    const t = performance.now()
    if (rnd(2)) { await x.host.replica.close(); await Promise.all([x.door.close(), ...x.dials.map((d) => d.close())]) }
    else { await Promise.all([x.door.close(), ...x.dials.map((d) => d.close())]); await x.host.replica.close() }
    const ms = performance.now() - t
    if (ms > 1500) console.log('slow stop', i, ms)
    if (x.host.errors.length) console.log('errors', x.host.errors)
    const bad = x.host.events.filter((e) => ['rejected', 'divergence', 'quarantined', 'rollback-detected', 'storage-failed', 'document-stuck'].includes(e.type) || (e.type === 'link-ended' && !['lost', 'link-replaced', 'shutting-down'].includes(e.code)))
    if (bad.length) console.log(s, i, JSON.stringify(bad.slice(0, 5)))
  }
  onTestFinished(async () => { for (let i = 0; i < n; i++) if (nodes[i]) await stop(i) })
  for (let i = 0; i < n; i++) await start(i)
  for (let step = 0; step < 150; step++) {
    const i = rnd(n), x = nodes[i]
    if (rnd(20) === 0) { if (x) await stop(i); else await start(i) }
    if (!nodes[i]) continue
    const d = nodes[i]!.host.replica.openDocument(names[rnd(4)]!)
    const t = d.doc.getText('body')
    if (rnd(3)) t.insert(rnd(t.length + 1), 'ab'.repeat(1 + rnd(50)))
    else if (t.length) { const p = rnd(t.length); t.delete(p, Math.min(t.length - p, 1 + rnd(8))) }
    if (rnd(3) === 0) void d.release()
    if (rnd(3) === 0) await new Promise((r) => setTimeout(r, rnd(30)))
  }
  for (let i = 0; i < n; i++) if (!nodes[i]) await start(i)
  await eventually(() => {
    const shown = nodes.map((x) => names.map((name) => x!.host.replica.openDocument(name).doc.getText('body').toDelta()))
    expect(shown[1]).toEqual(shown[0]); expect(shown[2]).toEqual(shown[0])
    const peers = nodes.map((x) => x!.host.replica.status().peers.map((p) => [p.synced, p.lag]))
    expect(peers).toEqual(nodes.map(() => [[true, 0], [true, 0]]))
  })
}, 40000)
