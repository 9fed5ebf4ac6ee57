// The y-websocket protocol as data (clients 1 to 3, and the concatenated frames of 4), and what y-sweet adds to it. Pure and total: a frame becomes messages or a problem, never a
// throw. Read by y-websocket-door.ts. Lengths are checked against the frame here, because lib0's reader would hand out bytes from beyond it
// when the frame is a view into a larger buffer. Rules: YW-2, IN-1.

import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'
import { MessageRun } from './message-run.ts'

const SYNC = 0
const AWARENESS = 1
const AUTH = 2
const QUERY_AWARENESS = 3
const SYNC_STATUS = 102
const STEP_1 = 0
const STEP_2 = 1
const UPDATE = 2
const PERMISSION_DENIED = 0

/** y-sweet adds message 102, and a body to message 3. */
export type Dialect = 'y-websocket' | 'y-sweet'

export type RoomMessage =
  | { readonly kind: 'step-1'; readonly stateVector: Uint8Array }
  | { readonly kind: 'step-2'; readonly update: Uint8Array }
  | { readonly kind: 'update'; readonly update: Uint8Array }
  | { readonly kind: 'awareness'; readonly bytes: Uint8Array }
  | { readonly kind: 'query-awareness' }
  /** y-sweet: "is this version saved?" The same bytes are the answer. */
  | { readonly kind: 'sync-status'; readonly version: Uint8Array }
  /** A type this relay does not speak (2 is the server's own; applications register others). Its length is unknown, so the rest of the frame is skipped. */
  | { readonly kind: 'foreign'; readonly type: number }

export type Frame = { readonly messages: readonly RoomMessage[] } | { readonly problem: string }

/** Messages of one frame: version 4 concatenates a few; more is nobody's client. */
export const messagesPerFrameMax = 1024

/** Of some hundred thousand writers: each costs more time than bytes. */
const stateVectorBytesMax = 1024 * 1024

/** A version is a varUint. */
const versionBytesMax = 16

/** Reads all messages of a binary frame. The byte fields are views into it. */
export function readFrame(frame: Uint8Array, dialect: Dialect = 'y-websocket'): Frame {
  if (frame.length === 0) return { problem: 'an empty frame' }
  const messages: RoomMessage[] = []
  const decoder = decoding.createDecoder(frame)
  try {
    while (decoding.hasContent(decoder)) {
      if (messages.length === messagesPerFrameMax) return { problem: `more than ${messagesPerFrameMax} messages in one frame` }
      const message = readMessage(decoder, dialect)
      if (message === null) return { problem: 'a message that no client encodes' }
      messages.push(message)
      if (message.kind === 'foreign' || (message.kind === 'query-awareness' && dialect === 'y-sweet')) break
    }
  } catch {
    return { problem: 'a message that ends early' }
  }
  return { messages }
}

/** Null: malformed. Throws at the end of the bytes, as lib0 does. */
function readMessage(decoder: decoding.Decoder, dialect: Dialect): RoomMessage | null {
  const type = decoding.readVarUint(decoder)
  if (type === QUERY_AWARENESS) return { kind: 'query-awareness' }
  if (type === AWARENESS) return { kind: 'awareness', bytes: readBytes(decoder) }
  if (type === SYNC_STATUS && dialect === 'y-sweet') {
    const version = readBytes(decoder)
    return version.length > versionBytesMax ? null : { kind: 'sync-status', version }
  }
  if (type !== SYNC) return { kind: 'foreign', type }
  const step = decoding.readVarUint(decoder)
  if (step !== STEP_1 && step !== STEP_2 && step !== UPDATE) return null
  const bytes = readBytes(decoder)
  if (step === STEP_2) return { kind: 'step-2', update: bytes }
  if (step === UPDATE) return { kind: 'update', update: bytes }
  return isStateVector(bytes) ? { kind: 'step-1', stateVector: bytes } : null
}

/** The next length-prefixed bytes: a view into the frame. Throws at the end of the bytes, as lib0 does. */
export function readBytes(decoder: decoding.Decoder): Uint8Array {
  const length = decoding.readVarUint(decoder)
  const end = decoder.pos + length
  if (end > decoder.arr.length) throw new RangeError('beyond the frame')
  const bytes = decoder.arr.subarray(decoder.pos, end)
  decoder.pos = end
  return bytes
}

/** True for a Yjs v1 state vector and nothing else: clients and clocks, and not a byte more. */
export function isStateVector(bytes: Uint8Array): boolean {
  if (bytes.length > stateVectorBytesMax) return false
  const decoder = decoding.createDecoder(bytes)
  const clients = decoding.readVarUint(decoder)
  if (clients > bytes.length / 2) return false
  for (let read = 0; read < clients; read++) {
    decoding.readVarUint(decoder)
    decoding.readVarUint(decoder)
  }
  return !decoding.hasContent(decoder)
}

/** An update that carries neither structs nor deletes: what a client with nothing to add answers. */
export function isEmptyUpdate(update: Uint8Array): boolean {
  return update.length === 2 && update[0] === 0 && update[1] === 0
}

/** "What I have": the other side answers with step 2. */
export function step1Frame(stateVector: Uint8Array): Uint8Array {
  return syncFrame(STEP_1, stateVector)
}

/** Answer to step 1; the first one makes a client `synced`. One frame for all who get the same update object. Not to be changed. */
export function step2Frame(update: Uint8Array): Uint8Array {
  let frame = step2Frames.get(update)
  if (frame === undefined) {
    frame = syncFrame(STEP_2, update)
    step2Frames.set(update, frame)
  }
  return frame
}

const step2Frames = new WeakMap<Uint8Array, Uint8Array>()

export function updateFrame(update: Uint8Array): Uint8Array {
  return syncFrame(UPDATE, update)
}

/** Each update as a message. One run for all who get the same array: a room of a hundred encodes it once. */
export function updateRun(updates: readonly Uint8Array[]): MessageRun {
  let run = updateRuns.get(updates)
  if (run === undefined) {
    run = new MessageRun(updateHead, updates)
    updateRuns.set(updates, run)
  }
  return run
}

const updateHead = Uint8Array.of(SYNC, UPDATE)
const updateRuns = new WeakMap<readonly Uint8Array[], MessageRun>()

/** `bytes`: a y-protocols awareness update. */
export function awarenessFrame(bytes: Uint8Array): Uint8Array {
  return encoding.encode((encoder) => {
    encoding.writeVarUint(encoder, AWARENESS)
    encoding.writeVarUint8Array(encoder, bytes)
  })
}

/** y-sweet: what the client had up to this version is saved. */
export function syncStatusFrame(version: Uint8Array): Uint8Array {
  return encoding.encode((encoder) => {
    encoding.writeVarUint(encoder, SYNC_STATUS)
    encoding.writeVarUint8Array(encoder, version)
  })
}

/** Awareness of nobody: a data message that changes nothing, for clients that would take silence for a dead link. */
export const heartbeatFrame: Uint8Array = awarenessFrame(Uint8Array.of(0))

/** A client prints the reason to its console; there is no other channel for words. */
export function permissionDeniedFrame(reason: string): Uint8Array {
  return encoding.encode((encoder) => {
    encoding.writeVarUint(encoder, AUTH)
    encoding.writeVarUint(encoder, PERMISSION_DENIED)
    encoding.writeVarString(encoder, reason)
  })
}

function syncFrame(step: number, bytes: Uint8Array): Uint8Array {
  return encoding.encode((encoder) => {
    encoding.writeVarUint(encoder, SYNC)
    encoding.writeVarUint(encoder, step)
    encoding.writeVarUint8Array(encoder, bytes)
  })
}
