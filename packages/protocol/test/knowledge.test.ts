// Knowledge: the join-semilattice of ids, its digest, its bytes, and its short form for comparing deletes.

import * as Y from 'yjs'
import { describe, expect, test } from 'vitest'
import { documentPoint, POINT, Sum128 } from '../src/digest.ts'
import { ZERO_DIGEST, type Digest } from '../src/ids.ts'
import { DELETE_BUCKET_CLOCKS, Knowledge } from '../src/knowledge.ts'
import { encodeDeletes } from '../src/update-parts.ts'
import { isRefusal, judge, walkUpdate, type UpdateFacts } from '../src/update-walker.ts'
import { Random } from './random.ts'
import { deletes, gc, rooted, run, s, update } from './update-bytes.ts'

function factsOf(bytes: Uint8Array): UpdateFacts {
  const result = walkUpdate(bytes)
  if (isRefusal(result)) throw new Error(`refused: ${result.reason}`)
  return result
}

function knowledgeOf(...updates: readonly Uint8Array[]): Knowledge {
  const knowledge = new Knowledge()
  for (const bytes of updates) knowledge.admit(factsOf(bytes))
  return knowledge
}

/** A document of a few clients with random deletes, and the updates that made it, in an order that works. */
function randomKnowledge(random: Random, spread = 200): { knowledge: Knowledge; updates: Uint8Array[] } {
  const updates: Uint8Array[] = []
  for (let client = 1; client <= 3; client++) {
    const clocks = random.between(1, spread)
    updates.push(update([run(client, 0, rooted(4, s('x'.repeat(clocks))))]))
    for (let left = random.below(12); left > 0; left--) {
      const from = random.below(clocks)
      updates.push(encodeDeletes([client, from, random.between(from + 1, clocks + 1)]))
    }
  }
  return { knowledge: knowledgeOf(...updates), updates }
}

describe('[CV-1] the digest', () => {
  test('[CV-1] has fixed points: replicas of every release compute the same', () => {
    const sum = new Sum128()
    expect(sum.toHex()).toBe(ZERO_DIGEST)
    sum.addPoint(POINT.clock, 7, 42)
    expect(sum.toHex()).toBe('593ce8c10eb6bd8296af7484ce9e74cb')
    sum.addPoint(POINT.deleted, Number.MAX_SAFE_INTEGER, 2 ** 40)
    expect(sum.toHex()).toBe('33177356a0a03222d7d981231f598137')
    expect(documentPoint('00112233445566778899aabbccddeeff', 'ffeeddccbbaa99887766554433221100').toHex()).toBe(
      'c35b29153fce422224fcfc1aceeb4108',
    )
  })

  test('[CV-1] is a sum: order does not matter, what was added can be taken out, carries run through', () => {
    const random = new Random(128)
    for (let round = 0; round < 200; round++) {
      const points = Array.from({ length: 20 }, () => [random.below(256), random.word() * 2 ** 20, random.word() * 2 ** 8] as const)
      const [a, b, c] = [new Sum128(), new Sum128(), new Sum128()]
      for (const point of points) a.addPoint(...point)
      for (const point of random.shuffle(points)) b.addPoint(...point)
      expect(a.equals(b)).toBe(true)
      const expected = points.reduce((total, point) => {
        const one = new Sum128()
        one.addPoint(...point)
        return (total + BigInt(`0x${one.toHex()}`)) % 2n ** 128n
      }, 0n)
      expect(BigInt(`0x${a.toHex()}`)).toBe(expected)
      c.add(a)
      c.subtract(b)
      expect(c.isZero()).toBe(true)
      for (const point of points) a.subtractPoint(...point)
      expect(a.isZero()).toBe(true)
      expect(Sum128.fromBytes(b.toBytes()).equals(b)).toBe(true)
      expect(Sum128.fromHex(b.toHex()).equals(b)).toBe(true)
      expect(b.clone().equals(b)).toBe(true)
      expect(b.toHex().startsWith(b.toHex8())).toBe(true)
    }
  })

  test('[CV-1] tells clients, clocks and tags apart in every word', () => {
    const seen = new Set<Digest>()
    let points = 0
    for (const tag of [1, 2]) {
      for (const client of [1, 2, 2 ** 31, 2 ** 32, 2 ** 32 + 1, 2 ** 42, 2 ** 53 - 1]) {
        for (const clock of [0, 1, 2 ** 31, 2 ** 32, 2 ** 40]) {
          const sum = new Sum128()
          sum.addPoint(tag, client, clock)
          seen.add(sum.toHex())
          points++
        }
      }
    }
    expect(seen.size).toBe(points)
  })

  test('[CV-1] of knowledge does not depend on how deletes were cut, ordered or repeated', () => {
    const text = update([run(7, 0, rooted(4, s('x'.repeat(100))))])
    const whole = knowledgeOf(text, encodeDeletes([7, 10, 60]))
    const random = new Random(3)
    for (let round = 0; round < 100; round++) {
      const cuts = [10, 60, ...Array.from({ length: random.below(30) }, () => random.between(11, 60))].sort((a, b) => a - b)
      const pieces = cuts
        .slice(1)
        .map((to, i) => [cuts[i]!, Math.min(60, to + random.below(3))] as const)
        .filter(([from, to]) => from < to)
      const oneByOne = random.shuffle([...pieces, ...pieces.slice(0, 3)]).map(([from, to]) => encodeDeletes([7, from, to]))
      expect(knowledgeOf(text, ...oneByOne).digest()).toBe(whole.digest())
      const together = update([], [deletes(7, ...random.shuffle(pieces).map(([from, to]) => [from, to - from] as const))])
      const knowledge = knowledgeOf(text, together)
      expect(knowledge.digest()).toBe(whole.digest())
      expect(knowledge.deletedOf(7)).toEqual([10, 60])
    }
  })

  test('[CV-1] counts structs that arrive deleted as deleted', () => {
    expect(knowledgeOf(update([run(7, 0, gc(3))])).digest()).toBe(
      knowledgeOf(update([run(7, 0, rooted(4, s('abc')))], [deletes(7, [0, 3])])).digest(),
    )
    expect(knowledgeOf(update([run(7, 0, rooted(1, [3]))])).digest()).toBe(knowledgeOf(update([run(7, 0, gc(3))])).digest())
  })
})

