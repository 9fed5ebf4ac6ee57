// Two replicas that know only each other: no relay, no server. Each keeps its documents in a folder of its own.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createReplica } from '@syncline/client'

const folder = await mkdtemp(join(tmpdir(), 'two-replicas-'))

// One of the two listens, the other one dials it.
const office = createReplica({ name: 'office', storage: join(folder, 'office'), listen: { port: 0 } })
await office.whenReady()
const laptop = createReplica({ name: 'laptop', storage: join(folder, 'laptop'), peers: [office.status.get().listening!.url] })

// `open` waits for local data only. What it gives is a plain Y.Doc.
const onLaptop = await laptop.open('note/42')
onLaptop.doc.getText('body').insert(0, 'Hello from the laptop.')

await onLaptop.whenSaved('local') // committed in the laptop's own SQLite file
await onLaptop.whenSaved('relay') // committed by a peer that keeps it, here the office
console.log('laptop: saved here and at the office')

const inOffice = await office.open('note/42')
console.log('office:', inOffice.doc.getText('body').toString())

inOffice.doc.getText('body').insert(0, 'Office: hi! ')
await inOffice.whenSaved('relay')
console.log('laptop:', onLaptop.doc.getText('body').toString())

for await (const { id, pending } of laptop.list()) console.log('laptop keeps', id, pending ? '(not yet at a peer)' : '(also at a peer)')

await laptop.close()
await office.close()
await rm(folder, { recursive: true })
