// The Hocuspocus protocol as data (providers 2 to 4). Pure and total: a frame becomes a name and a message, or a problem, never a throw. Read by session.ts and
// document.ts. Lengths are checked against the frame here, because lib0's reader would hand out bytes from beyond it when the frame is a view into a larger
// buffer. What stands behind a complete message is passed over, as the stock server does: provider 4 appended its version to Auth. Rules: HP-1, IN-1.

import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'
import { MessageRun } from '../message-run.ts'
import { isStateVector, readBytes } from '../y-websocket-codec.ts'

const SYNC = 0
const AWARENESS = 1
const AUTH = 2
const QUERY_AWARENESS = 3
const SYNC_REPLY = 4
const STATELESS = 5
const BROADCAST_STATELESS = 6
const CLOSE = 7
const SYNC_STATUS = 8
const PING = 9
const PONG = 10

const STEP_1 = 0
const STEP_2 = 1
const UPDATE = 2

const TOKEN = 0
const PERMISSION_DENIED = 1
const AUTHENTICATED = 2

/** UTF-8 bytes of the name in front of every message, session included. */
const nameBytesMax = 4096

/** What a document's messages are about. */
export type DocumentMessage =
  /** `reply`: no step 1 is expected in return (type 4). */
  | { readonly kind: 'step-1'; readonly stateVector: Uint8Array; readonly reply: boolean }
  | { readonly kind: 'step-2'; readonly update: Uint8Array }
  | { readonly kind: 'update'; readonly update: Uint8Array }
  | { readonly kind: 'awareness'; readonly bytes: Uint8Array }
  | { readonly kind: 'query-awareness' }
  | { readonly kind: 'stateless'; readonly payload: string }

export type Message =
  | DocumentMessage
  /** The token as sent; may be empty. */
  | { readonly kind: 'auth'; readonly token: string }
  | { readonly kind: 'close' }
  /** Between servers only. */
  | { readonly kind: 'broadcast-stateless' }
  /** One byte without a name. */
  | { readonly kind: 'ping' }
  | { readonly kind: 'pong' }
  /** A type that no client sends or this relay does not know. */
  | { readonly kind: 'foreign'; readonly type: number }

/** `name`: as on the wire, to be answered with; empty for ping and pong. */
export type Frame = { readonly name: string; readonly message: Message } | { readonly problem: string }

/** Reads a binary frame. The byte fields are views into it. */
export function readFrame(frame: Uint8Array): Frame {
  if (frame.length === 1 && frame[0] === PING) return { name: '', message: { kind: 'ping' } }
  if (frame.length === 1 && frame[0] === PONG) return { name: '', message: { kind: 'pong' } }
  const decoder = decoding.createDecoder(frame)
  try {
    const name = readBytes(decoder)
    if (name.length > nameBytesMax) return { problem: `a name of more than ${nameBytesMax} bytes` }
    const message = readMessage(decoder)
    return message === null ? { problem: 'a message that no client encodes' } : { name: textOf(name), message }
  } catch {
    return { problem: 'a message that ends early, or text that is not UTF-8' }
  }
}

/** Null: malformed. Throws at the end of the bytes, as lib0 does. */
function readMessage(decoder: decoding.Decoder): Message | null {
  const type = decoding.readVarUint(decoder)
  switch (type) {
    case SYNC:
    case SYNC_REPLY:
      return readSync(decoder, type === SYNC_REPLY)
    case AWARENESS:
      return { kind: 'awareness', bytes: readBytes(decoder) }
    case AUTH:
      return decoding.readVarUint(decoder) === TOKEN ? { kind: 'auth', token: textOf(readBytes(decoder)) } : { kind: 'foreign', type }
    case QUERY_AWARENESS:
      return { kind: 'query-awareness' }
    case STATELESS:
      return { kind: 'stateless', payload: textOf(readBytes(decoder)) }
    case BROADCAST_STATELESS:
      return { kind: 'broadcast-stateless' }
    case CLOSE:
      return { kind: 'close' }
    default:
      return { kind: 'foreign', type }
  }
}

