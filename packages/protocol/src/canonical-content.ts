// The content of a document as canonical runs: the same runs whatever the update that carries it looks like. Decides what "the same content" is:
// per id its place (origin, right origin, parent, map key) and its value while it is live, and nothing but its being deleted when it is not.
// That is independent of how structs were merged or split, of garbage collection, and of how Yjs writes a value again. Rules: CV-3.
//
// Text has one trap. Yjs replaces both halves of a surrogate pair by U+FFFD when it must cut between them, and where it must cut shows in the
// structs: someone's origin or right origin lies there, or one half is deleted. An update that was not loaded by Yjs yet still holds the pair.
// So the pairs that such ids break are read as broken.

import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'
import { rangeAfter } from './delete-ranges.ts'
import { Knowledge } from './knowledge.ts'
import { REF, UpdateReader } from './update-reader.ts'
import { isRefusal, UpdateFacts, walkUpdate } from './update-walker.ts'

/** Clocks [from, to) of one client: deleted, or live content of one kind in one unbroken chain. */
export interface CanonicalRun {
  readonly client: number
  readonly from: number
  readonly to: number
  /** Canonical bytes of kind, place and value; equal exactly for equal content. Empty: deleted. */
  readonly bytes: Uint8Array
  /** The text, when it is one; `bytes` holds it, too. */
  readonly text: string | null
}

const REPLACEMENT = '\ufffd'
const SURROGATE = /[\ud800-\udfff]/
const DELETED = new Uint8Array(0)
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

/** The runs of a document, clients descending and clocks ascending. `state`: one full update, or the updates that make it up in any order (a snapshot
 *  and its tail). Null when the gate refuses one, when clocks are missing between them, or when they delete what they do not hold. */
export function canonicalRuns(state: Uint8Array | readonly Uint8Array[]): CanonicalRun[] | null {
  const updates = state instanceof Uint8Array ? [state] : state
  const lists = { structs: [] as number[], deletes: [] as number[], structDeletes: [] as number[] }
  for (const update of updates) {
    const facts = walkUpdate(update)
    if (isRefusal(facts)) return null
    for (const list of ['structs', 'deletes', 'structDeletes'] as const) for (const value of facts[list]) lists[list].push(value)
  }
  const whole = Object.assign(new UpdateFacts(), lists)
  const places = placesOf(updates)
  if (places === null) return null
  const ends = new Map(places.map(({ client, end }) => [client, end]))
  for (let i = 0; i < whole.deletes.length; i += 3) if (whole.deletes[i + 2]! > (ends.get(whole.deletes[i]!) ?? 0)) return null
  const knowledge = new Knowledge()
  knowledge.admit(whole)
  const writer = new RunWriter(knowledge, brokenPairs(updates))
  const reader = new UpdateReader()
  for (const { client, structs } of places) {
    let done = 0
    for (const { update, clock, end, at } of structs) {
      if (end <= done) continue
      reader.seek(update, at, client, clock)
      reader.struct()
      writer.add(reader, done)
      done = end
    }
  }
  return writer.finish()
}

/** Where a struct stands. */
interface Place {
  readonly update: Uint8Array
  readonly at: number
  readonly clock: number
  readonly end: number
}

/** Every struct by client, descending, and clock; where two updates hold the same ids, the earlier update comes first. Null for a gap. */
function placesOf(updates: readonly Uint8Array[]): { client: number; end: number; structs: Place[] }[] | null {
  const byClient = new Map<number, Place[]>()
  eachStruct(updates, (reader) => {
    if (reader.ref === REF.skip) return
    const place = { update: reader.bytes, at: reader.structStart, clock: reader.clock, end: reader.clock + reader.length }
    const places = byClient.get(reader.client)
    if (places === undefined) byClient.set(reader.client, [place])
    else places.push(place)
  })
  const clients: { client: number; end: number; structs: Place[] }[] = []
  for (const [client, structs] of byClient) {
    structs.sort((a, b) => a.clock - b.clock)
    let end = 0
    for (const struct of structs) {
      if (struct.clock > end) return null
      end = Math.max(end, struct.end)
    }
    clients.push({ client, end, structs })
  }
  return clients.sort((a, b) => b.client - a.client)
}

function eachStruct(updates: readonly Uint8Array[], visit: (reader: UpdateReader) => void): void {
  const reader = new UpdateReader()
  for (const update of updates) {
    for (let runs = reader.open(update); runs > 0; runs--) {
      for (reader.run(); reader.left > 0; reader.advance()) {
        reader.struct()
        visit(reader)
      }
    }
  }
}

