// Three replicas, each linked with both others, and no relay. Any of them may go: the other two go on, and the third catches up when it is back.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createReplica, type Replica } from '@syncline/client'

const folder = await mkdtemp(join(tmpdir(), 'mesh-of-three-'))

// `disk`: a commit survives a power cut, so that each of the three counts as a copy.
async function start(name: string, peers: readonly Replica[]): Promise<Replica> {
  const urls = peers.map((peer) => peer.status.get().listening!.url)
  const replica = createReplica({ name, storage: join(folder, name), durability: 'disk', listen: { port: 0 }, peers: urls })
  await replica.whenReady()
  return replica
}

const red = await start('red', [])
const green = await start('green', [red])
let blue = await start('blue', [red, green])

const plan = await blue.open('plan')
plan.doc.getMap('tasks').set('paint', 'blue')
await plan.whenSaved({ copies: 3 })
console.log('blue: on three disks')

await blue.close()
console.log('blue is gone')
const atRed = await red.open('plan')
atRed.doc.getMap('tasks').set('sand', 'red')
await atRed.whenSaved({ copies: 2 })
console.log('red: on two disks, the third is away')

blue = await start('blue', [red, green])
const again = await blue.open('plan')
await again.whenSynced()
console.log('blue is back:', JSON.stringify(again.doc.getMap('tasks').toJSON()))

await Promise.all([red.close(), green.close(), blue.close()])
await rm(folder, { recursive: true })
