// Messages to bytes and back, driven by the message table: each message is `tag varuint, length varuint, payload`, a frame is a crc32 and 1..n
// messages. Decoding is total: a list of messages or a refusal, never a throw. Strict: only what this encoder produces is read. Rule: IN-1.

import { WireReader, Malformed } from './wire-reader.ts'
import { WireWriter } from './wire-writer.ts'
import { structCodec, type FieldCodec } from './codec-combinators.ts'
import { crc32 } from './crc32.ts'
import { fieldCodecs } from './field-codecs.ts'
import { hotCodecs } from './hot-codecs.ts'
import { LIMITS } from './limits.ts'
import { messageTable } from './messages.ts'
import type { Message, MessageKind, MessageRow } from './messages.ts'

export type Decoded =
  | { readonly ok: true; readonly messages: Message[] }
  | { readonly ok: false; readonly code: 'frame-corrupt' | 'message-malformed' | 'frame-too-large'; readonly reason: string }

/** Bytes before the first message of a frame. */
export const FRAME_HEADER_BYTES = 4

interface Layout {
  readonly kind: MessageKind
  readonly tag: number
  readonly payload: FieldCodec<Message>
}

const layouts = new Map<string, Layout>()
const layoutOfTag: Layout[] = []
for (const [name, { tag, fields }] of Object.entries<MessageRow>(messageTable)) {
  const kind = name as MessageKind
  const codecs = Object.fromEntries(Object.entries(fields).map(([field, type]) => [field, fieldCodecs[type]]))
  const layout: Layout = { kind, tag, payload: hotCodecs[kind] ?? messageCodec(kind, structCodec<object>(codecs)) }
  layouts.set(kind, layout)
  layoutOfTag[tag] = layout
}

function messageCodec(kind: MessageKind, payload: FieldCodec<object>): FieldCodec<Message> {
  return { write: (out, message) => payload.write(out, message), read: (input) => ({ kind, ...payload.read(input) }) as Message }
}

const scratch = new WireWriter()

/** One message with tag and length, without a crc. Throws on a value that a decoder would refuse: that is our own mistake. */
export function encodeMessage(message: Message): Uint8Array {
  const layout = layouts.get(message.kind)!
  scratch.reset()
  layout.payload.write(scratch, message)
  return scratch.framed(layout.tag)
}

/** One frame of encoded messages. `ordinal`: how many frames its sender sent on this link before it. Throws when the messages are none, too many
 *  or too large together: that is our own mistake. */
export function encodeFrame(messages: readonly Uint8Array[], ordinal = 0): Uint8Array {
  let size = FRAME_HEADER_BYTES
  for (const message of messages) size += message.length
  if (size > LIMITS.nativeFrameBytesMax || messages.length < 1 || messages.length > LIMITS.messagesPerFrameMax) {
    throw new Error(`cannot send ${messages.length} messages of ${size} bytes as one frame`)
  }
  const frame = new Uint8Array(size)
  let at = FRAME_HEADER_BYTES
  for (const message of messages) {
    frame.set(message, at)
    at += message.length
  }
  const sum = checksumOf(frame, ordinal)
  for (let i = 0; i < FRAME_HEADER_BYTES; i++) frame[i] = sum >>> (8 * i)
  return frame
}

/** Covers the frame's place, too: one that was lost, repeated or overtaken inside a link is found like one whose bytes were changed. */
function checksumOf(frame: Uint8Array, ordinal: number): number {
  return (crc32(frame, FRAME_HEADER_BYTES) ^ Math.imul(ordinal, 0x9e3779b1)) >>> 0
}

/** The messages of a frame; messages with unknown tags are left out. `ordinal`: how many frames arrived on this link before it; null reads a frame
 *  out of its context and leaves the checksum alone. Total: never throws, whatever the bytes. Fields of bytes are views into `bytes`, not
 *  copies: copy what outlives the frame. Cost: about 2 ns a byte of entries. */
export function decodeFrame(bytes: Uint8Array, ordinal: number | null = 0): Decoded {
  if (bytes.length > LIMITS.nativeFrameBytesMax) return refusal('frame-too-large', `a frame of ${bytes.length} bytes`)
  if (bytes.length < FRAME_HEADER_BYTES) return refusal('frame-corrupt', `a frame of ${bytes.length} bytes`)
  const sum = (bytes[0]! | (bytes[1]! << 8) | (bytes[2]! << 16) | (bytes[3]! << 24)) >>> 0
  if (ordinal !== null && sum !== checksumOf(bytes, ordinal)) return refusal('frame-corrupt', 'the checksum does not match')
  let kind = 'frame'
  try {
    const messages: Message[] = []
    const input = new WireReader(bytes, FRAME_HEADER_BYTES)
    if (input.remaining === 0) input.fail('no message')
    for (let count = 1; input.remaining > 0; count++) {
      if (count > LIMITS.messagesPerFrameMax) input.fail('too many messages')
      const layout = layoutOfTag[input.varuint()]
      const length = input.varuint()
      if (length > input.remaining) input.fail('message ends early')
      input.end = input.at + length
      kind = layout?.kind ?? 'unknown'
      if (layout) messages.push(readPayload(input, layout))
      else input.at = input.end
      input.end = bytes.length
    }
    return { ok: true, messages }
  } catch (error) {
    if (error instanceof Malformed) return refusal('message-malformed', `${kind}: ${error.reason}`)
    throw error
  }
}

function readPayload(input: WireReader, layout: Layout): Message {
  const message = layout.payload.read(input)
  if (input.remaining > 0) input.fail('trailing bytes')
  return message
}

function refusal(code: (Decoded & { ok: false })['code'], reason: string): Decoded {
  return { ok: false, code, reason }
}