describe('[CV-1] knowledge', () => {
  test('[CV-1] answers for single ids and ranges', () => {
    const knowledge = knowledgeOf(update([run(7, 0, rooted(4, s('0123456789')))], [deletes(7, [2, 2], [6, 1])]))
    expect([0, 2, 3, 4, 6, 7].map((clock) => knowledge.isDeleted(7, clock))).toEqual([false, true, true, false, true, false])
    expect(knowledge.coversDeletes(7, 2, 4)).toBe(true)
    expect(knowledge.coversDeletes(7, 2, 5)).toBe(false)
    expect(knowledge.coversDeletes(8, 0, 1)).toBe(false)
    expect(knowledge.clockOf(7)).toBe(10)
    expect(knowledge.clockOf(8)).toBe(0)
    expect([...knowledge.clients()]).toEqual([[7, 10, [2, 4, 6, 7]]])
    expect([knowledge.clientCount(), knowledge.isEmpty(), new Knowledge().isEmpty()]).toEqual([1, false, true])
  })

  test('[CV-1] is ordered by what it includes, and a clone is its own', () => {
    const random = new Random(11)
    for (let round = 0; round < 200; round++) {
      const { knowledge, updates } = randomKnowledge(random)
      const grown = new Knowledge()
      for (const bytes of updates) {
        const before = grown.clone()
        const verdict = judge(factsOf(bytes), grown)
        grown.admit(factsOf(bytes))
        expect(grown.includes(before)).toBe(true)
        expect(verdict.kind === 'known').toBe(before.includes(grown))
        expect(before.equals(grown)).toBe(verdict.kind === 'known')
        expect(before.digest() === grown.digest()).toBe(verdict.kind === 'known')
      }
      expect(grown.equals(knowledge)).toBe(true)
    }
  })

  test('[CV-1] comes back from its bytes, and equal knowledge has equal bytes', () => {
    const random = new Random(12)
    for (let round = 0; round < 300; round++) {
      const { knowledge, updates } = randomKnowledge(random)
      const structs = updates.filter((bytes) => bytes[0] !== 0)
      const again = knowledgeOf(...random.shuffle(structs), ...random.shuffle(updates.filter((bytes) => bytes[0] === 0)))
      expect(again.encode()).toEqual(knowledge.encode())
      const decoded = Knowledge.decode(knowledge.encode())
      expect(decoded?.equals(knowledge)).toBe(true)
      expect(decoded?.digest()).toBe(knowledge.digest())
    }
    expect(Knowledge.decode(new Knowledge().encode())?.isEmpty()).toBe(true)
  })

  test('[IN-1] decoding is total and canonical: whatever decodes encodes to the same bytes', () => {
    const random = new Random(13)
    let decoded = 0
    for (let round = 0; round < 5_000; round++) {
      const bytes = randomKnowledge(random, 20).knowledge.encode()
      if (random.chance(0.9)) bytes[random.below(bytes.length)] = random.below(256)
      const mutant = random.chance(0.2) ? bytes.subarray(0, random.below(bytes.length)) : bytes
      const knowledge = Knowledge.decode(mutant)
      if (knowledge === null) continue
      decoded++
      expect(knowledge.encode()).toEqual(mutant)
    }
    expect(decoded).toBeGreaterThan(300)
    for (const bytes of [
      [],
      [0xff, 0xff, 0xff, 0xff, 0x7f],
      [1, 7, 0, 0],
      [1, 0, 1, 0],
      [1, 7, 5, 1, 4, 2],
      [2, 7, 5, 0, 7, 5, 0],
      [0, 0],
    ]) {
      expect(Knowledge.decode(Uint8Array.from(bytes))).toBeNull()
    }
  })

  test('[CV-1] gives the state vector that Yjs gives', () => {
    const doc = new Y.Doc()
    for (const client of [5, 2 ** 40, 9]) {
      doc.clientID = client
      doc.getText('t').insert(0, 'abc')
    }
    expect(knowledgeOf(Y.encodeStateAsUpdate(doc)).stateVector()).toEqual(Y.encodeStateVector(doc))
  })
})

