// A relay, two unmodified y-websocket clients, and a Syncline replica, all in the same document.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createReplica } from '@syncline/client'
import { createRelay } from '@syncline/relay'
import { WebsocketProvider } from 'y-websocket'
import * as Y from 'yjs'

const folder = await mkdtemp(join(tmpdir(), 'relay-'))
const relay = await createRelay({ data: join(folder, 'relay'), port: 0 })

// A room of y-websocket is a document of the relay: the same name, from every door.
const [ada, ben] = [new Y.Doc(), new Y.Doc()]
const providers = [ada, ben].map((doc) => new WebsocketProvider(relay.url, 'note/42', doc, { disableBc: true }))
const replica = createReplica({ name: 'keeper', storage: join(folder, 'keeper'), peers: [relay.url] })
const note = await replica.open('note/42')

ada.getText('body').insert(0, 'Ada was here. ')
await textShows(ben, 'Ada was here. ')
console.log('ben:    ', ben.getText('body').toString())

await textShows(note.doc, 'Ada was here. ')
note.doc.getText('body').insert(0, 'Keeper too. ')
await note.whenSaved('relay')
await textShows(ada, 'Keeper too. Ada was here. ')
console.log('ada:    ', ada.getText('body').toString())

for (const provider of providers) leave(provider)
await replica.close()
await relay.close()

// The relay kept it all in one SQLite file.
const restarted = await createRelay({ data: join(folder, 'relay'), port: 0 })
const cleo = new Y.Doc()
const provider = new WebsocketProvider(restarted.url, 'note/42', cleo, { disableBc: true })
await textShows(cleo, 'Keeper too. Ada was here. ')
console.log('later:  ', cleo.getText('body').toString())

leave(provider)
await restarted.close()
await rm(folder, { recursive: true })

/** Ends the connection, and the document with it: its presence keeps a timer. */
function leave(provider: WebsocketProvider): void {
  provider.destroy()
  provider.doc.destroy()
}

/** Resolves when the text reads so. */
function textShows(doc: Y.Doc, text: string): Promise<void> {
  return new Promise((resolve) => {
    const look = (): void => {
      if (doc.getText('body').toString() !== text) return
      doc.off('update', look)
      resolve()
    }
    doc.on('update', look)
    look()
  })
}
