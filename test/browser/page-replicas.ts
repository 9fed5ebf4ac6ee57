// Runs in a browser page or a bare JavaScript context: two replicas over memory stores, linked in memory. Bundled by bundle.test.ts; sets globalThis.runReplicas.

import { parseDocId, parseSpaceId, type Scope } from '@syncline/protocol'
import { Replica, type AttachedLink, type Clock, type LinkPort } from '@syncline/replica'
import { createMemoryStore } from '@syncline/store/memory'

const random = (length: number): Uint8Array => crypto.getRandomValues(new Uint8Array(length))

const clock: Clock = {
  now: () => performance.now(),
  wallMs: () => Date.now(),
  every(ms, fn) {
    const timer = setInterval(fn, ms)
    return () => clearInterval(timer)
  },
  after(ms, fn) {
    const timer = setTimeout(fn, ms)
    return () => clearTimeout(timer)
  },
  soon: (fn) => void setTimeout(fn, 0),
}

function makeReplica(): Replica {
  const space: Scope = { kind: 'space' }
  return new Replica({
    store: createMemoryStore({ space: parseSpaceId('default'), random }),
    role: 'device',
    clock,
    random,
    interests: [space],
  })
}

/** Two ports that hand each other's messages over in later turns. */
function connect(a: Replica, b: Replica): void {
  const ends: AttachedLink[] = []
  const port = (dialled: boolean, other: 0 | 1): LinkPort => ({
    dialled,
    send: (bytes) => void setTimeout(() => ends[other]?.received(bytes), 0),
    close: () => void setTimeout(() => ends.forEach((end) => end.closed()), 0),
    buffered: () => 0,
  })
  ends[1] = b.attachLink(port(false, 0))
  ends[0] = a.attachLink(port(true, 1))
}

async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 2_000; turn++) {
    if (condition()) return
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  throw new Error('the replicas did not become equal')
}

async function runReplicas(): Promise<string> {
  const [a, b] = [makeReplica(), makeReplica()]
  const doc = parseDocId('note/1')
  const [left, right] = [a.openDocument(doc), b.openDocument(doc)]
  left.doc.getText('body').insert(0, 'left ')
  right.doc.getText('body').insert(0, 'right ')
  await Promise.all([left.saved(), right.saved()])
  connect(a, b)
  const texts = (): string[] => [left, right].map((open) => open.doc.getText('body').toString())
  await until(() => texts().every((text) => text.includes('left ') && text.includes('right ')) && texts()[0] === texts()[1])
  const result = texts()[0]!
  await Promise.all([a.close(), b.close()])
  return result
}

Object.assign(globalThis, { runReplicas })
