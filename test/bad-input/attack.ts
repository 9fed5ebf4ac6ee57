// Runs one row of a table of attacks against the scene and checks all that a row promises: the answer, what is stored and forwarded in its document and in no other,
// that the relay runs and the observers are connected. Read by the test files.

import { expect } from 'vitest'
import { doorNames, type AttackCase } from './catalogue.ts'
import type { RelayUnderAttack } from './relay-under-attack.ts'

export function titleOf({ number, what, door, answer }: AttackCase): string {
  return `${number} ${what} ${doorNames[door]}: ${answer}`
}

export function documentOf({ number, door }: AttackCase, index: number): string {
  return `case/${number}-${index}-${door}`
}

/** `index` makes the document's name; `beside`: documents of rows that run at the same time. */
export async function runCase(scene: RelayUnderAttack, row: AttackCase, index: number, beside: readonly string[] = []): Promise<void> {
  const { number, door, what, answer, leaves = {} } = row
  const doc = documentOf(row, index)
  await scene.observe(doc)
  const mark = scene.mark(doc)
  const given = await scene.during(`${number} ${what} (${door})`, () => row.attack(scene, doc))
  expect(given).toBe(answer)
  const mayChange = [...beside, ...(leaves.documents ?? [])]
  await scene.presenceCame(doc, mark, leaves.presence ?? 0, mayChange)
  await scene.honestEdit(doc)
  const seen = scene.seen(doc, mark, mayChange)
  const updates = (leaves.updates ?? 0) + 1
  expect({ stored: seen.stored.length, room: seen.room.length, held: seen.held, presence: seen.presence }).toEqual({
    stored: updates,
    room: updates,
    held: leaves.held ?? 0,
    presence: leaves.presence ?? 0,
  })
  expect(seen.native.includes(null) ? updates : seen.native.length).toBe(updates)
  expect(scene.alive, 'the relay runs').toBe(true)
  expect(scene.observersLost).toEqual([])
}
