// The Hocuspocus codec against the provider's own messages, byte for byte, and against bytes that nobody encodes.

import * as encoding from 'lib0/encoding'
import { expect, test } from 'vitest'
import * as Y from 'yjs'
import * as codec from '../src/hocuspocus/codec.ts'
import { documentNameOf } from '../src/hocuspocus/document-name.ts'

const doc = new Y.Doc()
doc.getText('t').insert(0, 'hello')
const state = Y.encodeStateAsUpdate(doc)
const vector = Y.encodeStateVector(doc)

/** A frame as the provider writes it. */
const stock = (name: string, ...parts: (number | string | Uint8Array)[]): Uint8Array =>
  encoding.encode((encoder) => {
    encoding.writeVarString(encoder, name)
    for (const part of parts) {
      if (typeof part === 'number') encoding.writeVarUint(encoder, part)
      else if (typeof part === 'string') encoding.writeVarString(encoder, part)
      else encoding.writeVarUint8Array(encoder, part)
    }
  })

const kind = (frame: Uint8Array): string => {
  const read = codec.readFrame(frame)
  return 'problem' in read ? 'problem' : read.message.kind
}

test.each([
  ['auth of provider 3', stock('note', 2, 0, 'token'), { kind: 'auth', token: 'token' }],
  ['auth of provider 4, with its version', stock('note', 2, 0, 'token', '4.8.0'), { kind: 'auth', token: 'token' }],
  ['auth without a token', stock('note', 2, 0, ''), { kind: 'auth', token: '' }],
  ['step 1', stock('note', 0, 0, vector), { kind: 'step-1', stateVector: vector, reply: false }],
  ['step 1 of a reply', stock('note', 4, 0, vector), { kind: 'step-1', stateVector: vector, reply: true }],
  ['step 2', stock('note', 0, 1, state), { kind: 'step-2', update: state }],
  ['update', stock('note', 0, 2, state), { kind: 'update', update: state }],
  ['awareness', stock('note', 1, Uint8Array.of(0)), { kind: 'awareness', bytes: Uint8Array.of(0) }],
  ['query awareness', stock('note', 3), { kind: 'query-awareness' }],
  ['stateless', stock('note', 5, 'söme text'), { kind: 'stateless', payload: 'söme text' }],
  ['broadcast stateless', stock('note', 6, 'x'), { kind: 'broadcast-stateless' }],
  ['close', stock('note', 7), { kind: 'close' }],
  ['a type of tomorrow', stock('note', 42, 'x'), { kind: 'foreign', type: 42 }],
  ['a sync status, which no client sends', stock('note', 8, 1), { kind: 'foreign', type: 8 }],
])('[HP-1] %s is read as the provider writes it', (_, frame, message) => {
  expect(codec.readFrame(frame)).toEqual({ name: 'note', message })
})

test('[HP-1] ping and pong are one byte without a name, and a name of nine bytes is not taken for them', () => {
  expect(codec.readFrame(Uint8Array.of(9))).toEqual({ name: '', message: { kind: 'ping' } })
  expect(codec.readFrame(Uint8Array.of(10))).toEqual({ name: '', message: { kind: 'pong' } })
  expect(codec.readFrame(stock('ninebytes', 7))).toEqual({ name: 'ninebytes', message: { kind: 'close' } })
})

test('[HP-1] what the relay sends is what the stock server sends, byte for byte', () => {
  expect(codec.step1Frame('note', vector)).toEqual(stock('note', 0, 0, vector))
  expect(codec.step2Frame('note', state)).toEqual(stock('note', 0, 1, state))
  expect(codec.updateFrame('note', state)).toEqual(stock('note', 0, 2, state))
  expect(codec.updateFrame('other', state)).toEqual(stock('other', 0, 2, state))
  expect(codec.awarenessFrame('note', Uint8Array.of(0))).toEqual(stock('note', 1, Uint8Array.of(0)))
  expect(codec.queryAwarenessFrame('note')).toEqual(stock('note', 3))
  expect(codec.sendTokenFrame('note')).toEqual(stock('note', 2, 0))
  expect(codec.permissionDeniedFrame('note', 'no')).toEqual(stock('note', 2, 1, 'no'))
  expect(codec.authenticatedFrame('note', 'read-write')).toEqual(stock('note', 2, 2, 'read-write'))
  expect(codec.statelessFrame('note', 'x')).toEqual(stock('note', 5, 'x'))
  expect(codec.closeFrame('note', 'why')).toEqual(stock('note', 7, 'why'))
  expect(codec.syncStatusFrame('note', true)).toEqual(stock('note', 8, 1))
  expect(codec.syncStatusFrame('note', false)).toEqual(stock('note', 8, 0))
})

test.each([
  ['note', { doc: 'note' }],
  ['note\0k3j4h', { doc: 'note' }],
  ['note\0', { doc: 'note' }],
  ['räum mit leer/zeichen', { doc: 'räum mit leer/zeichen' }],
  ['r-%41', { doc: 'r-%41' }],
  ['', { problem: expect.stringContaining('empty') }],
  ['\0session', { problem: expect.stringContaining('empty') }],
  ['x'.repeat(513), { problem: expect.stringContaining('512') }],
])('[HP-1] the name %j means its document', (name, meant) => {
  expect(documentNameOf(name)).toEqual(meant)
})

test('[IN-1] bytes that no client sends are a problem, never a throw, and nothing beyond the frame is read', () => {
  const badText = Uint8Array.of(0xff, 0xfe)
  const frames = [
    Uint8Array.of(),
    Uint8Array.of(0),
    stock('note'),
    stock('note', 0),
    stock('note', 0, 3, state),
    stock('note', 0, 0),
    stock('note', 0, 0, Uint8Array.of(2, 1, 1)),
    stock('note', 1),
    stock('note', 2),
    stock('note', 2, 0),
    stock('note', 2, 0, badText),
    stock('note', 5, badText),
    Uint8Array.of(2, 0xff, 0xfe, 3),
    Uint8Array.of(0x80),
    Uint8Array.from(Array<number>(12).fill(0xff)),
    stock('x'.repeat(5000), 3),
  ]
  for (const frame of frames) expect(kind(frame), frame.join()).toBe('problem')
  // A view into a larger buffer, as sockets give them: the length claims what lies behind it.
  const buffer = Uint8Array.of(1, 65, 0, 2, 4, 1, 2, 99, 99, 99)
  expect(kind(buffer.subarray(0, 7))).toBe('problem')
})

test('[IN-1] every truncation and every single bit flip of a frame is read as a message or as a problem', () => {
  for (const frame of [stock('note', 0, 0, vector), stock('note', 0, 2, state), stock('note', 2, 0, 'token', '4.8.0')]) {
    for (let length = 0; length < frame.length; length++) kind(frame.subarray(0, length))
    for (let bit = 0; bit < frame.length * 8; bit++) {
      const flipped = Uint8Array.from(frame)
      flipped[bit >> 3]! ^= 1 << (bit & 7)
      kind(flipped)
    }
  }
})
