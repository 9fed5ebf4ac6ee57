// The wire codec: what it writes it reads, what it reads it would write, and no bytes make it throw.

import { crc32 as zlibCrc32 } from 'node:zlib'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { structCodec } from '../src/codec-combinators.ts'
import { crc32 } from '../src/crc32.ts'
import { encodeEntryRow, entriesMessage } from '../src/entries-message.ts'
import { fieldCodecs } from '../src/field-codecs.ts'
import { hotCodecs } from '../src/hot-codecs.ts'
import { decodeFrame, encodeFrame, encodeMessage, type Decoded } from '../src/codec.ts'
import { fromHex, toHex } from '../src/hex.ts'
import { docIdOrNull } from '../src/ids.ts'
import { KEY_END } from '../src/key-bounds.ts'
import { LIMITS } from '../src/limits.ts'
import { messageTable, type Message, type MessageOf } from '../src/messages.ts'
import { highestShared } from '../src/negotiation.ts'
import { WireReader } from '../src/wire-reader.ts'
import { WireWriter } from '../src/wire-writer.ts'
import { anyMessage, messageKinds, messageOf } from './message-arbitraries.ts'
import { mutant, randomOf } from './mutants.ts'

/** A frame around raw message bytes, with a right checksum. */
function frameOf(payload: Uint8Array): Uint8Array {
  const frame = new Uint8Array(4 + payload.length)
  frame.set(payload, 4)
  new DataView(frame.buffer).setUint32(0, zlibCrc32(payload), true)
  return frame
}

function decodeHex(hex: string): Decoded {
  return decodeFrame(frameOf(fromHex(hex.replaceAll(' ', ''))!))
}

for (const kind of messageKinds) {
  test(`[WI-1] ${kind} arrives as it was sent`, () => {
    fc.assert(
      fc.property(messageOf(kind), (message) => {
        expect(decodeFrame(encodeFrame([encodeMessage(message)]))).toEqual({ ok: true, messages: [message] })
      }),
    )
  })
}

for (const kind of Object.keys(hotCodecs) as (keyof typeof hotCodecs)[]) {
  test(`[WI-1] ${kind}, which is written out by hand, has the bytes and values that the table gives`, () => {
    const codecs = Object.entries(messageTable[kind].fields).map(([name, type]) => [name, fieldCodecs[type as keyof typeof fieldCodecs]])
    const ofTable = structCodec<object>(Object.fromEntries(codecs))
    fc.assert(
      fc.property(messageOf(kind), (message) => {
        const [byTable, byHand] = [new WireWriter(), new WireWriter()]
        ofTable.write(byTable, message)
        hotCodecs[kind]!.write(byHand, message)
        expect(toHex(byHand.written())).toBe(toHex(byTable.written()))
        const read = hotCodecs[kind]!.read(new WireReader(byTable.written()))
        expect(read).toEqual({ kind, ...ofTable.read(new WireReader(byTable.written())) })
      }),
    )
  })
}

test('[WI-1] entries put together from rows that are encoded already are those of the encoder', () => {
  const known = (message: Message): MessageOf<'entries'> => {
    const entries = message as MessageOf<'entries'>
    const rows = entries.rows.map((row) => ({ ...row, kind: 'updates' as const }))
    return { ...entries, rows: rows.map((row) => ({ ...row, doc: { ...row.doc, fresh: null }, origin: { ...row.origin, fresh: null } })) }
  }
  fc.assert(
    fc.property(messageOf('entries').map(known), (message) => {
      const { channel, toSeq, rows } = message
      const encoded = rows.map(({ doc, origin, n, bytes }) => encodeEntryRow({ doc: doc.alias, origin: origin.alias, n, bytes }))
      expect(toHex(entriesMessage({ channel, toSeq, rows: rows.length }, encoded))).toBe(toHex(encodeMessage(message)))
    }),
  )
})

test('[WI-1] many messages share one frame and keep their order', () => {
  fc.assert(
    fc.property(fc.array(anyMessage, { minLength: 1, maxLength: 20 }), (messages) => {
      expect(decodeFrame(encodeFrame(messages.map(encodeMessage)))).toEqual({ ok: true, messages })
    }),
  )
})

