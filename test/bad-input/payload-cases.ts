// Bad and hostile Yjs updates, catalogue 48 to 86, as data: bytes, what the document had before, and the one answer that is right at every door. An update goes in as
// one row of ENTRIES (a DIFF where a frame is too small), as one update of each foreign protocol, and as the body of a request. Cases 52, 53 and 85 are many updates: payload-swarm.test.ts.

import * as Y from 'yjs'
import { after, deletes, entry, gc, inside, rooted, run, s, skip, update, v } from '../../packages/protocol/test/update-bytes.ts'
import { REF } from '../../packages/protocol/src/update-reader.ts'

/** refused: not stored, and said with a code. held: waits in the bounded table for what it lacks, and is asked for. known: adds nothing. taken: valid; stored and
 *  forwarded byte for byte. cut: the part that fits is stored and forwarded, the rest is held. */
export type Outcome =
  | { readonly kind: 'refused'; readonly words: string }
  | { readonly kind: 'held' }
  | { readonly kind: 'known' }
  | { readonly kind: 'taken'; readonly shows?: (doc: Y.Doc) => unknown; readonly as?: unknown }
  | { readonly kind: 'cut'; readonly stored: Uint8Array }

export interface PayloadCase {
  readonly number: number
  readonly what: string
  readonly sent: () => Uint8Array
  /** What the document has before, written by somebody honest. */
  readonly before?: () => Uint8Array
  readonly outcome: Outcome
}

const malformed = (reason: string): Outcome => ({ kind: 'refused', words: `update-malformed: ${reason}` })
const limit = (reason: string): Outcome => ({ kind: 'refused', words: `update-limit: ${reason}` })
const forbidden = (reason: string): Outcome => ({ kind: 'refused', words: `update-forbidden: ${reason}` })
const HELD: Outcome = { kind: 'held' }
const TAKEN: Outcome = { kind: 'taken' }

const text = (content: string): number[] => [...s(content)]
const ABC = (): Uint8Array => update([run(5, 0, rooted(REF.string, text('abc')))])
const NULL = 126
/** One value of a map entry. */
const value = (...bytes: number[]): number[] => entry(REF.any, 'k', [1, ...bytes])

/** What Yjs itself encodes after `edit`. */
function written(edit: (doc: Y.Doc) => void, clientId = 5): Uint8Array {
  const doc = new Y.Doc()
  doc.clientID = clientId
  edit(doc)
  return Y.encodeStateAsUpdate(doc)
}

const inMap = (entryValue: unknown): Uint8Array => written((doc) => doc.getMap('t').set('k', entryValue))
const mapOf = (doc: Y.Doc): unknown => doc.getMap('t').get('k')
const lengthOfText = (doc: Y.Doc): number => doc.getText('t').length