describe('[CV-1] delete buckets', () => {
  test('[CV-1] name no more than what differs, and after the exchange both sides have the union', () => {
    const random = new Random(14)
    const clocks = 4 * DELETE_BUCKET_CLOCKS
    const base = knowledgeOf(update([run(7, 0, rooted(4, s('x'.repeat(clocks)))), run(3, 0, gc(1))]))
    for (let round = 0; round < 400; round++) {
      const [a, b] = [base.clone(), base.clone()]
      for (let left = random.below(10); left > 0; left--) {
        const from = random.chance(0.3) ? DELETE_BUCKET_CLOCKS * random.between(0, 4) : random.below(clocks)
        const to = Math.min(clocks, from + random.pick([1, 5, 300, DELETE_BUCKET_CLOCKS, 3 * DELETE_BUCKET_CLOCKS]))
        if (from >= to) continue
        const facts = factsOf(encodeDeletes([7, from, to]))
        if (random.chance(0.7)) a.admit(facts)
        if (random.chance(0.7)) b.admit(facts)
      }
      const [toB, toA] = [a.deletesDiffering(b.deleteBuckets()), b.deletesDiffering(a.deleteBuckets())]
      if (a.equals(b)) expect([toA, toB]).toEqual([[], []])
      if (toB.length > 0) b.admit(factsOf(encodeDeletes(toB)))
      if (toA.length > 0) a.admit(factsOf(encodeDeletes(toA)))
      expect(a.equals(b)).toBe(true)
    }
  })

  test('[IN-1] of a stretch of 2^39 clocks are two', () => {
    expect(knowledgeOf(update([run(7, 0, gc(2 ** 39))])).deleteBuckets()).toHaveLength(2)
  })

  test('[CV-1] only the ranges near a difference are sent', () => {
    const ranges = Array.from({ length: 2_000 }, (_, i) => [7, 20 * i, 20 * i + 1]).flat()
    const text = update([run(7, 0, rooted(4, s('x'.repeat(40_000))))])
    const [a, b] = [knowledgeOf(text, encodeDeletes(ranges)), knowledgeOf(text, encodeDeletes(ranges), encodeDeletes([7, 9_005, 9_006]))]
    expect(a.deletesDiffering(b.deleteBuckets()).length / 3).toBeLessThan(DELETE_BUCKET_CLOCKS / 20 + 2)
    expect(b.deletesDiffering(a.deleteBuckets())).toContain(9_005)
    expect(b.deletesDiffering([])).toHaveLength(3 * 2_001)
  })
})