test('[WI-1] the largest values that the limits allow arrive', () => {
  const doc = 'd'.repeat(LIMITS.docIdBytesMax) as never
  const row = {
    doc: { alias: LIMITS.aliasesPerLinkMax - 1, fresh: { doc, epoch: 2 ** 53 - 1 } },
    origin: { alias: 0, fresh: null },
    n: 1,
    kind: 'batch',
    bytes: new Uint8Array(200),
  } as const
  const entries: Message = {
    kind: 'entries',
    channel: 0,
    toSeq: 2 ** 53 - 1,
    rows: Array.from({ length: LIMITS.rowsPerEntriesMax }, () => ({ ...row, doc: { alias: 1, fresh: null } })),
  }
  const fresh: Message = { kind: 'entries', channel: 0, toSeq: 0, rows: [row] }
  const items = Array.from({ length: LIMITS.itemsPerRangeMax }, (_, i) => ({
    key8: i.toString(16).padStart(16, '0'),
    digest8: 'f'.repeat(16),
  }))
  const recon = (ranges: MessageOf<'recon'>['ranges']): Message => ({
    kind: 'recon',
    channel: 1,
    round: 1,
    first: true,
    nonce: 'ab'.repeat(8) as never,
    seq: 1,
    from: '',
    ranges,
  })
  const bounds = Array.from({ length: LIMITS.rangesPerReconMax }, (_, i) => ({
    kind: 'skip' as const,
    to: ((i + 1) * 16 + 1).toString(16).padStart(32, '0'),
  }))
  for (const message of [entries, fresh, recon([{ kind: 'final', to: KEY_END, items }]), recon(bounds)]) {
    expect(decodeFrame(encodeFrame([encodeMessage(message)]))).toEqual({ ok: true, messages: [message] })
  }
})

test('[WI-1] bytes fields are views into the frame', () => {
  const frame = encodeFrame([encodeMessage({ kind: 'presence', doc: { alias: 1, fresh: null }, bytes: new Uint8Array([1, 2, 3]) })])
  const decoded = decodeFrame(frame)
  expect(decoded.ok && (decoded.messages[0] as MessageOf<'presence'>).bytes.buffer).toBe(frame.buffer)
})

test('[WI-2] messages of later versions are skipped, and the rest of the frame arrives', () => {
  const pong = toHex(encodeMessage({ kind: 'pong', token: 7 }))
  expect(decodeHex(`20 03 ffffff ${pong} ff01 00 ${pong}`)).toEqual({
    ok: true,
    messages: [
      { kind: 'pong', token: 7 },
      { kind: 'pong', token: 7 },
    ],
  })
  expect(decodeHex('20 00')).toEqual({ ok: true, messages: [] })
})

test('[WI-2] two sides speak the highest version that both know, or none', () => {
  const table: [number, number, number, number, number | null][] = [
    [1, 1, 1, 1, 1],
    [1, 3, 2, 5, 3],
    [2, 5, 1, 3, 3],
    [1, 1, 2, 4, null],
    [2, 4, 1, 1, null],
    [1, 9, 4, 4, 4],
    [3, 2, 1, 9, null],
    [0, 0, 1, 999, null],
  ]
  for (const [aMin, aMax, bMin, bMax, shared] of table) {
    expect(highestShared({ versionMin: aMin, versionMax: aMax }, { versionMin: bMin, versionMax: bMax })).toBe(shared)
  }
})

test('[IN-1] the checksum is the CRC-32 of zlib', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat({ max: 9 }), (bytes, start) => {
      expect(crc32(bytes, Math.min(start, bytes.length))).toBe(zlibCrc32(bytes.subarray(start)))
    }),
  )
})

test('[IN-1] every single flipped bit of a frame is noticed', () => {
  const messages = fc.sample(anyMessage, { numRuns: 12, seed: 7 })
  const frame = encodeFrame(messages.map(encodeMessage))
  for (let bit = 0; bit < 8 * frame.length; bit++) {
    frame[bit >> 3]! ^= 1 << (bit & 7)
    expect(decodeFrame(frame)).toMatchObject({ ok: false, code: 'frame-corrupt' })
    frame[bit >> 3]! ^= 1 << (bit & 7)
  }
  expect(decodeFrame(frame).ok).toBe(true)
})

