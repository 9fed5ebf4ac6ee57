// kill -9 of a process that writes: nothing that resolved is missing afterwards, and what is there is a prefix. (A power cut cannot be made
// here; that 'disk' syncs before it answers is SQLite's synchronous=FULL, which is read back at open.)

import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { DEFAULT_SPACE, docKeyOf, parseDocId, type DocKey } from '@syncline/protocol'
import { openSqliteReader, openSqliteStore, type SqliteDurability } from '@syncline/store/sqlite'
import { madeUpBytes } from '../src/contract/author.ts'
import { wholeLog } from '../src/contract/commit-rules.ts'
import { run } from './child-process.ts'
import { removeFolder, temporaryFolder } from './sqlite-harness.ts'

const ROUNDS = 5
const TIMEOUT_MS = 120_000
let folder: string
let path: string

beforeEach(() => {
  folder = temporaryFolder()
  path = join(folder, 'space.db')
})
afterEach(() => removeFolder(folder))

function keyOf(doc: string): DocKey {
  return docKeyOf(DEFAULT_SPACE, parseDocId(doc))
}

/** Lets a writer resolve some commits, kills it at once, and returns the highest head it printed. */
async function writeAndKill(durability: SqliteDurability, sweep: boolean, resolvedBefore: number): Promise<number> {
  const writer = run('write', [path, durability, '1000000', sweep ? 'sweep' : ''])
  for (let i = 0; i < resolvedBefore; i++) await writer.line('resolved')
  writer.process.kill('SIGKILL')
  expect(await writer.ended).toEqual({ code: null, signal: 'SIGKILL', errors: '' })
  return Math.max(...writer.lines.map((line) => Number(line.split(' ')[1])))
}

for (const durability of ['process', 'disk'] as const) {
  test(
    `[DU-1] sqlite ${durability}: after kill -9 of a writing process no resolved commit is missing, and the rest is a prefix`,
    async () => {
      let [lost, inFlight] = [0, 0]
      for (let round = 0; round < ROUNDS; round++) {
        const resolved = await writeAndKill(durability, false, 7 + round * 23)
        const store = await openSqliteStore({ path, space: DEFAULT_SPACE, durability })
        const head = store.reader.head()
        const rows = wholeLog(store)
        expect(head, `round ${round}`).toBeGreaterThanOrEqual(resolved)
        expect(head % 2, 'half a transaction').toBe(0)
        expect(rows.map((row) => row.seq)).toEqual(Array.from({ length: head }, (_, i) => i + 1))
        for (const row of rows) expect(Buffer.compare(row.data, madeUpBytes(row.data.length, row.seq)), `row ${row.seq}`).toBe(0)
        expect(store.reader.content(keyOf('shared'))?.tail.length).toBe(head / 2)
        expect([store.tailLost, store.logDamaged]).toEqual([false, false])
        await store.close()
        lost += Math.max(resolved - head, 0)
        inFlight += head - resolved
      }
      console.log(`${durability}: ${ROUNDS} kills, ${lost} resolved rows lost, ${inFlight} rows kept that had not resolved`)
    },
    TIMEOUT_MS,
  )
}

test(
  '[DU-2] sqlite: after kill -9 among commits and sweeps the file is whole and content is complete',
  async () => {
    let nonces = new Set<string>()
    for (let round = 0; round < ROUNDS; round++) {
      const resolved = await writeAndKill('process', true, 60 + round * 37)
      const store = await openSqliteStore({ path, space: DEFAULT_SPACE, durability: 'process' })
      expect(store.reader.head()).toBeGreaterThanOrEqual(resolved)
      nonces = nonces.add(store.reader.nonce())
      const { snapshot, tail } = store.reader.content(keyOf('shared'))!
      const bytes = (snapshot?.update.length ?? 0) + tail.reduce((sum, row) => sum + row.data.length, 0)
      const documents = store.reader.totals().documents
      const shared = bytes / 40
      await store.close()
      const reading = await openSqliteReader(path)
      expect(reading.check()).toEqual([])
      const others = Array.from({ length: documents - 1 }, (_, i) => reading.reader.content(keyOf(`d${i}`))!.tail.length)
      // each transaction wrote one row of the shared document and one of another
      expect(others.reduce((sum, count) => sum + count, 0)).toBe(shared)
      reading.close()
    }
    expect(nonces.size).toBe(ROUNDS)
  },
  TIMEOUT_MS,
)
