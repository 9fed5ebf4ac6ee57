// Servers write documents, too: the relay's own process by a handle on a plain Y.Doc, any other program over the HTTP API of the admin port. Both go through the same
// gate and into the same log as the browser, which is here a y-websocket client.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseDocId } from '@syncline/protocol'
import { createRelay } from '@syncline/relay'
import { WebsocketProvider } from 'y-websocket'
import * as Y from 'yjs'

const folder = await mkdtemp(join(tmpdir(), 'server-side-'))
const relay = await createRelay({ data: folder, port: 0, admin: { port: 0 } })

// In this process. saved() resolves when the edits are on disk.
const list = relay.replica.openDocument(parseDocId('list/home'))
const todos = list.doc.getMap<boolean>('todos')
todos.set('milk', false)
console.log('server: saved at position', await list.saved())

// Whoever changes the list, the server counts.
const summary = list.doc.getMap<number>('summary')
todos.observe(() => {
  const done = [...todos.values()].filter((isDone) => isDone).length
  if (summary.get('done') !== done) queueMicrotask(() => summary.set('done', done))
})

const page = new Y.Doc()
const provider = new WebsocketProvider(relay.url, 'list/home', page, { disableBc: true })
await shows(page, () => page.getMap('todos').has('milk'))
page.getMap('todos').set('milk', true)
await shows(page, () => page.getMap('summary').get('done') === 1)
console.log('page:', JSON.stringify(page.getMap('summary').toJSON()))

// Any other program, in any language. The answer comes after the commit.
const api = `${relay.adminUrl}/api/documents/${encodeURIComponent('list/home')}`
await fetch(`${api}/maps/todos`, { method: 'PATCH', body: JSON.stringify({ bread: true }) })
await shows(page, () => page.getMap('summary').get('done') === 2)
const { content } = (await (await fetch(api)).json()) as { content: object }
console.log('HTTP:', JSON.stringify(content))

provider.destroy()
page.destroy()
await list.release()
await relay.close()
await rm(folder, { recursive: true })

/** Resolves when it holds, looked at after every update. */
function shows(doc: Y.Doc, holds: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    const look = (): void => {
      if (!holds()) return
      doc.off('update', look)
      resolve()
    }
    doc.on('update', look)
    look()
  })
}