/** One message: tag, length and payload. */
function raw(tag: string, payload: string): string {
  const length = payload.replaceAll(' ', '').length / 2
  return `${tag}${length.toString(16).padStart(2, '0')}${payload}`
}

/** A RECON message of channel 0 with `ranges`, its count included. */
function rawRanges(ranges: string): string {
  return raw('06', `00 01 01 ${'00'.repeat(8)} 05 00 ${ranges}`)
}

const refused: readonly [what: string, hex: string, reason: string][] = [
  ['no message', '', 'no message'],
  ['half a tag', '80', 'ends early'],
  ['a tag without length', '13', 'ends early'],
  ['a tag in a longer form', '9300 0107', 'longer form'],
  ['a length beyond the frame', '13 02 07', 'message ends early'],
  ['a length of 2^53-1', '13 ffffffffffffff0f 07', 'message ends early'],
  ['a number of 2^53', raw('13', '8080808080808010'), 'above 2^53'],
  ['a varint of 11 bytes', raw('13', '8080808080808080808001'), 'above 2^53'],
  ['a varint without end', raw('13', `${'80'.repeat(100)}01`), 'above 2^53'],
  ['a number in a longer form', raw('13', '8700'), 'longer form'],
  ['a byte after the last field', raw('13', '0707'), 'trailing bytes'],
  ['a missing field', raw('13', ''), 'ends early'],
  ['a flag of 2', raw('0d', '00 02 05 02 6f6b 02 00'), 'flag'],
  ['an enum beyond its values', raw('02', '00 03 0011223344556677 05'), 'enum'],
  ['a presence byte of 2', raw('04', '00 05 02'), 'flag'],
  ['text that is not UTF-8', raw('15', '01 ff 01 61'), 'not UTF-8'],
  ['text with an encoded surrogate', raw('15', '03 eda080 01 61'), 'not UTF-8'],
  ['text over the limit', raw('15', '8108 '), 'bytes'],
  ['an empty document id', raw('11', '01 00 00'), 'not an id'],
  ['a document id with NUL', raw('11', '01 01 00 00'), 'not an id'],
  ['an alias above the limit', raw('11', '80897a'), 'alias'],
  ['rows that cannot fit', raw('03', '00 00 ff1f 0000'), 'elements'],
  ['2^53-1 keys', raw('08', '00 ffffffffffffff0f'), 'elements'],
  ['a bound that does not ascend', rawRanges('02 40 20 40 20'), 'ascend'],
  ['a bound with a trailing zero byte', rawRanges('01 80 20 00'), 'ascend'],
  ['a bound in a longer form', rawRanges('01 00 03 202020'), 'longer form'],
  ['a bound longer than a key', rawRanges(`01 04 10 ${'20'.repeat(16)}`), 'longer than a key'],
  ['a range after the end of the keys', rawRanges('02 00 00 40 20'), 'beyond the end'],
  ['more ranges than fit', rawRanges('03 40 20 40 21'), 'elements'],
  ['items that cannot fit', rawRanges('01 42 20 ff1f'), 'elements'],
]

for (const [what, hex, reason] of refused) {
  test(`[IN-1] ${what} is refused`, () => {
    const decoded = decodeHex(hex)
    expect(decoded).toMatchObject({ ok: false, code: 'message-malformed' })
    expect(decoded.ok || decoded.reason).toContain(reason)
  })
}

test('[IN-1] frames that are empty, short, too large or too full are refused', () => {
  expect(decodeFrame(new Uint8Array(0))).toMatchObject({ ok: false, code: 'frame-corrupt' })
  expect(decodeFrame(new Uint8Array(3))).toMatchObject({ ok: false, code: 'frame-corrupt' })
  expect(decodeFrame(new Uint8Array(4))).toMatchObject({ ok: false, code: 'message-malformed' })
  expect(decodeFrame(new Uint8Array(LIMITS.nativeFrameBytesMax + 1))).toMatchObject({ ok: false, code: 'frame-too-large' })
  const pings = new Uint8Array(3 * (LIMITS.messagesPerFrameMax + 1)).map((_, i) => [19, 1, 0][i % 3]!)
  expect(decodeFrame(frameOf(pings))).toMatchObject({ ok: false, code: 'message-malformed' })
  expect(decodeFrame(frameOf(pings.subarray(3))).ok).toBe(true)
})

