import * as encoding from 'lib0/encoding'
import { messageYjsSyncStep1, messageYjsSyncStep2, messageYjsUpdate, writeSyncStep1, writeSyncStep2, writeUpdate } from 'y-protocols/sync'
import { expect, test } from 'vitest'
import * as Y from 'yjs'
import * as codec from '../src/y-websocket-codec.ts'

const doc = new Y.Doc()
doc.getText('t').insert(0, 'hello')
const state = Y.encodeStateAsUpdate(doc)

const kinds = (frame: Uint8Array): string[] => {
  const read = codec.readFrame(frame)
  return 'problem' in read ? [`problem: ${read.problem}`] : read.messages.map((message) => message.kind)
}

const stock = (write: (encoder: encoding.Encoder) => void): Uint8Array =>
  encoding.encode((encoder) => {
    encoding.writeVarUint(encoder, 0)
    write(encoder)
  })

test('[YW-2] the frames are those of y-protocols, byte for byte', () => {
  expect(codec.step1Frame(Y.encodeStateVector(doc))).toEqual(stock((encoder) => writeSyncStep1(encoder, doc)))
  expect(codec.step2Frame(state)).toEqual(stock((encoder) => writeSyncStep2(encoder, doc)))
  expect(codec.updateFrame(state)).toEqual(stock((encoder) => writeUpdate(encoder, state)))
  expect([messageYjsSyncStep1, messageYjsSyncStep2, messageYjsUpdate]).toEqual([0, 1, 2])
})

test('[YW-2] all messages of a frame are read, as version 4 clients concatenate them', () => {
  const frames = [
    codec.step1Frame(Y.encodeStateVector(doc)),
    codec.awarenessFrame(Uint8Array.of(0)),
    Uint8Array.of(3),
    codec.step2Frame(state),
    codec.updateFrame(state),
  ]
  expect(kinds(Buffer.concat(frames))).toEqual(['step-1', 'awareness', 'query-awareness', 'step-2', 'update'])
  expect(codec.readFrame(frames[4]!)).toEqual({ messages: [{ kind: 'update', update: state }] })
})

test('[YW-2] a type of another application is skipped with the rest of its frame', () => {
  expect(kinds(Uint8Array.of(102, 1, 7))).toEqual(['foreign'])
  expect(kinds(Buffer.concat([Uint8Array.of(3), Uint8Array.of(2, 0, 1, 65)]))).toEqual(['query-awareness', 'foreign'])
})

test('[IN-1] bytes that no client sends are a problem, never a throw, and nothing beyond the frame is read', () => {
  for (const bytes of [
    [],
    [0],
    [0, 3, 0],
    [0, 0],
    [0, 0, 1],
    [0, 0, 2, 1, 1],
    [0, 0, 1, 1],
    [1, 5, 0],
    [0, 2, 0xff, 0xff, 0xff, 0xff, 0x0f],
    [0x80],
    [0, 2, ...Array<number>(12).fill(0xff)],
  ]) {
    expect(kinds(Uint8Array.from(bytes)), bytes.join()).toEqual([expect.stringMatching(/^problem/)])
  }
  // A view into a larger buffer, as sockets give them: the length claims what lies behind it.
  const buffer = Uint8Array.of(0, 2, 4, 1, 2, 99, 99, 99)
  expect(kinds(buffer.subarray(0, 5))).toEqual([expect.stringMatching(/^problem/)])
})

test('[IN-1] every truncation and every single bit flip of a frame is read as messages or as a problem', () => {
  const frame = Buffer.concat([codec.step1Frame(Y.encodeStateVector(doc)), codec.updateFrame(state)])
  for (let length = 0; length < frame.length; length++) kinds(frame.subarray(0, length))
  for (let bit = 0; bit < frame.length * 8; bit++) {
    const flipped = Uint8Array.from(frame)
    flipped[bit >> 3]! ^= 1 << (bit & 7)
    kinds(flipped)
  }
})

test('[IN-1] a frame of very many messages is a problem', () => {
  expect(kinds(new Uint8Array(codec.messagesPerFrameMax).fill(3))).toHaveLength(codec.messagesPerFrameMax)
  expect(kinds(new Uint8Array(codec.messagesPerFrameMax + 1).fill(3))).toEqual([expect.stringMatching(/^problem/)])
})
