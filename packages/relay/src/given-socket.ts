// A connection that another process accepted, given to a server of this one as if it had come here: what was read of it is put back, and a handshake that was answered
// already is not answered twice. Used by front.ts and admin/admin-server.ts. Rule: WK-1.

import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import type { GivenSocket } from './relay-options.ts'

export function giveSocket(server: Server, { socket, bytes, answered }: GivenSocket): void {
  if (answered) leaveOutFirstWrite(socket)
  if (bytes.length > 0) socket.unshift(bytes)
  server.emit('connection', socket)
  // Whoever looked at it before may have stopped it.
  socket.resume()
}

/** It is the answer to the handshake: ws writes it in one piece before anything else. */
function leaveOutFirstWrite(socket: Socket): void {
  const write = socket.write.bind(socket)
  socket.write = () => {
    socket.write = write
    return true
  }
}
