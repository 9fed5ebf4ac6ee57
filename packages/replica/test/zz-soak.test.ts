import { Knowledge, parseDocId, walkUpdate, ZERO_DIGEST } from '@syncline/protocol'
import { expect, test } from 'vitest'
import * as Y from 'yjs'
import { eventually, linkHosts, memoryStore, openHost, recordedGuest, type LocalLink } from './hosts.ts'
const digestOf = (doc: Y.Doc) => { const f = walkUpdate(Y.encodeStateAsUpdate(doc)); if ('code' in f) throw new Error(f.reason); const k = new Knowledge(); k.admit(f); return k.digest() }
const seeds = Number(process.env.SOAK ?? 5), base = Number(process.env.SEED ?? 1)
for (let s = base; s < base + seeds; s++) test(`soak ${s}`, async () => {
  let st = s * 2654435761 >>> 0
  const rnd = (n: number) => { st = (Math.imul(st ^ (st >>> 15), 1 | st) + 0x6d2b79f5) >>> 0; return ((st ^ (st >>> 14)) >>> 0) % n }
  const n = 3 + rnd(3)
  const stores = Array.from({ length: n }, () => memoryStore())
  const hosts = stores.map((store) => openHost({ store, limits: { sweepEveryMs: 200, verifyEveryMs: 50, idleBeforeHealMs: 1500 } }))
  const names = Array.from({ length: 6 }, (_, i) => parseDocId(`note/${i}`))
  const links = new Map<string, LocalLink>()
  const guests = hosts.map((h) => { const port = recordedGuest(); const doc = new Y.Doc(); return { g: h.replica.attachGuest(names[0]!, port), port, doc } })
  const words = ['a', 'bc', '😀', 'def😀', 'x\n']
  for (let step = 0; step < 250; step++) {
    const h = hosts[rnd(n)]!
    const r = rnd(100)
    if (r < 10) {
      const i = rnd(n), j = rnd(n)
      if (i !== j) { const k = `${i}-${j}`; const l = links.get(k); if (l) { l.cut(); links.delete(k) } else links.set(k, linkHosts(hosts[i]!, hosts[j]!)) }
    } else if (r < 85) {
      const d = h.replica.openDocument(names[rnd(6)]!)
      const t = d.doc.getText('body')
      const c = rnd(10)
      const str = t.toString(); const al = (p: number) => p > 0 && p < str.length && /[\udc00-\udfff]/.test(str[p]!) ? p + 1 : p
      if (c < 5) t.insert(al(rnd(t.length + 1)), words[rnd(5)]!)
      else if (c < 7 && t.length > 1) { const p = al(rnd(t.length)); t.delete(p, al(Math.min(t.length, p + 1 + rnd(3))) - p) }
      else if (c < 8 && t.length > 1) { const p = al(rnd(t.length)); t.format(p, al(Math.min(t.length, p + 1 + rnd(3))) - p, { bold: rnd(2) ? true : null }) }
      else d.doc.getMap('m').set('k' + rnd(3), rnd(1000))
      if (rnd(3) === 0) void d.release()
    } else if (r < 92) {
      const { g, port, doc } = guests[rnd(n)]!
      for (const u of port.delivered.splice(0)) Y.applyUpdate(doc, u)
      const sv = Y.encodeStateVector(doc)
      Y.applyUpdate(doc, g.diff(sv))
      const sv2 = Y.encodeStateVector(doc)
      doc.getText('body').insert(0, 'g')
      void g.write(Y.encodeStateAsUpdate(doc, sv2)).then((o) => { if (o.kind !== 'committed') console.log('guest outcome', o) })
    } else await new Promise((r) => setTimeout(r, rnd(20)))
    if (rnd(4) === 0) await new Promise((r) => setImmediate(r))
  }
  for (let i = 1; i < n; i++) { const k = `${i - 1}-${i}`; if (!links.has(k)) { links.get(`${i}-${i-1}`)?.cut(); links.set(k, linkHosts(hosts[i - 1]!, hosts[i]!)) } }
  const docs = hosts.map((h) => names.map((name) => h.replica.openDocument(name)))
  try { await eventually(() => {
    for (let d = 0; d < 6; d++) for (let i = 0; i < n; i++) {
      const k = docs[i]![d]!.key
      expect(stores[i]!.reader.doc(k)?.digest ?? ZERO_DIGEST, `store ${i} doc ${d}`).toBe(stores[0]!.reader.doc(k)?.digest ?? ZERO_DIGEST)
      const v = (x: Y.Doc) => [x.getText('body').toDelta(), x.getMap('m').toJSON()]; expect(v(docs[i]![d]!.doc), `json ${i} doc ${d}`).toEqual(v(docs[0]![d]!.doc))
      expect(digestOf(docs[i]![d]!.doc), `open ${i} doc ${d}`).toBe(stores[i]!.reader.doc(k)?.digest ?? digestOf(new Y.Doc()))
    }
  }) } finally {
    for (const [i, h] of hosts.entries()) {
      const bad = h.events.filter((e) => ['rejected', 'divergence', 'quarantined', 'rollback-detected', 'storage-failed', 'document-stuck'].includes(e.type))
      if (bad.length) console.log(s, i, JSON.stringify(bad.slice(0, 5)))
      if (h.errors.length) console.log(s, i, 'errors', h.errors.slice(0, 3))
      const ended = h.events.filter((e) => e.type === 'link-ended' && e.code !== 'lost' && e.code !== 'link-replaced')
      if (ended.length) console.log(s, i, JSON.stringify(ended.slice(0, 5)))
    }
  }
}, 30000)
