// What is cut from one update through a list of its structs, case by case; that it is the diff of the same bytes in general is the fuzz's business (test/fuzz).

import * as Y from 'yjs'
import { expect, test } from 'vitest'
import { IndexedUpdate } from '../src/byte-cut.ts'
import { after, deletes, rooted, run, s, skip, update } from './update-bytes.ts'

const STRING = 4

/** Two people who write at random places, so that hardly two letters are one struct. */
function written(letters: number): Uint8Array {
  const doc = new Y.Doc()
  const text = doc.getText('body')
  let chance = 1
  for (let i = 0; i < letters; i++) {
    chance = (chance * 48_271) % 2_147_483_647
    doc.clientID = 1 + (i % 2) * 70_000
    if (text.length > 3 && chance % 7 === 0) text.delete(chance % (text.length - 2), 2)
    else text.insert(chance % (text.length + 1), ['ab', '🙂', 'é'][chance % 3]!)
  }
  return Y.encodeStateAsUpdate(doc)
}

test('[CV-1] what is cut from an update is what Yjs sends to somebody with that state vector, wherever it lies', () => {
  const whole = written(1_000)
  const indexed = IndexedUpdate.of(whole)!
  const ends = [...Y.decodeStateVector(Y.encodeStateVectorFromUpdate(whole))]
  const vectors: [number, number][][] = [[], ends, [[5, 9]], ends.slice(1), ends.map(([client, end]) => [client, end + 5])]
  for (let part = 0; part < 60; part++) vectors.push(ends.map(([client, end], i) => [client, Math.floor((end * (part + i)) / 61)]))
  for (const vector of vectors) {
    const doc = new Y.Doc()
    Y.applyUpdate(doc, whole)
    const stateVector = new Map(vector)
    const known = Uint8Array.from(encodedVector(stateVector))
    expect(indexed.beyond(stateVector)).toEqual(Y.encodeStateAsUpdate(doc, known))
  }
  expect(indexed.indexBytes).toBeLessThan(whole.length / 8)
})

function encodedVector(vector: ReadonlyMap<number, number>): number[] {
  const bytes: number[] = []
  const varuint = (value: number): void => {
    let rest = value
    for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128)
    bytes.push(rest)
  }
  varuint(vector.size)
  for (const pair of vector) pair.forEach(varuint)
  return bytes
}

test('[CV-1] an update that holds nothing, or deletes alone, is cut to what it is', () => {
  for (const bytes of [update([]), update([], [deletes(5, [0, 2])])])
    expect(IndexedUpdate.of(bytes)!.beyond(new Map([[5, 2]]))).toEqual(bytes)
})

test('[CV-1] what names a gap, and bytes that the gate refuses, are left to others', () => {
  expect(IndexedUpdate.of(update([run(5, 0, rooted(STRING, s('a')), skip(1), after(5, 0, STRING, s('b')))]))).toBeNull()
  expect(IndexedUpdate.of(Uint8Array.of(1, 1, 5))).toBeNull()
})