test('[IN-1] the encoder refuses to send what a decoder would refuse', () => {
  const ref = { alias: 0, fresh: null }
  const recon = (ranges: MessageOf<'recon'>['ranges']): Message => ({
    kind: 'recon',
    channel: 1,
    round: 1,
    first: true,
    nonce: 'ab'.repeat(8) as never,
    seq: 1,
    from: '',
    ranges,
  })
  const wrong: Message[] = [
    { kind: 'ack', channel: 0, seq: -1 },
    { kind: 'ack', channel: 0, seq: 1.5 },
    { kind: 'ack', channel: 0, seq: 2 ** 53 },
    { kind: 'error', code: 'x', reason: 'x'.repeat(LIMITS.textBytesMax + 1) },
    { kind: 'compare', doc: { alias: LIMITS.aliasesPerLinkMax, fresh: null } },
    { kind: 'verify', doc: ref, digest: 'ab' as never, content: new Uint8Array(32) },
    { kind: 'verify', doc: ref, digest: 'ab'.repeat(16) as never, content: new Uint8Array(31) },
    { kind: 'verified', doc: ref, verdict: 'maybe' as never, range: null },
    recon([
      { kind: 'skip', to: 'b' },
      { kind: 'skip', to: 'a' },
    ]),
    recon([{ kind: 'skip', to: '' }]),
    recon([{ kind: 'skip', to: 'xyz' }]),
  ]
  for (const message of wrong) expect(() => encodeMessage(message), JSON.stringify(message)).toThrow()
  expect(() => encodeFrame([])).toThrow()
  expect(() => encodeFrame([new Uint8Array(LIMITS.nativeFrameBytesMax)])).toThrow()
})

test('[IN-1] 200,000 random and mutated frames: none throws, and what is accepted is what the encoder would have sent', () => {
  const seed = Number(process.env['SYNCLINE_SEED'] ?? 20_260_701)
  const random = randomOf(seed)
  const corpus = fc.sample(anyMessage, { numRuns: 600, seed }).map(encodeMessage)
  const counts = { cases: 0, accepted: 0, skipped: 0 }
  for (; counts.cases < 200_000; counts.cases++) {
    const bytes = counts.cases % 10 === 0 ? Uint8Array.from({ length: random(60) }, () => random(256)) : mutant(corpus, random)
    const replay = (): string => `replay: SYNCLINE_SEED=${seed} case ${counts.cases} ${toHex(bytes)}`
    const decoded = decoding(bytes, replay)
    if (!decoded.ok) continue
    counts.accepted++
    const again = decoded.messages.map((message) => toHex(encodeMessage(message))).join('')
    if (again === toHex(bytes)) continue
    counts.skipped++
    expect(hasUnknownTag(bytes), `${replay()}: accepted, but not what an encoder sends`).toBe(true)
  }
  console.log(`codec fuzz: ${counts.cases} frames, ${counts.accepted} accepted, ${counts.skipped} of these with messages of unknown tags`)
  expect(counts.accepted).toBeGreaterThan(10_000)
}, 120_000)

function decoding(bytes: Uint8Array, replay: () => string): Decoded {
  try {
    return decodeFrame(frameOf(bytes))
  } catch (error) {
    throw new Error(replay(), { cause: error })
  }
}

function hasUnknownTag(bytes: Uint8Array): boolean {
  let at = 0
  const varuint = (): number => {
    let value = 0
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[at++]!
      value += (byte & 127) * scale
      if (byte < 128) return value
    }
  }
  while (at < bytes.length) {
    if (varuint() >= messageKinds.length) return true
    const length = varuint()
    at += length
  }
  return false
}

test('[IN-1] a document id that a reader accepts is the id that was sent', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', minLength: 1, maxLength: 20 }), (name) => {
      fc.pre(docIdOrNull(name) !== null)
      const message: Message = { kind: 'compare', doc: { alias: 0, fresh: { doc: name as never, epoch: 0 } } }
      expect(decodeFrame(encodeFrame([encodeMessage(message)]))).toEqual({ ok: true, messages: [message] })
    }),
  )
})
