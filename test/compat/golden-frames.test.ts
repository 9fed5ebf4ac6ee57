// The frozen wire format of each protocol version: golden frames (v1/*.hex) that today's encoder must still produce and today's decoder must still
// read, and a hash of the message table. Files never change. SYNCLINE_GOLDEN=create writes the missing ones and leaves the others alone.

import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import {
  decodeFrame,
  DURABILITIES,
  encodeFrame,
  encodeMessage,
  fromHex,
  messageTable,
  PAYLOAD_ENCODINGS,
  PROTOCOL_VERSION,
  ROLES,
  ROW_KINDS,
  START_MODES,
  toHex,
  VERDICTS,
} from '@syncline/protocol'
import { expect, test } from 'vitest'
import { goldenMessages } from './golden-messages.ts'

const folder = new URL('./v1/', import.meta.url)
const create = process.env['SYNCLINE_GOLDEN'] === 'create'

/** The text of a golden file; in create mode a missing one is written first. */
function golden(name: string, text: string): string {
  const file = new URL(name, folder)
  if (create && !existsSync(file)) writeFileSync(file, `${text}\n`)
  if (!existsSync(file))
    throw new Error(`test/compat/v1/${name} is missing: run this test with SYNCLINE_GOLDEN=create, and commit the file`)
  return readFileSync(file, 'utf8').trim()
}

/** What version 1 fixes of the table: tags, fields in order, and the order of every enum. */
function tableOf(version: number): string {
  const rows = Object.entries(messageTable).filter(([, row]) => row.since <= version)
  return JSON.stringify({
    rows: rows.map(([kind, row]) => [kind, row.tag, Object.entries(row.fields)]),
    enums: [ROLES, DURABILITIES, START_MODES, ROW_KINDS, PAYLOAD_ENCODINGS, VERDICTS],
  })
}

for (const [name, messages] of Object.entries(goldenMessages)) {
  test(`[WI-1] golden frame ${name} is written and read as it was released`, () => {
    const frame = encodeFrame(messages.map(encodeMessage))
    const released = golden(`${name}.hex`, toHex(frame))
    expect(toHex(frame)).toBe(released)
    expect(decodeFrame(fromHex(released)!)).toEqual({ ok: true, messages })
  })
}

test('[WI-1] every kind of message has a golden frame, and every golden frame its messages', () => {
  const kinds = new Set(Object.values(goldenMessages).flatMap((messages) => messages.map(({ kind }) => kind)))
  expect([...kinds].toSorted()).toEqual(Object.keys(messageTable).toSorted())
  const files = readdirSync(folder).filter((file) => file.endsWith('.hex'))
  expect(files.toSorted()).toEqual(
    Object.keys(goldenMessages)
      .map((name) => `${name}.hex`)
      .toSorted(),
  )
})

test('[WI-1] the message table of a released version does not change', () => {
  expect(PROTOCOL_VERSION).toBe(1)
  const hash = createHash('sha256').update(tableOf(1)).digest('hex')
  expect(hash, 'a changed row needs a new protocol version').toBe(golden('message-table.sha256', hash))
})
