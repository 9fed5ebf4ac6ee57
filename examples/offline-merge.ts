// Two people edit one list while they are apart. Nothing is lost and nobody has to choose: when they meet, both have both edits, in the same order.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createReplica } from '@syncline/client'

const folder = await mkdtemp(join(tmpdir(), 'offline-merge-'))
const storageOf = (name: string): string => join(folder, name)

// Monday, both in one room: a shopping list that both have.
let ada = createReplica({ name: 'ada', storage: storageOf('ada'), listen: { port: 0 } })
await ada.whenReady()
let ben = createReplica({ name: 'ben', storage: storageOf('ben'), peers: [ada.status.get().listening!.url] })
const first = await ada.open('shopping')
first.doc.getArray('items').push(['bread', 'milk'])
const atBens = await ben.open('shopping')
await atBens.whenSynced()
await Promise.all([ada.close(), ben.close()])

// Tuesday, each alone: no peers, no listener. The edits are committed in the local file, and the program may end.
for (const [name, item] of [
  ['ada', 'coffee'],
  ['ben', 'apples'],
] as const) {
  await using alone = createReplica({ name, storage: storageOf(name) })
  const list = await alone.open('shopping')
  list.doc.getArray('items').push([item])
  await list.whenSaved('local')
  console.log(`${name} alone:`, list.doc.getArray('items').toArray().join(', '), `(${alone.status.get().connection})`)
}

// Wednesday: they meet again.
ada = createReplica({ name: 'ada', storage: storageOf('ada'), listen: { port: 0 } })
await ada.whenReady()
ben = createReplica({ name: 'ben', storage: storageOf('ben'), peers: [ada.status.get().listening!.url] })
const [adas, bens] = await Promise.all([ada.open('shopping'), ben.open('shopping')])
await Promise.all([adas.whenSynced(), bens.whenSynced()])

const items = [adas, bens].map(({ doc }) => doc.getArray<string>('items').toArray())
console.log('together:', [...items[0]!].sort().join(', '))
console.log('equal:', JSON.stringify(items[0]) === JSON.stringify(items[1]))

await Promise.all([ada.close(), ben.close()])
await rm(folder, { recursive: true })
