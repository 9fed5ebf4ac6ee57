// What those who come to a document are answered, of one that goes on changing: from one reading for all of them, and each what it lacks.

import { docKeyOf, frameUpdates, isRefusal, parseDocId, parseSpaceId, walkUpdate, type EpochNonce } from '@syncline/protocol'
import { expect, test } from 'vitest'
import * as Y from 'yjs'
import { SharedAnswers } from '../src/shared-answers.ts'
import type { RecentRow } from '../src/recent-rows.ts'

const DOC = parseDocId('note/shared')
const KEY = docKeyOf(parseSpaceId('default'), DOC)
const ORIGIN = '00'.repeat(8) as EpochNonce

/** A document that is written to, and rows of all of it in memory. */
class Written {
  readonly doc = new Y.Doc()
  readonly rows: RecentRow[] = []
  reads = 0
  docEpoch = 1
  readonly answers = new SharedAnswers({
    wholeUpdate: () => {
      this.reads++
      return Y.encodeStateAsUpdate(this.doc)
    },
    stored: () => ({ lastSeq: this.rows.length, docEpoch: this.docEpoch, quarantined: false }),
    recentAfter: (seq) => this.rows.slice(seq),
  })

  constructor() {
    this.doc.on('update', (update: Uint8Array) => {
      const seq = this.rows.length + 1
      const row = { seq, doc: KEY, docEpoch: this.docEpoch, origin: ORIGIN, n: seq, kind: 'updates' as const, prev: seq - 1, link: 0 }
      this.rows.push({ ...row, data: frameUpdates([update]) })
    })
  }

  edit(step: number): void {
    const text = this.doc.getText('body')
    this.doc.clientID = 5 + (step % 3)
    if (text.length > 20 && step % 5 === 0) text.delete((step * 31) % (text.length - 10), 3)
    else if (step % 11 === 0) this.doc.getMap('meta').set(`k${step % 4}`, { step })
    else text.insert((step * 7_919) % (text.length + 1), step % 13 === 0 ? '🙂' : 'ab')
  }
}

function asked(written: Written, peer: Y.Doc): Uint8Array {
  return written.answers.to(DOC, KEY, Y.encodeStateVector(peer))
}

test('[GU-2] whoever comes back while a document changes is answered what it lacks, from one reading, as one update that the gate takes', () => {
  const written = new Written()
  for (let step = 0; step < 400; step++) written.edit(step)
  const peers = [new Y.Doc(), new Y.Doc(), new Y.Doc()]
  Y.applyUpdate(peers[1]!, Y.encodeStateAsUpdate(written.doc))
  for (let step = 400; step < 600; step++) {
    written.edit(step)
    const peer = peers[step % 3]!
    // Some come back after long, and with edits of their own that nobody else has.
    if (step % 17 === 0) peer.getText('body').insert(0, 'mine')
    const update = asked(written, peer)
    expect(isRefusal(walkUpdate(update))).toBe(false)
    Y.applyUpdate(peer, update)
    expect(peer.store.pendingStructs).toBeNull()
    const all = new Y.Doc()
    Y.applyUpdate(all, Y.encodeStateAsUpdate(written.doc))
    Y.applyUpdate(all, Y.encodeStateAsUpdate(peer))
    expect(peer.getText('body').toJSON()).toEqual(all.getText('body').toJSON())
    expect(peer.getMap('meta').toJSON()).toEqual(all.getMap('meta').toJSON())
    if (step % 50 === 0)
      expect(written.answers.to(DOC, KEY, Uint8Array.of(0)).length).toBeLessThan(2 * Y.encodeStateAsUpdate(written.doc).length)
  }
  expect(written.reads).toBe(1)
})

test('[RS-1] a short answer is kept for two seconds after it was asked for, a long one for a minute, and none beyond the life of its document', () => {
  const written = new Written()
  for (let step = 0; step < 50; step++) written.edit(step)
  const ticked = (ticks: number): number => {
    for (let tick = 0; tick < ticks; tick++) written.answers.tick()
    asked(written, new Y.Doc())
    return written.reads
  }
  expect([ticked(0), ticked(7), ticked(7), ticked(8)]).toEqual([1, 1, 1, 2])
  written.doc.getText('body').insert(0, 'x'.repeat(20_000))
  expect([ticked(8), ticked(200), ticked(240)]).toEqual([3, 3, 4])
  written.docEpoch = 3
  expect(ticked(0)).toBe(5)
})
