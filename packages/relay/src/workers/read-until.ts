// Reads the beginning of a connection until enough is known, and leaves it so that it can be handed to another process without losing a byte: nothing is read of it any
// more, and what was read stands at its front. Used by porter.ts. Rules: WK-1, IN-1.
//
// A socket that is handed over while it is still read loses what comes in that moment. A stream stops reading when more is in it than its mark, so: the mark is one byte
// (SOCKET_OPTIONS), and what was read is put back from within the event that brought the last piece.

import type { Duplex } from 'node:stream'

/** For the server that accepts the sockets. */
export const SOCKET_OPTIONS = { highWaterMark: 1, noDelay: true } as const

export interface ReadBounds {
  readonly bytesMax: number
  /** Pieces in which they may come. */
  readonly piecesMax: number
}

export type Beginning<T> =
  | { readonly kind: 'known'; readonly what: T; readonly bytes: Buffer }
  | { readonly kind: 'too-much' }
  | { readonly kind: 'ended' }

/** Resolves when `look` says something other than null of all that came. `before`: what an earlier reading put back. */
export function readUntil<T>(
  socket: Duplex,
  look: (bytes: Buffer) => T | null,
  { bytesMax, piecesMax }: ReadBounds,
  before: Buffer = Buffer.alloc(0),
): Promise<Beginning<T>> {
  // Not by reading it again: that would start the reading of what follows.
  const known = before.length === 0 ? null : look(before)
  if (known !== null) return Promise.resolve({ kind: 'known', what: known, bytes: before })
  return new Promise((resolve) => {
    let bytes: Buffer = Buffer.alloc(0)
    let pieces = 0
    const stop = (): void => {
      socket.off('data', read)
      socket.off('end', ended)
      socket.off('close', ended)
    }
    const ended = (): void => {
      stop()
      resolve({ kind: 'ended' })
    }
    const read = (piece: Buffer): void => {
      bytes = pieces === 0 ? piece : Buffer.concat([bytes, piece])
      pieces++
      const what = look(bytes)
      const tooMuch = what === null && (bytes.length >= bytesMax || pieces >= piecesMax)
      if (what === null && !tooMuch) return
      stop()
      socket.pause()
      socket.unshift(bytes)
      resolve(what === null ? { kind: 'too-much' } : { kind: 'known', what, bytes })
    }
    socket.on('data', read)
    socket.on('end', ended)
    socket.on('close', ended)
    socket.resume()
  })
}
