// Floor: the broadcast of floor-broadcast.mjs, and every update is committed to SQLite first. synchronous=FULL; what came in one turn of the event loop is one
// transaction of one row per room; nothing is delivered, and nothing echoed to its author, before the commit returned. Arguments: a folder.

import Database from 'better-sqlite3'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { Sender, WebSocketServer } from 'ws'

const database = new Database(join(process.argv[2], 'floor.sqlite'))
database.pragma('journal_mode = WAL')
database.pragma('synchronous = FULL')
database.exec('CREATE TABLE IF NOT EXISTS log(seq INTEGER PRIMARY KEY, room TEXT NOT NULL, data BLOB NOT NULL)')
const insert = database.prepare('INSERT INTO log(room, data) VALUES (?, ?)')
const stored = database.prepare('SELECT data FROM log WHERE room = ? ORDER BY seq')
const commit = database.transaction((changed) => {
  for (const room of changed) insert.run(room.name, room.bytes)
})

const rooms = new Map()
let changed = new Set()

function flush() {
  const group = changed
  changed = new Set()
  for (const room of group) {
    room.bytes = Buffer.concat(room.frames)
    room.frames = []
  }
  commit(group)
  for (const room of group) for (const socket of room.sockets) socket.write(room.bytes)
}

const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false })
const http = createServer()
http.on('upgrade', (request, socket, head) =>
  sockets.handleUpgrade(request, socket, head, (ws) => {
    const name = request.url
    let room = rooms.get(name)
    if (room === undefined) rooms.set(name, (room = { name, sockets: new Set(), frames: [], bytes: null }))
    room.sockets.add(socket)
    ws.on('message', (data) => {
      if (data[0] !== 0) return
      // Step 1: everything, as the frames of updates that came; then an empty step 2.
      if (data[1] === 0) {
        for (const row of stored.iterate(name)) socket.write(row.data)
        return ws.send(Uint8Array.of(0, 1, 2, 0, 0))
      }
      if (data[1] !== 2) return
      room.frames.push(...Sender.frame(data, { fin: true, rsv1: false, opcode: 2, mask: false, readOnly: true }))
      if (changed.size === 0) setImmediate(flush)
      changed.add(room)
    })
    ws.on('close', () => room.sockets.delete(socket))
    ws.on('error', () => undefined)
  }),
)
http.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => console.log(`ready on ws://127.0.0.1:${http.address().port}`))
