// Prints what this machine stores per second, for orientation; nothing depends on it.
//   node --conditions=syncline-source packages/store/test/measure.ts

import { join } from 'node:path'
import { DEFAULT_SPACE } from '@syncline/protocol'
import { openSqliteStore, type SqliteDurability } from '@syncline/store/sqlite'
import { Author } from '../src/contract/author.ts'
import { removeFolder, temporaryFolder } from './sqlite-harness.ts'

const ROWS_PER_COMMIT = 100
const COMMITS = 300
const IN_FLIGHT = 8

async function measure(durability: SqliteDurability, inFlight: number, docs: number): Promise<void> {
  const folder = temporaryFolder()
  const store = await openSqliteStore({ path: join(folder, 'space.db'), space: DEFAULT_SPACE, durability })
  const author = new Author(store)
  const transactions = Array.from({ length: COMMITS }, (_, i) =>
    author.transaction(Array.from({ length: ROWS_PER_COMMIT }, (_, j) => ({ doc: `d${(i * 37 + j) % docs}`, data: 60 }))),
  )
  const start = performance.now()
  let sendingMs = 0
  for (let i = 0; i < transactions.length; i += inFlight) {
    const before = performance.now()
    const sent = transactions.slice(i, i + inFlight).map((tx) => store.commit(tx))
    sendingMs += performance.now() - before
    await Promise.all(sent)
  }
  const ms = performance.now() - start
  const rows = COMMITS * ROWS_PER_COMMIT
  const { groups, commits } = store.counters
  console.log(
    `${durability.padEnd(7)} ${docs} documents, ${inFlight} commits in flight: ${Math.round((rows / ms) * 1000)} rows/s, ` +
      `${(ms / (COMMITS / inFlight)).toFixed(2)} ms per round, ${((sendingMs * 1000) / rows).toFixed(2)} us per row on the main thread, ` +
      `${commits} commits in ${groups} SQLite transactions`,
  )
  await store.close()
  removeFolder(folder)
}

for (const durability of ['process', 'disk'] as const) {
  await measure(durability, 1, 1000)
  await measure(durability, IN_FLIGHT, 1000)
  await measure(durability, IN_FLIGHT, 10)
}