export const payloadCases: readonly PayloadCase[] = [
  { number: 48, what: 'no bytes at all', sent: () => new Uint8Array(0), outcome: { kind: 'refused', words: 'update-malformed' } },
  { number: 49, what: 'a single 0', sent: () => Uint8Array.of(0), outcome: malformed('truncated') },
  { number: 50, what: 'V2 bytes', sent: versionTwo, outcome: { kind: 'refused', words: 'update-malformed' } },
  { number: 51, what: 'a V2 run-length bomb', sent: versionTwoBomb, outcome: { kind: 'refused', words: 'update-malformed' } },
  {
    number: 54,
    what: 'thirty million structs announced',
    sent: () => Uint8Array.from([1, ...v(3e7), 5, 0, 0, 1, 0]),
    outcome: malformed('count-beyond-bytes'),
  },
  {
    number: 55,
    what: 'five billion structs announced',
    sent: () => Uint8Array.from([1, ...v(5e9), 5, 0, 0, 1, 0]),
    outcome: malformed('count-beyond-bytes'),
  },
  {
    number: 56,
    what: 'a delete set of a billion clients announced',
    sent: () => Uint8Array.from([0, ...v(1e9), 5, 1, 0, 1]),
    outcome: malformed('count-beyond-bytes'),
  },
  { number: 57, what: 'delete the future', sent: () => update([], [deletes(7, [0, 2 ** 40])]), outcome: HELD },
  { number: 57, what: 'delete beyond the last clock', sent: () => update([], [deletes(7, [0, 2 ** 40 + 1])]), outcome: limit('clock') },
  { number: 58, what: 'a collected struct of 2^53-1 ids', sent: () => update([run(7, 0, gc(2 ** 53 - 1))]), outcome: limit('clock') },
  { number: 59, what: 'clock 2^53-2 and two ids', sent: () => update([run(7, 2 ** 53 - 2, gc(2))]), outcome: limit('clock') },
  { number: 60, what: 'a struct of length zero', sent: () => update([run(7, 0, gc(0))]), outcome: malformed('zero-length') },
  {
    number: 61,
    what: 'a Skip in the middle',
    sent: () => update([run(5, 0, rooted(REF.string, text('a')), skip(2), rooted(REF.string, text('b')))]),
    outcome: { kind: 'cut', stored: update([run(5, 0, rooted(REF.string, text('a')))]) },
  },
  { number: 62, what: "a gap in the client's own clock", sent: () => update([run(5, 3, rooted(REF.string, text('a')))]), outcome: HELD },
  { number: 63, what: 'a dependency that nobody has', sent: () => update([run(5, 0, after(6, 9, REF.string, text('a')))]), outcome: HELD },
  {
    number: 64,
    what: 'a struct that depends on itself',
    sent: () => update([run(5, 0, after(5, 0, REF.string, text('a')))]),
    outcome: malformed('self-reference'),
  },
  {
    number: 64,
    what: 'two structs that depend on each other',
    sent: () => update([run(6, 0, after(5, 0, REF.string, text('a'))), run(5, 0, after(6, 0, REF.string, text('a')))]),
    outcome: malformed('circular'),
  },
  {
    number: 65,
    what: 'a parent that is no type',
    before: ABC,
    sent: () => update([run(6, 0, inside(5, 1, REF.string, text('child')))]),
    // Yjs collects such an item at once, on every replica.
    outcome: { kind: 'taken', shows: (doc) => doc.getText('t').toString(), as: 'abc' },
  },
  {
    number: 66,
    what: 'two runs of one client',
    sent: () => update([run(5, 0, rooted(REF.string, text('a'))), run(5, 1, rooted(REF.string, text('b')))]),
    outcome: malformed('client-order'),
  },
  {
    number: 68,
    what: 'other content under ids that exist',
    before: ABC,
    sent: () => update([run(5, 0, rooted(REF.string, text('xyz')))]),
    outcome: { kind: 'known' },
  },
  { number: 69, what: 'client 0', sent: () => update([run(0, 0, rooted(REF.string, text('a')))]), outcome: forbidden('reserved-client') },
  { number: 69, what: 'client 2^53-1', sent: () => update([run(2 ** 53 - 1, 0, rooted(REF.string, text('a')))]), outcome: TAKEN },
  { number: 69, what: 'client 2^53', sent: () => update([run(2 ** 53, 0, rooted(REF.string, text('a')))]), outcome: malformed('varint') },
  {
    number: 70,
    what: 'fifty thousand one-clock deletes',
    before: () => update([run(5, 0, rooted(REF.string, text('x'.repeat(100_000))))]),
    sent: () => everySecond(50_000),
    outcome: { kind: 'taken', shows: lengthOfText, as: 50_000 },
  },
  { number: 70, what: 'fifty thousand deletes of what nobody has', sent: () => everySecond(50_000), outcome: HELD },
  { number: 71, what: 'a value nested ten thousand deep', sent: () => nestedValue(10_000), outcome: limit('value-depth') },
  { number: 72, what: 'types nested four thousand deep', sent: () => nestedTypes(4_000), outcome: limit('type-depth') },
  {
    number: 73,
    what: 'a hundred thousand elements in one value',
    sent: () => inMap(Array.from({ length: 100_000 }, () => 0)),
    outcome: { kind: 'taken', shows: (doc) => (mapOf(doc) as unknown[]).length, as: 100_000 },
  },
  {
    number: 74,
    what: 'a string of ten megabytes',
    sent: () => written((doc) => doc.getText('t').insert(0, 'x'.repeat(10_000_000))),
    outcome: { kind: 'taken', shows: lengthOfText, as: 10_000_000 },
  },
  {
    number: 75,
    what: 'a lone surrogate',
    sent: () => update([run(5, 0, rooted(REF.string, [3, 0xed, 0xa0, 0x80]))]),
    outcome: malformed('utf8'),
  },
  { number: 76, what: 'a BigInt cut to 32 bits', sent: () => update([run(5, 0, value(122, 1, 2, 3, 4))]), outcome: malformed('truncated') },
  {
    number: 76,
    what: 'a BigInt of 64 bits',
    sent: () => inMap(-(2n ** 63n)),
    outcome: { kind: 'taken', shows: mapOf, as: -(2n ** 63n) },
  },
  ...[Number.NaN, -0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY].map((number): PayloadCase => ({
    number: 77,
    what: Object.is(number, -0) ? 'minus zero' : String(number),
    sent: () => inMap(number),
    outcome: { kind: 'taken', shows: mapOf, as: number },
  })),
  {
    number: 78,
    what: 'the key __proto__',
    sent: () => update([run(5, 0, entry(REF.any, '__proto__', [1, NULL]))]),
    outcome: forbidden('proto-key'),
  },
  {
    number: 78,
    what: 'the key __proto__ inside a value',
    sent: () => update([run(5, 0, value(118, 1, ...s('__proto__'), NULL))]),
    outcome: forbidden('proto-key'),
  },
  ...['constructor', '', 'k'.repeat(900_000)].map((key): PayloadCase => ({
    number: 78,
    what: `the key ${key.length > 20 ? 'of 900 kB' : JSON.stringify(key)}`,
    sent: () => written((doc) => doc.getMap('t').set(key, 1)),
    outcome: { kind: 'taken', shows: (doc) => doc.getMap('t').get(key), as: 1 },
  })),
  {
    number: 79,
    what: 'a root of another type under a name that is there',
    before: ABC,
    sent: () => update([run(6, 0, entry(REF.any, 'k', [1, NULL]))]),
    // No schema says which types there are: a root is what its reader takes it for, and holds both.
    outcome: { kind: 'taken', shows: (doc) => [copyOf(doc).getText('t').toString(), copyOf(doc).getMap('t').get('k')], as: ['abc', null] },
  },
  {
    number: 80,
    what: 'a subdocument whose options replace its guid',
    sent: () => subdocument('a', [...v(1), ...s('guid'), 119, ...s('b')]),
    outcome: forbidden('subdoc-options'),
  },
  {
    number: 80,
    what: 'a subdocument with a foreign guid',
    sent: () => subdocument('../../other/secret', [...v(1), ...s('autoLoad'), 120]),
    // A name like any other: a relay opens nothing that it names.
    outcome: { kind: 'taken', shows: (doc) => [...doc.getSubdocs()].map(({ guid }) => guid), as: ['../../other/secret'] },
  },
  {
    number: 81,
    what: 'an embed in a map',
    sent: () => update([run(5, 0, entry(REF.embed, 'k', s('{}')))]),
    outcome: forbidden('map-content'),
  },
  {
    number: 81,
    what: 'a format in a map',
    sent: () => update([run(5, 0, entry(REF.format, 'k', [...s('bold'), ...s('true')]))]),
    outcome: forbidden('map-content'),
  },
  ...Array.from({ length: 21 }, (_, index): PayloadCase => ({
    number: 82,
    what: `content ${11 + index}`,
    sent: () => update([run(5, 0, rooted(11 + index, [1, 1]))]),
    outcome: malformed('content-ref'),
  })),
  { number: 83, what: 'type 7', sent: () => update([run(5, 0, rooted(REF.type, [7]))]), outcome: malformed('type-ref') },
  { number: 84, what: 'sixty-five thousand clients', sent: () => manyClients(65_000), outcome: TAKEN },
  { number: 84, what: 'a hundred thousand clients', sent: () => manyClients(100_000), outcome: limit('clients') },
  {
    number: 86,
    what: 'a few bytes that stand for 2^39 ids',
    sent: () => update([run(5, 0, gc(2 ** 39))]),
    outcome: { kind: 'taken', shows: (doc) => Y.encodeStateAsUpdate(doc).length < 100, as: true },
  },
  {
    number: 86,
    what: 'four billion elements announced in one value',
    sent: () => update([run(5, 0, value(117, ...v(2 ** 32 - 1)))]),
    outcome: malformed('count-beyond-bytes'),
  },
  {
    number: 27,
    what: 'an embed whose JSON is NaN',
    sent: () => update([run(5, 0, rooted(REF.embed, s('NaN')))]),
    outcome: malformed('json'),
  },
  {
    number: 28,
    what: 'bytes after the update',
    sent: () => Uint8Array.from([...update([run(5, 0, rooted(REF.string, text('a')))]), 0]),
    outcome: malformed('trailing-bytes'),
  },
]