type IdSet = Map<number, Set<number>>

/** Ids of the low surrogates that some struct's origin or right origin parts from their high ones. */
function brokenPairs(updates: readonly Uint8Array[]): IdSet {
  const pairs: IdSet = new Map()
  const broken: IdSet = new Map()
  eachStruct(updates, (reader) => {
    // all ASCII where there are as many bytes as units
    if (reader.ref !== REF.string || reader.length === reader.textEnd - reader.textStart) return
    const text = textOf(reader)
    if (!SURROGATE.test(text)) return
    for (let i = 1; i < text.length; i++) if (isLow(text.charCodeAt(i))) addId(pairs, reader.client, reader.clock + i)
  })
  if (pairs.size === 0) return broken
  eachStruct(updates, (reader) => {
    if (reader.originClient !== 0 && pairs.get(reader.originClient)?.has(reader.originClock + 1))
      addId(broken, reader.originClient, reader.originClock + 1)
    if (reader.rightClient !== 0 && pairs.get(reader.rightClient)?.has(reader.rightClock))
      addId(broken, reader.rightClient, reader.rightClock)
  })
  return broken
}

function addId(set: IdSet, client: number, clock: number): void {
  const clocks = set.get(client)
  if (clocks === undefined) set.set(client, new Set([clock]))
  else clocks.add(clock)
}

function isLow(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff
}

function textOf(reader: UpdateReader): string {
  return decoder.decode(reader.bytes.subarray(reader.textStart, reader.textEnd))
}

/** Collects structs into runs. A run of text or values grows while each id follows its predecessor: same kind, origin one clock before, same right origin. */
class RunWriter {
  private readonly runs: CanonicalRun[] = []
  private readonly state: Knowledge
  private readonly broken: IdSet
  private client = 0
  private from = 0
  private to = 0
  /** Kind of the run under way; -1: none. Deleted content is one kind. */
  private kind = -1
  private rightClient = 0
  private rightClock = 0
  private text = ''
  private out = encoding.createEncoder()
  /** Text or values of the struct under way, decoded when its first live stretch needs them. */
  private units: string | readonly unknown[] | null = null

  constructor(state: Knowledge, broken: IdSet) {
    this.state = state
    this.broken = broken
  }

  finish(): CanonicalRun[] {
    this.flush()
    return this.runs
  }

  /** Adds the struct read last, from `done` on: its deleted stretches and its live ones. */
  add(reader: UpdateReader, done: number): void {
    const end = reader.clock + reader.length
    const deleted = this.state.deletedOf(reader.client)
    const start = Math.max(reader.clock, done)
    this.units = null
    let at = rangeAfter(deleted, start)
    for (let clock = start; clock < end;) {
      const nextDeleted = at < deleted.length ? deleted[at]! : Infinity
      if (clock < nextDeleted) {
        const to = Math.min(end, nextDeleted)
        this.addLive(reader, clock, to)
        clock = to
      } else {
        const to = Math.min(end, deleted[at + 1]!)
        this.addDeleted(reader.client, clock, to)
        clock = to
        at += 2
      }
    }
  }

  private addDeleted(client: number, from: number, to: number): void {
    if (this.kind !== REF.deleted || this.client !== client) this.begin(client, from, REF.deleted)
    this.to = to
  }

  private addLive(reader: UpdateReader, from: number, to: number): void {
    const { client, ref } = reader
    const inside = from > reader.clock
    const follows = inside || (reader.originClient === client && reader.originClock === from - 1)
    const chained = ref === REF.string || ref === REF.any || ref === REF.json
    const grows = follows && chained && this.kind === ref && this.client === client && this.to === from && this.sameRight(reader)
    if (!grows) {
      this.begin(client, from, ref)
      this.writePlace(reader, inside)
      this.rightClient = reader.rightClient
      this.rightClock = reader.rightClock
    }
    this.to = to
    if (ref === REF.string) {
      this.units ??= textOf(reader)
      this.text += this.liveText(this.units as string, reader, from, to)
    } else if (chained) {
      this.units ??= readValues(reader)
      for (let clock = from; clock < to; clock++) writeValue(this.out, this.units[clock - reader.clock], ref === REF.json)
    } else {
      writeContent(this.out, reader)
    }
  }

  private sameRight(reader: UpdateReader): boolean {
    return this.rightClient === reader.rightClient && (reader.rightClient === 0 || this.rightClock === reader.rightClock)
  }

