// How a cheap client speaks to a server: the frames of the y-websocket protocol, of Hocuspocus, and of syncline.1 (native-dialect.ts), each with the bytes that a stock
// client sends. Each client has one document and reads everything that it is sent.

import { nativeSession } from './native-dialect.ts'

export type DialectName = 'y-websocket' | 'hocuspocus' | 'native'

export interface SessionPort {
  send(payload: Uint8Array): void
  /** What the client asked for at first has come: it is in the document. Called once. */
  ready(): void
  /** Nothing of the greeting is unanswered: what is acknowledged from now on are updates that were written. Called once, not before `ready`. */
  greeted(): void
  /** The update at bytes[start, end) came. */
  update(bytes: Buffer, start: number, end: number): void
  /** This many further own updates are acknowledged: where the protocol has words for that. */
  acknowledged(count: number): void
}

export interface Session {
  /** The connection is open. */
  opened(): void
  received(bytes: Buffer, start: number, end: number): void
  /** Sends one update in a frame of its own. */
  write(update: Uint8Array): void
}

export interface Dialect {
  readonly name: DialectName
  readonly subprotocol?: string
  path(doc: string): string
  /** `stateVector`: of what the client has already; default: it has nothing. */
  session(doc: string, port: SessionPort, stateVector?: Uint8Array): Session
  /** True: an own update that comes back acknowledges it. */
  readonly echoes: boolean
}

export const dialects: Readonly<Record<DialectName, Dialect>> = {
  'y-websocket': { name: 'y-websocket', path: (doc) => `/${doc}`, session: ySession, echoes: true },
  hocuspocus: { name: 'hocuspocus', path: () => '/', session: hocuspocusSession, echoes: false },
  native: { name: 'native', subprotocol: 'syncline.1', path: () => '/', session: nativeSession, echoes: false },
}

const NOTHING = Uint8Array.of(0)

function ySession(_doc: string, port: SessionPort, stateVector = NOTHING): Session {
  let ready = false
  return {
    opened: () => port.send(joined(Uint8Array.of(0, 0), block(stateVector))),
    received(bytes, start, end) {
      if (bytes[start] !== 0) return
      const step = bytes[start + 1]
      if (step === 0) return port.send(Uint8Array.of(0, 1, 2, 0, 0))
      const [from] = blockAt(bytes, start + 2)
      port.update(bytes, from, end)
      if (step !== 1 || ready) return
      ready = true
      port.ready()
      port.greeted()
    },
    write: (update) => port.send(joined(Uint8Array.of(0, 2), block(update))),
  }
}

/** Messages start with the name of their document. */
function hocuspocusSession(doc: string, port: SessionPort, stateVector = NOTHING): Session {
  const name = Buffer.concat([Buffer.of(doc.length), Buffer.from(doc)])
  const token = Buffer.from('token')
  const version = Buffer.from('4.7.0')
  const updateHead = joined(name, Uint8Array.of(0, 2))
  let ready = false
  let greeted = false
  return {
    opened: () => port.send(joined(name, Uint8Array.of(2, 0), block(token), block(version))),
    received(bytes, start, end) {
      const at = start + name.length
      const type = bytes[at]
      // Authenticated.
      if (type === 2 && bytes[at + 1] === 2) return port.send(joined(name, Uint8Array.of(0, 0), block(stateVector)))
      if (type === 2) throw new Error('the server denied a document')
      // The first one answers the client's own step 2.
      if (type === 8 && greeted) return port.acknowledged(bytes[at + 1]!)
      if (type === 8) {
        greeted = true
        if (ready) port.greeted()
        return
      }
      if (type !== 0 && type !== 4) return
      const step = bytes[at + 1]
      if (step === 0) return port.send(joined(name, Uint8Array.of(0, 1, 2, 0, 0)))
      const [from] = blockAt(bytes, at + 2)
      port.update(bytes, from, end)
      if (step !== 1 || ready) return
      ready = true
      port.ready()
      if (greeted) port.greeted()
    },
    write: (update) => port.send(joined(updateHead, block(update))),
  }
}

/** Where the bytes of a length-prefixed block begin and end. */
function blockAt(bytes: Uint8Array, at: number): [number, number] {
  let length = 0
  let factor = 1
  let from = at
  for (;;) {
    const byte = bytes[from++]!
    length += (byte & 127) * factor
    if (byte < 128) return [from, from + length]
    factor *= 128
  }
}

function block(bytes: Uint8Array): Uint8Array {
  const head: number[] = []
  let rest = bytes.length
  while (rest > 127) {
    head.push((rest & 127) | 128)
    rest >>>= 7
  }
  head.push(rest)
  return joined(Uint8Array.from(head), bytes)
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}
