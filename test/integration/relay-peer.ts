// A relay in a process of its own that dials another one and keeps nothing: what a test stops and lets go on. Argument: the address. Ends with SIGKILL.

import { DEFAULT_SPACE } from '@syncline/protocol'
import { Replica } from '@syncline/replica'
import { dial, nodeClock, nodeCompression, nodeRandom } from '@syncline/replica/ws'
import { createMemoryStore } from '@syncline/store/memory'

const store = createMemoryStore({ space: DEFAULT_SPACE, random: nodeRandom, durability: 'process' })
const replica = new Replica({ store, role: 'relay', clock: nodeClock(), random: nodeRandom, compression: nodeCompression })
dial(replica, { url: process.argv[2]! })
