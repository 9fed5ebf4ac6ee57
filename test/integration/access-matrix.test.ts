// The access matrix of docs/access.md, cell by cell: every message of every door by everybody who may hold a right or lacks it, over real sockets into a relay with a
// policy file and JSON Web Tokens. The page is the data: what it says is what must happen, and what it leaves out is missed here.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { cellFor, columns, matrixRoles, type Drivers } from './access-cells.ts'
import { hocuspocusDrivers } from './access-cells-hocuspocus.ts'
import { httpDrivers } from './access-cells-http.ts'
import { nativeDrivers } from './access-cells-native.ts'
import { roomDrivers, ySweetDrivers } from './access-cells-rooms.ts'
import { guardedRelay, type GuardedRelay } from './guarded-relay.ts'
import { repository } from './program.ts'

const doors: Readonly<Record<string, Drivers>> = {
  native: nativeDrivers,
  'y-websocket': roomDrivers,
  Hocuspocus: hocuspocusDrivers,
  'y-sweet': ySweetDrivers,
  'HTTP API and admin port': httpDrivers,
}

/** Outcomes by column, by row, by door, as the page has them. */
function documented(): Map<string, Map<string, Record<string, string>>> {
  const section = readFileSync(join(repository, 'docs', 'access.md'), 'utf8')
    .split(/^## /m)
    .find((text) => text.startsWith('The matrix'))
  const tables = new Map<string, Map<string, Record<string, string>>>()
  for (const part of section?.split(/^### /m).slice(1) ?? []) {
    const [title = '', ...lines] = part.split('\n')
    const [head, , ...rows] = lines.filter((line) => line.startsWith('|')).map(cellsOf)
    const table = rows.map((cells): [string, Record<string, string>] => [
      cells[0]!,
      Object.fromEntries(head!.slice(1).map((column, index) => [column, cells[index + 1] ?? ''])),
    ])
    tables.set(title.trim(), new Map(table))
  }
  return tables
}

function cellsOf(line: string): string[] {
  return line
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim().replaceAll('`', ''))
}

const matrix = documented()

let relay: GuardedRelay
beforeAll(async () => {
  relay = await guardedRelay(matrixRoles)
})
afterAll(() => relay?.close())

for (const [door, drivers] of Object.entries(doors)) {
  for (const [row, drive] of Object.entries(drivers)) {
    test(`[AD-1] ${door}, ${row}: what each identity gets is what docs/access.md says`, async () => {
      const outcomes: Record<string, string> = {}
      for (const column of columns) outcomes[column] = await drive(await cellFor(relay, column))
      expect(outcomes).toEqual(matrix.get(door)?.get(row))
    })
  }
}

test('[AD-1] the matrix of docs/access.md has a row for every message of every door, and no other', () => {
  const rows = (table: Iterable<string>): string[] => [...table].toSorted()
  expect([...matrix.keys()]).toEqual(Object.keys(doors))
  for (const [door, drivers] of Object.entries(doors)) expect(rows(matrix.get(door)!.keys()), door).toEqual(rows(Object.keys(drivers)))
})