function readSync(decoder: decoding.Decoder, reply: boolean): Message | null {
  const step = decoding.readVarUint(decoder)
  if (step !== STEP_1 && step !== STEP_2 && step !== UPDATE) return null
  const bytes = readBytes(decoder)
  if (step === STEP_2) return { kind: 'step-2', update: bytes }
  if (step === UPDATE) return { kind: 'update', update: bytes }
  return isStateVector(bytes) ? { kind: 'step-1', stateVector: bytes, reply } : null
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function textOf(bytes: Uint8Array): string {
  return utf8.decode(bytes)
}

/** "What I have": the other side answers with step 2. */
export function step1Frame(name: string, stateVector: Uint8Array): Uint8Array {
  return syncFrame(name, STEP_1, stateVector)
}

/** Answer to step 1; makes a provider `synced`. */
export function step2Frame(name: string, update: Uint8Array): Uint8Array {
  return syncFrame(name, STEP_2, update)
}

export function updateFrame(name: string, update: Uint8Array): Uint8Array {
  return syncFrame(name, UPDATE, update)
}

/** Each update as a message. One run for all who get the same array under the same name: a room of a hundred encodes it once. */
export function updateRun(name: string, updates: readonly Uint8Array[]): MessageRun {
  const last = updateRuns.get(updates)
  if (last?.name === name) return last.run
  const head = frameOf(name, SYNC, (encoder) => encoding.writeVarUint(encoder, UPDATE))
  const run = new MessageRun(head, updates)
  updateRuns.set(updates, { name, run })
  return run
}

const updateRuns = new WeakMap<readonly Uint8Array[], { readonly name: string; readonly run: MessageRun }>()

/** `bytes`: a y-protocols awareness update. */
export function awarenessFrame(name: string, bytes: Uint8Array): Uint8Array {
  return frameOf(name, AWARENESS, (encoder) => encoding.writeVarUint8Array(encoder, bytes))
}

/** The provider answers with all awareness that it knows. */
export function queryAwarenessFrame(name: string): Uint8Array {
  return frameOf(name, QUERY_AWARENESS)
}

/** Awareness of nobody in a document of no name: every provider takes it for a sign of life and passes over it. Ping would do for provider 4, but throws in 3. */
export const heartbeatFrame: Uint8Array = awarenessFrame('', Uint8Array.of(0))

export const pongFrame: Uint8Array = Uint8Array.of(PONG)

/** "Send me your token." */
export function sendTokenFrame(name: string): Uint8Array {
  return frameOf(name, AUTH, (encoder) => encoding.writeVarUint(encoder, TOKEN))
}

/** The provider emits `authenticationFailed` with the reason. */
export function permissionDeniedFrame(name: string, reason: string): Uint8Array {
  return frameOf(name, AUTH, (encoder) => {
    encoding.writeVarUint(encoder, PERMISSION_DENIED)
    encoding.writeVarString(encoder, reason)
  })
}

export type Scope = 'readonly' | 'read-write'

/** The provider emits `authenticated` with the scope. */
export function authenticatedFrame(name: string, scope: Scope): Uint8Array {
  return frameOf(name, AUTH, (encoder) => {
    encoding.writeVarUint(encoder, AUTHENTICATED)
    encoding.writeVarString(encoder, scope)
  })
}

/** 1: one thing that the provider counts as unsynced is saved. 0: it is not, and stays counted. */
export function syncStatusFrame(name: string, saved: boolean): Uint8Array {
  return frameOf(name, SYNC_STATUS, (encoder) => encoding.writeVarUint(encoder, saved ? 1 : 0))
}

export function statelessFrame(name: string, payload: string): Uint8Array {
  return frameOf(name, STATELESS, (encoder) => encoding.writeVarString(encoder, payload))
}

/** The provider emits `close` for this document, with the reason. */
export function closeFrame(name: string, reason: string): Uint8Array {
  return frameOf(name, CLOSE, (encoder) => encoding.writeVarString(encoder, reason))
}

function syncFrame(name: string, step: number, bytes: Uint8Array): Uint8Array {
  return frameOf(name, SYNC, (encoder) => {
    encoding.writeVarUint(encoder, step)
    encoding.writeVarUint8Array(encoder, bytes)
  })
}

function frameOf(name: string, type: number, write?: (encoder: encoding.Encoder) => void): Uint8Array {
  return encoding.encode((encoder) => {
    encoding.writeVarString(encoder, name)
    encoding.writeVarUint(encoder, type)
    write?.(encoder)
  })
}
