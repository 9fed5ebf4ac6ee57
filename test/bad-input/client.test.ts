// Catalogue 102 to 108 through the real client, linked to a real relay: what the program hears, what the relay holds, and that everything goes on.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createReplica, type Replica } from '@syncline/client'
import * as Y from 'yjs'
import { clientCases, type ClientCase } from './client-cases.ts'
import { RelayUnderAttack, STALL_MS_MAX } from './relay-under-attack.ts'

let scene: RelayUnderAttack
let folder: string
let replica: Replica
beforeAll(async () => {
  scene = await RelayUnderAttack.start()
  folder = mkdtempSync(join(tmpdir(), 'syncline-test-'))
  replica = createReplica({ name: 'author', storage: join(folder, 'author'), peers: [scene.relay.url], closeOnSignals: false })
})
afterAll(async () => {
  await replica?.close()
  await scene?.stop()
  rmSync(folder, { recursive: true, force: true })
})

const WAIT_MS = 5_000
const wait = (): { signal: AbortSignal } => ({ signal: AbortSignal.timeout(WAIT_MS) })
const words = (error: unknown): string => (error as { code?: string }).code ?? (error as Error).message

clientCases.forEach((row, index) => {
  test(`[IN-1] ${row.number} ${row.what} through the client: ${row.answer}`, () => misuse(row, `case/${row.number}-${index}-api`))
})

async function misuse(row: ClientCase, name: string): Promise<void> {
  await scene.observe(name)
  const note = await replica.open(name)
  await note.whenSynced(wait())
  const answers: string[] = []
  try {
    row.edit(note.doc, note.doc.getMap('map'), note.doc.getText('text'))
  } catch (error) {
    answers.push(`threw ${words(error)}`)
  }
  const saved = await note.whenSaved('relay', wait()).then(
    () => 'saved',
    (error: unknown) => `not saved: ${words(error)}`,
  )
  expect([...answers, saved].join(', ')).toBe(row.answer)
  const remote = new Y.Doc()
  for (const update of scene.storedIn(name)) Y.applyUpdate(remote, update)
  expect({ map: remote.getMap('map').toJSON(), text: remote.getText('text').toString() }).toEqual(row.remote)
  await goesOn(name)
  expect(scene.alive, 'the relay runs').toBe(true)
  expect(scene.observersLost).toEqual([])
}

/** Another document of the same replica is saved, and what others write into this one arrives. */
async function goesOn(name: string): Promise<void> {
  const other = await replica.open(`${name}/other`)
  other.doc.getText('text').insert(0, 'fine')
  await other.whenSaved('relay', wait())
  await scene.honestEdit(name)
  const again = await replica.open(name)
  await expect.poll(() => again.doc.getText('body').toString()).toBe('.')
}

test('[IN-1] 104 once a cyclic value is taken out again, the document is saved like any other', async () => {
  const name = 'case/104-removed'
  const note = await replica.open(name)
  const map = note.doc.getMap('map')
  const cyclic: unknown[] = []
  cyclic.push(cyclic)
  expect(() => map.set('k', cyclic)).toThrow(RangeError)
  await expect(note.whenSaved('local', wait())).rejects.toMatchObject({ code: 'update-forbidden' })
  map.set('other', 1)
  await expect(note.whenSaved('local', wait())).rejects.toMatchObject({ code: 'update-forbidden' })
  map.delete('k')
  await note.whenSaved('relay', wait())
  const remote = new Y.Doc()
  for (const update of scene.storedIn(name)) Y.applyUpdate(remote, update)
  expect(remote.getMap('map').toJSON()).toEqual({ other: 1 })
})

test('[IN-1] 107 a write after close through the client: it goes nowhere, and every call says replica-closed', async () => {
  const closing = createReplica({ name: 'closing', storage: join(folder, 'closing'), peers: [scene.relay.url], closeOnSignals: false })
  const note = await closing.open('case/107-api')
  note.doc.getText('text').insert(0, 'before')
  await note.whenSaved('relay', wait())
  await closing.close()
  note.doc.getText('text').insert(0, 'after')
  await expect(note.whenSaved('local', wait())).rejects.toMatchObject({ code: 'replica-closed' })
  await expect(closing.open('case/107-other')).rejects.toMatchObject({ code: 'replica-closed' })
  const remote = new Y.Doc()
  for (const update of scene.storedIn('case/107-api')) Y.applyUpdate(remote, update)
  expect(remote.getText('text').toString()).toBe('before')
})

test('[IN-1] while all of this was done, an honest pair never waited a second for the relay', async () => {
  const { stallMs } = await scene.verdict('client')
  expect(stallMs).toBeLessThan(STALL_MS_MAX)
})