  private begin(client: number, from: number, kind: number): void {
    this.flush()
    this.client = client
    this.from = from
    this.kind = kind
  }

  private flush(): void {
    if (this.kind < 0) return
    const { client, from, to, kind } = this
    const text = kind === REF.string ? this.text : null
    if (text !== null) encoding.writeVarString(this.out, text)
    this.runs.push({ client, from, to, bytes: kind === REF.deleted ? DELETED : encoding.toUint8Array(this.out), text })
    this.kind = -1
    this.text = ''
    this.out = encoding.createEncoder()
  }

  private writePlace(reader: UpdateReader, inside: boolean): void {
    const { out } = this
    const originClient = inside ? reader.client : reader.originClient
    encoding.writeUint8(out, reader.ref)
    encoding.writeVarUint(out, originClient)
    if (originClient !== 0) encoding.writeVarUint(out, inside ? this.from - 1 : reader.originClock)
    encoding.writeVarUint(out, reader.rightClient)
    if (reader.rightClient !== 0) encoding.writeVarUint(out, reader.rightClock)
    if (originClient !== 0 || reader.rightClient !== 0) return
    encoding.writeVarUint(out, reader.parentClient)
    if (reader.parentClient !== 0) encoding.writeVarUint(out, reader.parentClock)
    else encoding.writeVarUint8Array(out, reader.bytes.subarray(reader.rootStart, reader.rootEnd))
    encoding.writeUint8(out, reader.keyStart < 0 ? 0 : 1)
    if (reader.keyStart >= 0) encoding.writeVarUint8Array(out, reader.bytes.subarray(reader.keyStart, reader.keyEnd))
  }

  /** Clocks [from, to) of a text struct, as Yjs shows them. */
  private liveText(whole: string, reader: UpdateReader, from: number, to: number): string {
    const part = whole.slice(from - reader.clock, to - reader.clock)
    if (!SURROGATE.test(part)) return part
    const broken = this.broken.get(reader.client)
    let text = ''
    for (let i = 0; i < part.length; i++) {
      const low = isLow(part.charCodeAt(i)) ? i : isLow(part.charCodeAt(i + 1)) ? i + 1 : -1
      // a half whose other half is deleted, or parted from it
      const half = low === 0 || low < 0
      text += SURROGATE.test(part[i]!) && (half || broken?.has(from + low)) ? REPLACEMENT : part[i]
    }
    return text
  }
}

/** The elements of the array content read last. */
function readValues(reader: UpdateReader): unknown[] {
  const input = decoding.createDecoder(reader.bytes)
  input.pos = reader.contentStart
  const values: unknown[] = []
  for (let left = decoding.readVarUint(input); left > 0; left--) {
    values.push(reader.ref === REF.any ? decoding.readAny(input) : parseJson(decoding.readVarString(input)))
  }
  return values
}

/** Writes content of length 1 that is no array. */
function writeContent(out: encoding.Encoder, reader: UpdateReader): void {
  const input = decoding.createDecoder(reader.bytes)
  input.pos = reader.contentStart
  switch (reader.ref) {
    case REF.embed:
      return writeValue(out, parseJson(decoding.readVarString(input)), true)
    case REF.format:
      encoding.writeVarString(out, decoding.readVarString(input))
      return writeValue(out, parseJson(decoding.readVarString(input)), true)
    case REF.doc: {
      encoding.writeVarString(out, decoding.readVarString(input))
      // what Yjs keeps of the options
      const options = decoding.readAny(input) as { gc?: unknown; autoLoad?: unknown; meta?: unknown }
      return writeValue(out, [options.gc ?? true, options.autoLoad ?? false, options.meta ?? null], false)
    }
    default:
      // binary, and a type with its name: written in one way only
      encoding.writeUint8Array(out, reader.bytes.subarray(reader.contentStart, reader.at))
  }
}

/** Legacy content writes undefined as the bare word. */
function parseJson(text: string): unknown {
  return text === 'undefined' ? undefined : JSON.parse(text)
}

/** One encoding per value: lib0 derives a number's form from the number, JSON.stringify likewise and escapes lone surrogates; keys are sorted. */
function writeValue(out: encoding.Encoder, value: unknown, json: boolean): void {
  if (json) encoding.writeVarString(out, String(JSON.stringify(sortKeys(value))))
  else encoding.writeAny(out, sortKeys(value) as Parameters<typeof encoding.writeAny>[1])
}

function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys)
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(entries.map(([key, item]) => [key, sortKeys(item)]))
}
