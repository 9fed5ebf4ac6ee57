// The stock Hocuspocus server with its SQLite extension, at its defaults. Arguments: a folder.

import { SQLite } from '@hocuspocus/extension-sqlite'
import { Server } from '@hocuspocus/server'
import { join } from 'node:path'

const server = new Server({
  port: 0,
  address: '127.0.0.1',
  quiet: true,
  extensions: [new SQLite({ database: join(process.argv[2], 'documents.sqlite') })],
})
await server.listen()
console.log(`ready on ws://127.0.0.1:${server.address.port}`)
