// Floor: what a ws server can do that only passes updates on. Speaks as much of the y-websocket protocol as a client needs, keeps nothing, checks nothing.
// All updates that came for a room in one turn of the event loop leave as one write per socket: their frames are built once and shared.

import { createServer } from 'node:http'
import { Sender, WebSocketServer } from 'ws'

const rooms = new Map()
let due = false

function flush() {
  due = false
  for (const room of rooms.values()) {
    if (room.frames.length === 0) continue
    const bytes = Buffer.concat(room.frames)
    room.frames = []
    for (const socket of room.sockets) socket.write(bytes)
  }
}

const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false })
const http = createServer()
http.on('upgrade', (request, socket, head) =>
  sockets.handleUpgrade(request, socket, head, (ws) => {
    let room = rooms.get(request.url)
    if (room === undefined) rooms.set(request.url, (room = { sockets: new Set(), frames: [] }))
    room.sockets.add(socket)
    ws.on('message', (data) => {
      if (data[0] !== 0) return
      // Step 1: there is nothing to send. Step 2 of a client: nothing to keep.
      if (data[1] === 0) return ws.send(Uint8Array.of(0, 1, 2, 0, 0))
      if (data[1] !== 2) return
      room.frames.push(...Sender.frame(data, { fin: true, rsv1: false, opcode: 2, mask: false, readOnly: true }))
      if (!due) setImmediate(flush)
      due = true
    })
    ws.on('close', () => room.sockets.delete(socket))
    ws.on('error', () => undefined)
  }),
)
http.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => console.log(`ready on ws://127.0.0.1:${http.address().port}`))
