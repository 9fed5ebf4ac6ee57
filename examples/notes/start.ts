// npm start: a relay on an embedded SQLite store, and a page where everybody who opens the same address edits the same note. The page is CodeMirror with
// the stock y-websocket client: nothing in it is made for this relay.
//
//   npm start -- [--port 4400] [--page-port 8080] [--data syncline-data/notes]

import { parseArgs } from 'node:util'
import { createRelay } from '@syncline/relay'
import { servePage } from './serve-page.ts'

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '4400' },
    'page-port': { type: 'string', default: '8080' },
    data: { type: 'string', default: 'syncline-data/notes' },
  },
})
const { data } = values
// There is no authentication, so there is only this machine.
const host = '127.0.0.1'

try {
  const relay = await createRelay({ host, data, port: portOf('port', values.port) })
  const page = await servePage({ host, port: portOf('page-port', values['page-port']), relayUrl: relay.url }).catch(
    async (error: unknown) => {
      await relay.close()
      throw error
    },
  )
  console.log(
    `relay   ${relay.url} (documents in ${data})\nnotes   ${page.url}\n\nOpen the notes in two windows and type in both. Ctrl+C stops.`,
  )
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      void Promise.all([relay.close(), page.close()]).then(() => process.exit(0))
    })
  }
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}

function portOf(option: string, text: string): number {
  const port = Number(text)
  if (!/^\d+$/.test(text) || port > 65_535) throw new Error(`--${option} takes a port number, not ${text}.`)
  return port
}
