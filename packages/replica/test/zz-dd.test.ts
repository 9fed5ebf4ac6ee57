import { expect, test } from 'vitest'
import { dial, listen } from '../src/ws/index.ts'
import { eventually, open, openHost, textOf, type, note } from './hosts.ts'
test('dd', async () => {
  for (let i = 0; i < 150; i++) {
    const [a, b] = [openHost({ role: 'relay' }), openHost({ role: 'relay' })]
    const [da, db] = [await listen(a.replica, { port: 0 }), await listen(b.replica, { port: 0 })]
    const o = { firstMs: 20, maxMs: 100 }
    const sa: any[] = [], sb: any[] = []
    const d1 = dial(a.replica, { url: `ws://127.0.0.1:${db.port}`, backoff: o, onState: (s) => sa.push([s.phase, s.error?.code, s.peer?.slice(0, 4)]) })
    if (i % 3) await new Promise((r) => setTimeout(r, i % 13))
    const d2 = dial(b.replica, { url: `ws://127.0.0.1:${da.port}`, backoff: o, onState: (s) => sb.push([s.phase, s.error?.code, s.peer?.slice(0, 4)]) })
    type(open(a), 'a'); type(open(b), 'b')
    try {
      await Promise.race([eventually(() => {
        expect(textOf(open(a))).toHaveLength(2); expect(textOf(open(a))).toBe(textOf(open(b)))
        expect([a, b].map((h) => h.replica.status().peers.map((p) => [p.synced, p.lag]))).toEqual([[[true, 0]], [[true, 0]]])
        expect([d1, d2].map((d) => d.state.phase).sort()).toEqual(['connected', 'waiting'])
      }), new Promise((_, rej) => setTimeout(() => rej(new Error('slow')), 4000))])
    } catch (e) {
      console.log(i, String(e), JSON.stringify({ a: a.replica.replicaId.slice(0, 4), b: b.replica.replicaId.slice(0, 4), d1: d1.state, d2: d2.state, sa: sa.slice(-12), sb: sb.slice(-12), ea: a.events.slice(-30), eb: b.events.slice(-30), pa: a.replica.status().peers, pb: b.replica.status().peers }))
      throw e
    }
    // A few knocks later it is still so.
    const k = sb.length + sa.length
    if (i % 10 === 0) { await eventually(() => expect(sb.length + sa.length).toBeGreaterThan(k + 6)); expect([a, b].map((h) => h.replica.status().peers.length)).toEqual([1, 1]) }
    await Promise.all([d1.close(), d2.close()]); await Promise.all([a.replica.close(), b.replica.close()]); await Promise.all([da.close(), db.close()])
  }
}, 120000)
