// Guests that hear themselves, and guests that write in one commit: who is handed what, in which order, and when the outcome comes.

import { LIMITS } from '@syncline/protocol'
import { expect, test } from 'vitest'
import * as Y from 'yjs'
import type { WriteOutcome } from '@syncline/replica'
import { note, openHost, recordedGuest } from './hosts.ts'

/** The first insert of a client, and one more after it. */
function edits(client: number): Uint8Array[] {
  const doc = new Y.Doc()
  doc.clientID = client
  const updates: Uint8Array[] = []
  doc.on('update', (update: Uint8Array) => updates.push(update))
  doc.getText('body').insert(0, 'a')
  doc.getText('body').insert(1, 'b')
  return updates
}

test('[GU-1] guests that write in one commit share a row of the log, and each is handed what the others wrote and nothing else', async () => {
  const { replica } = openHost()
  const ports = [recordedGuest(), recordedGuest(), Object.assign(recordedGuest(), { hearsItself: true })]
  const guests = ports.map((port) => replica.attachGuest(note, port))
  const [one, two, three] = [edits(1), edits(2), edits(3)] as [Uint8Array[], Uint8Array[], Uint8Array[]]
  const writes = [one[0]!, two[0]!, three[0]!, one[1]!, two[1]!, three[1]!]
  const outcomes = await Promise.all(writes.map((update, index) => guests[index % 3]!.write(update)))
  expect(outcomes).toEqual(writes.map(() => ({ kind: 'committed', seq: 1 })))
  expect(replica.status().head).toBe(1)
  expect(ports[0]!.delivered).toEqual([two[0], three[0], two[1], three[1]])
  expect(ports[1]!.delivered).toEqual([one[0], three[0], one[1], three[1]])
  expect(ports[2]!.delivered).toEqual(writes)
})

test('[GU-1] whoever hears itself is handed its update before the outcome, and is told by it whether that was the very update', async () => {
  const { replica } = openHost()
  const port = Object.assign(recordedGuest(), { hearsItself: true })
  const guest = replica.attachGuest(note, port)
  const [first, second] = edits(1) as [Uint8Array, Uint8Array]
  const told: { outcome: WriteOutcome; heard: boolean; delivered: number }[] = []
  const submit = (update: Uint8Array): Promise<void> =>
    new Promise((resolve) => {
      guest.submit(update, (outcome) => {
        told.push({ outcome, heard: guest.heard(outcome), delivered: port.delivered.length })
        resolve()
      })
      expect(guest.unsettledBytes).toBe(update.length)
    })
  await submit(first)
  // Repeats the first: only the second is new, and only that is stored.
  await submit(Y.mergeUpdates([first, second]))
  await submit(second)
  // Nothing is handed to a guest that does not drain.
  port.unsent = LIMITS.socketBufferBytesMax
  await submit(edits(2)[0]!)
  expect(guest.unsettledBytes).toBe(0)
  expect(told).toEqual([
    { outcome: { kind: 'committed', seq: 1 }, heard: true, delivered: 1 },
    { outcome: { kind: 'committed', seq: 2, cut: true }, heard: false, delivered: 2 },
    { outcome: { kind: 'known' }, heard: false, delivered: 2 },
    { outcome: { kind: 'committed', seq: 3 }, heard: false, delivered: 2 },
  ])
})
