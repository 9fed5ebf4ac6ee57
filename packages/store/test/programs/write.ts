// Commits made-up rows as fast as it can, some in flight at once, and prints the head of each resolved commit. Ends only by being killed,
// or after a number of commits. Arguments: path, durability, commits, sweep (sweeps now and then).

import { argv } from 'node:process'
import { DEFAULT_SPACE } from '@syncline/protocol'
import { openSqliteStore, type SqliteDurability } from '@syncline/store/sqlite'
import { Author, madeUpBytes } from '../../src/contract/author.ts'

const [, , path, durability, commits, sweep] = argv
const IN_FLIGHT = 5
const DOCUMENTS = 12

const store = await openSqliteStore({ path: path!, space: DEFAULT_SPACE, durability: durability as SqliteDurability })
console.log(`open ${store.reader.head()}`)
for (let round = 0; round < Number(commits); round += IN_FLIGHT) {
  const author = new Author(store)
  const sent = Array.from({ length: IN_FLIGHT }, async (_, i) => {
    const tx = author.transaction([{ doc: `d${(round + i) % DOCUMENTS}` }, { doc: 'shared', data: 40 }])
    await store.commit(tx)
    console.log(`resolved ${tx.firstSeq + 1}`)
  })
  await Promise.all(sent)
  if (sweep === 'sweep' && round % 50 === 0) await sweepShared()
}
await store.close()
console.log('done')

/** The snapshot is the concatenation of what it covers, so that the reader of the file can tell whether something is missing. */
async function sweepShared(): Promise<void> {
  const key = new Author(store).key('shared')
  const { snapshot, tail } = store.reader.content(key)!
  const update = Buffer.concat([snapshot?.update ?? new Uint8Array(0), ...tail.map((row) => row.data)])
  const { head } = await store.sweep([{ key, expectedLastSeq: tail.at(-1)!.seq, update, knowledge: madeUpBytes(10, 1) }])
  console.log(`resolved ${head}`)
}
