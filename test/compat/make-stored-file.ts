// Writes the space file that later releases must open, in the format of the release that runs it:
//
//   node --conditions=syncline-source test/compat/make-stored-file.ts test/fixtures/stored-files/vN
//
// Run once per format, before the next one is made; files that are there are never written again. `closed.db` was closed and has rows in every table; `killed.db`
// is what kill -9 leaves: its newest commits are only in `killed.db-wal`. `expected.json` says what is in them. Read by stored-files.test.ts. Rule: UP-5.

import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DEFAULT_SPACE, docKeyOf, parseDocId, type DocId, type EpochNonce, type ReplicaId } from '@syncline/protocol'
import { Replica } from '@syncline/replica'
import { nodeClock, nodeCompression, nodeRandom } from '@syncline/replica/ws'
import { openSqliteStore } from '@syncline/store/sqlite'
import * as Y from 'yjs'
import { deafPort } from '../../packages/relay/src/deaf-guest.ts'
import { Author } from '../../packages/store/src/contract/author.ts'
import { contentOf } from './stored-file-content.ts'

const target = process.argv[2]
if (target === undefined) throw new Error('give the folder to write to')
if (existsSync(join(target, 'expected.json'))) throw new Error(`${target} is there already: what a release wrote never changes`)
mkdirSync(target, { recursive: true })

const PEER = '00112233445566778899aabbccddeeff' as ReplicaId
const work = mkdtempSync(join(tmpdir(), 'syncline-stored-'))

async function openReplica(path: string): Promise<Replica> {
  const store = await openSqliteStore({ path, space: DEFAULT_SPACE, durability: 'disk' })
  const limits = { sweepEveryMs: 1 }
  return new Replica({ store, role: 'relay', clock: nodeClock(), random: nodeRandom, compression: nodeCompression, limits })
}

/** Edits a fresh Y.Doc, and sends each of its updates through the gate. */
async function edit(replica: Replica, doc: DocId, change: (doc: Y.Doc) => void): Promise<void> {
  const guest = replica.attachGuest(doc, deafPort)
  const yDoc = new Y.Doc()
  const updates: Uint8Array[] = []
  yDoc.on('update', (update: Uint8Array) => updates.push(update))
  change(yDoc)
  for (const update of updates) {
    const outcome = await guest.write(update)
    if (outcome.kind !== 'committed') throw new Error(`${doc}: ${outcome.kind}`)
  }
  guest.detach()
}

async function writeDocuments(replica: Replica): Promise<void> {
  await edit(replica, parseDocId('note/1'), (doc) => {
    doc.getText('body').insert(0, 'Hello, world. 😀', { bold: true })
    doc.getText('body').delete(5, 1)
    doc.getMap('fields').set('title', 'A note')
    doc.getMap('fields').set('tags', ['a', 'b', { c: null }])
  })
  await edit(replica, parseDocId('räum mit leer/zeichen'), (doc) => {
    doc.getArray('list').push([1, 'two', true])
    doc.getXmlFragment('page').insert(0, [new Y.XmlElement('p')])
  })
  await edit(replica, parseDocId('emptied'), (doc) => {
    doc.getText('body').insert(0, 'gone')
    doc.getText('body').delete(0, 4)
  })
  const swept = new Promise<void>((resolve) => replica.onEvent(({ type }) => type === 'swept' && resolve()))
  await edit(replica, parseDocId('long'), (doc) => {
    for (let i = 0; i < 400; i++) doc.getText('body').insert(i, String(i % 10))
  })
  await swept
  // Something after the snapshot, and something that lacks what it builds on.
  await edit(replica, parseDocId('long'), (doc) => doc.getText('body').insert(0, 'and more. '))
  const lost = new Y.Doc()
  lost.getText('body').insert(0, 'never sent')
  const before = Y.encodeStateVector(lost)
  lost.getText('body').insert(10, ', but this was')
  const outcome = await replica.attachGuest(parseDocId('note/1'), deafPort).write(Y.encodeStateAsUpdate(lost, before))
  if (outcome.kind !== 'held') throw new Error(`the gap: ${outcome.kind}`)
}

async function writeClosed(path: string): Promise<void> {
  const replica = await openReplica(path)
  await writeDocuments(replica)
  await replica.close()
  const store = await openSqliteStore({ path, space: DEFAULT_SPACE, durability: 'disk' })
  await new Author(store).commit([], {
    cursors: [{ peer: PEER, scope: '*', nonce: '0123456789abcdef' as EpochNonce, seq: 41 }],
    acks: [{ peer: PEER, scope: '*', seq: 7, durability: 'disk' }],
    refusals: [
      {
        peer: PEER,
        doc: docKeyOf(DEFAULT_SPACE, parseDocId('note/1')),
        direction: 'out',
        code: 'doc-too-large',
        retryable: true,
        digest: store.reader.doc(docKeyOf(DEFAULT_SPACE, parseDocId('note/1')))!.digest,
      },
    ],
  })
  await store.close()
}

const closed = join(work, 'closed.db')
await writeClosed(closed)
copyFileSync(closed, join(target, 'closed.db'))

const killed = join(work, 'killed.db')
const replica = await openReplica(killed)
await edit(replica, parseDocId('note/1'), (doc) => doc.getText('body').insert(0, 'only in the WAL'))
for (const end of ['', '-wal']) copyFileSync(`${killed}${end}`, join(target, `killed.db${end}`))
await replica.close()

writeFileSync(
  join(target, 'expected.json'),
  `${JSON.stringify({ closed: await contentOf(closed), killed: await contentOf(killed) }, null, 2)}\n`,
)
rmSync(work, { recursive: true, force: true })
console.log(`written to ${target}`)