/** A Y.Doc takes a root for one type only. */
function copyOf(doc: Y.Doc): Y.Doc {
  const copy = new Y.Doc()
  Y.applyUpdate(copy, Y.encodeStateAsUpdate(doc))
  return copy
}

function versionTwo(): Uint8Array {
  const doc = new Y.Doc()
  doc.getText('t').insert(0, 'hello')
  doc.getMap('m').set('k', [1, 2, 3])
  return Y.encodeStateAsUpdateV2(doc)
}

/** V2 columns are run-length coded and their end is not checked: two structs that are said four billion times (TRAPS T9). */
function versionTwoBomb(): Uint8Array {
  const column = (...bytes: number[]): number[] => [bytes.length, ...bytes]
  const columns = [column(), column(5), column(), column(), column(0), column(...s(''), 0), column(), column(), column(1)]
  return Uint8Array.from([0, ...columns.flat(), 1, ...v(2 ** 32), 0, 0])
}

/** Deletes clocks 0, 2, 4, ... of client 5. */
function everySecond(count: number): Uint8Array {
  const bytes: number[] = [0, 1, 5, ...v(count)]
  for (let i = 0; i < count; i++) {
    for (const byte of v(2 * i)) bytes.push(byte)
    bytes.push(1)
  }
  return Uint8Array.from(bytes)
}

function nestedValue(depth: number): Uint8Array {
  return update([run(5, 0, entry(REF.any, 'k', [1, ...Array.from({ length: depth }, () => [117, 1]).flat(), NULL]))])
}

function nestedTypes(depth: number): Uint8Array {
  const structs = Array.from({ length: depth }, (_, clock) => (clock === 0 ? rooted(REF.type, [0]) : inside(5, clock - 1, REF.type, [0])))
  return update([run(5, 0, ...structs)])
}

function subdocument(guid: string, options: number[]): Uint8Array {
  return update([run(5, 0, entry(REF.doc, 'k', [...s(guid), 118, ...options]))])
}

/** One collected id each. */
function manyClients(count: number): Uint8Array {
  const bytes: number[] = [...v(count)]
  for (let client = count; client > 0; client--) bytes.push(1, ...v(client), 0, 0, 1)
  bytes.push(0)
  return Uint8Array.from(bytes)
}
