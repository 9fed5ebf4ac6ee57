// Random histories on real hosts: open documents, guests, links that come and go, compaction. What the simulation proves of the engine, this shows of the host around it:
// at the end every store knows exactly what every open document shows. Seeds are fixed; HOST_SEED=n runs one of your choice.

import { Knowledge, parseDocId, walkUpdate, ZERO_DIGEST } from '@syncline/protocol'
import { expect, test } from 'vitest'
import * as Y from 'yjs'
import { seeded } from './core-world.ts'
import { eventually, linkHosts, memoryStore, openHost, recordedGuest, type LocalLink } from './hosts.ts'

const SEEDS = process.env['HOST_SEED'] === undefined ? [1, 2, 3, 4, 5, 6] : [Number(process.env['HOST_SEED'])]
const STEPS = 250
const names = Array.from({ length: 6 }, (_, index) => parseDocId(`note/${index}`))
const words = ['a', 'bc', '😀', 'def😀', 'x\n']

class Chance {
  readonly #bytes: (length: number) => Uint8Array

  constructor(seed: number) {
    this.#bytes = seeded(seed)
  }

  /** 0 to limit - 1. */
  below(limit: number): number {
    const [a, b] = this.#bytes(2)
    return (a! * 256 + b!) % limit
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)]!
  }
}

/** A position that does not part a surrogate pair: what Yjs does to halves is not this test's matter. */
function between(text: Y.Text, position: number): number {
  const code = text.toString().charCodeAt(position)
  return code >= 0xdc00 && code <= 0xdfff ? position + 1 : position
}

function randomEdit(chance: Chance, doc: Y.Doc): void {
  const body = doc.getText('body')
  const from = between(body, chance.below(body.length + 1))
  const to = between(body, Math.min(body.length, from + 1 + chance.below(3)))
  const kind = chance.below(10)
  if (kind < 5 || to === from) body.insert(from, chance.pick(words))
  else if (kind < 7) body.delete(from, to - from)
  else if (kind < 8) body.format(from, to - from, { bold: chance.below(2) === 0 ? true : null })
  else doc.getMap('m').set(`k${chance.below(3)}`, chance.below(1000))
}

function knownBy(doc: Y.Doc): string {
  const facts = walkUpdate(Y.encodeStateAsUpdate(doc))
  if ('code' in facts) throw new Error(facts.reason)
  const knowledge = new Knowledge()
  knowledge.admit(facts)
  return knowledge.digest()
}

function shown(doc: Y.Doc): unknown {
  return [doc.getText('body').toDelta(), doc.getMap('m').toJSON()]
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test.each(SEEDS)(
  '[CV-1] hosts with open documents, guests, lost links and compaction end equal, and their stores know what their documents show (replay: HOST_SEED=%i)',
  async (seed) => {
    const chance = new Chance(seed)
    const stores = Array.from({ length: 3 + chance.below(3) }, () => memoryStore())
    const hosts = stores.map((store) => openHost({ store, limits: { sweepEveryMs: 100, verifyEveryMs: 50 } }))
    const guests = hosts.map((host) => {
      const port = recordedGuest()
      return { port, guest: host.replica.attachGuest(names[0]!, port), doc: new Y.Doc() }
    })
    const links = new Map<string, LocalLink>()
    const toggleLink = (from: number, to: number): void => {
      const name = `${Math.min(from, to)}-${Math.max(from, to)}`
      links.get(name)?.cut()
      if (!links.delete(name)) links.set(name, linkHosts(hosts[from]!, hosts[to]!))
    }
    for (let step = 0; step < STEPS; step++) {
      const index = chance.below(hosts.length)
      const kind = chance.below(100)
      if (kind < 10) {
        const other = chance.below(hosts.length)
        if (other !== index) toggleLink(index, other)
      } else if (kind < 85) {
        const document = hosts[index]!.replica.openDocument(chance.pick(names))
        randomEdit(chance, document.doc)
        if (chance.below(3) === 0) void document.release()
      } else {
        const { port, guest, doc } = guests[index]!
        for (const update of port.delivered.splice(0)) Y.applyUpdate(doc, update)
        Y.applyUpdate(doc, guest.diff(Y.encodeStateVector(doc)))
        const before = Y.encodeStateVector(doc)
        doc.getText('body').insert(0, 'g')
        void guest.write(Y.encodeStateAsUpdate(doc, before))
      }
      if (chance.below(3) === 0) await turn()
    }
    for (let to = 1; to < hosts.length; to++) if (!links.has(`${to - 1}-${to}`)) toggleLink(to - 1, to)
    const opened = hosts.map((host) => names.map((name) => host.replica.openDocument(name)))
    await eventually(() => {
      for (const [at, store] of stores.entries()) {
        for (const [which, { key, doc }] of opened[at]!.entries()) {
          const digest = store.reader.doc(key)?.digest ?? ZERO_DIGEST
          expect(digest).toBe(stores[0]!.reader.doc(key)?.digest ?? ZERO_DIGEST)
          expect(knownBy(doc)).toBe(digest)
          expect(shown(doc)).toEqual(shown(opened[0]![which]!.doc))
        }
      }
    })
    for (const { events, errors } of hosts) {
      expect(errors).toEqual([])
      const alarms = ['rejected', 'divergence', 'quarantined', 'rollback-detected', 'storage-failed', 'document-stuck']
      expect(events.filter(({ type }) => alarms.includes(type))).toEqual([])
    }
  },
)
