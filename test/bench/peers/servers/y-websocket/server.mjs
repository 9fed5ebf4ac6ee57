// The stock @y/websocket-server on a free port, wired as its own src/server.js. Arguments: a folder, and `leveldb` to keep documents in it as its README shows.

import { setPersistence, setupWSConnection } from '@y/websocket-server/utils'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import * as Y from 'yjs'

// The ws that this package asks for.
const WebSocket = createRequire(import.meta.resolve('@y/websocket-server/utils'))('ws')

const [, , folder, persistence] = process.argv
if (persistence === 'leveldb') {
  const { LeveldbPersistence } = await import('y-leveldb')
  const level = new LeveldbPersistence(folder)
  setPersistence({
    provider: level,
    async bindState(name, doc) {
      const stored = await level.getYDoc(name)
      level.storeUpdate(name, Y.encodeStateAsUpdate(doc))
      Y.applyUpdate(doc, Y.encodeStateAsUpdate(stored))
      doc.on('update', (update) => level.storeUpdate(name, update))
    },
    writeState: async () => undefined,
  })
}

const sockets = new WebSocket.Server({ noServer: true })
const http = createServer((_, response) => response.end('okay'))
sockets.on('connection', setupWSConnection)
http.on('upgrade', (request, socket, head) => sockets.handleUpgrade(request, socket, head, (ws) => sockets.emit('connection', ws, request)))
http.listen(0, '127.0.0.1', () => console.log(`ready on ws://127.0.0.1:${http.address().port}`))
