// Bad and hostile Yjs updates through every door of a real relay that takes updates: the typed answer, nothing stored, nothing forwarded, nobody else slowed down.

import { afterAll, beforeAll, expect, test } from 'vitest'
import * as Y from 'yjs'
import {
  payloadInRoom,
  payloadOverHocuspocus,
  payloadOverLink,
  payloadToApi,
  payloadToYSweet,
  ySweetRoom,
  type PayloadAnswer,
} from './answers.ts'
import { doorNames } from './catalogue.ts'
import { payloadCases, type Outcome, type PayloadCase } from './payload-cases.ts'
import { RelayUnderAttack, STALL_MS_MAX, type Seen } from './relay-under-attack.ts'

let scene: RelayUnderAttack
beforeAll(async () => {
  scene = await RelayUnderAttack.start()
})
afterAll(() => scene?.stop())

/** Where an update goes in, and how. */
const doors = {
  native: (doc, update) => payloadOverLink(scene.port, doc, [update]),
  room: (doc, update) => payloadInRoom(scene.relay.url, doc, [update]),
  hocuspocus: (doc, update) => payloadOverHocuspocus(scene.port, doc, update),
  'y-sweet': (doc, update) => payloadInRoom(scene.relay.url, doc, [update], ySweetRoom(doc)),
  'y-sweet request': (doc, update) => payloadToYSweet(scene.port, doc, update),
  json: (doc, update) => payloadToApi(scene.adminPort, doc, update),
} satisfies Record<string, (doc: string, update: Uint8Array) => Promise<PayloadAnswer>>

type PayloadDoor = keyof typeof doors
const payloadDoors = Object.keys(doors) as PayloadDoor[]
const titleOf = (outcome: Outcome): string => (outcome.kind === 'refused' ? `refused "${outcome.words}"` : outcome.kind)

payloadCases.forEach((row, index) => {
  for (const door of payloadDoors) {
    const over = door === 'y-sweet request' ? 'by a request of y-sweet' : doorNames[door]
    test(`[IN-1] ${row.number} ${row.what} ${over}: ${titleOf(row.outcome)}`, () =>
      attack(row, door, `case/${row.number}-${index}-${door.replace(' ', '-')}`))
  }
})

async function attack(row: PayloadCase, door: PayloadDoor, doc: string): Promise<void> {
  const bytes = row.sent()
  await scene.observe(doc)
  if (row.before !== undefined) await scene.honestEdit(doc, row.before())
  const mark = scene.mark(doc)
  const answer = await scene.during(`${row.number} ${row.what} (${door})`, () => doors[door](doc, bytes))
  // What the observers get of the case they have got when they have this.
  const honest = await scene.honestEdit(doc)
  expectAnswer(row.outcome, answer, door)
  expectLeft(row.outcome, bytes, scene.seen(doc, mark), honest)
  expectShown(row.outcome, doc)
  expect(scene.alive, 'the relay runs').toBe(true)
  expect(scene.observersLost).toEqual([])
}

/** A provider of Hocuspocus hears no words, only that an update of its own is not saved. */
function expectAnswer(outcome: Outcome, answer: PayloadAnswer, door: PayloadDoor): void {
  if (outcome.kind !== 'refused') {
    const kind = outcome.kind === 'held' || outcome.kind === 'cut' ? 'held' : 'accepted'
    expect(answer).toEqual({ kind, words: '' })
    return
  }
  expect(answer.kind).toBe('refused')
  if (door !== 'hocuspocus') expect(answer.words.startsWith(outcome.words), `${answer.words} is not ${outcome.words}`).toBe(true)
  if (door === 'room' || door === 'y-sweet') expect(answer.closeCode).toBe(outcome.words.startsWith('update-limit') ? 4413 : 4422)
}

/** Stored and forwarded: what the outcome says and the honest edit, nothing else. */
function expectLeft(outcome: Outcome, sent: Uint8Array, seen: Seen, honest: Uint8Array): void {
  const left = outcome.kind === 'taken' ? [sent] : outcome.kind === 'cut' ? [outcome.stored] : []
  expect(seen.stored.map(hashed), 'stored').toEqual([...left, honest].map(hashed))
  // A document that is offered is not sent update by update.
  const offered = seen.native.includes(null)
  if (!offered)
    expect(
      seen.native.map((update) => hashed(update!)),
      'forwarded over native links',
    ).toEqual([...left, honest].map(hashed))
  else expect(outcome.kind).toBe('taken')
  expect(seen.room.map(hashed), 'forwarded to the room').toEqual([...left, honest].map(hashed))
  expect(seen.held, 'held').toBe(outcome.kind === 'held' || outcome.kind === 'cut' ? 1 : 0)
  expect(seen.presence, 'presence').toBe(0)
}

function expectShown(outcome: Outcome, name: string): void {
  if (outcome.kind !== 'taken') return
  const doc = new Y.Doc()
  for (const update of scene.storedIn(name)) Y.applyUpdate(doc, update)
  expect(doc.store.pendingStructs).toBe(null)
  expect(doc.store.pendingDs).toBe(null)
  if (outcome.shows !== undefined) expect(outcome.shows(doc)).toEqual(outcome.as)
}

/** Short, and different for different bytes: what a failure prints. */
function hashed(bytes: Uint8Array): string {
  return `${bytes.length} bytes ${Buffer.from(bytes.subarray(0, 24)).toString('hex')}..${Buffer.from(bytes.subarray(-8)).toString('hex')}`
}

test('[IN-1] while all of these came in, an honest pair never waited a second for the relay', async () => {
  const { stallMs } = await scene.verdict('payload')
  expect(stallMs).toBeLessThan(STALL_MS_MAX)
})
