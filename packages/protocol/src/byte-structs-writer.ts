// Writes one client's structs, each as long as it can be: what follows its predecessor without a break becomes one item, as Yjs merges items, deleted content
// becomes its length, and what is collected becomes a GC struct. Decides when two neighbours are one item. Read by byte-compactor.ts. Rules: I4, CV-1.
//
// An id keeps its origin, right origin, parent and key: within an item the origin of each clock is the clock before. Yjs merges two items only if nothing stands
// between them in the list at that moment; what is merged here is split again, at the same place and into the same items, by whatever names the id between.
// So merging loses nothing, and the result is never longer than what Yjs writes.

import { readJson, skipValue } from './any-value.ts'
import { ByteSink } from './byte-sink.ts'
import { StrictReader } from './strict-reader.ts'
import { HAS_MAP_KEY, HAS_ORIGIN, HAS_RIGHT_ORIGIN, REF, type UpdateReader } from './update-reader.ts'

const NOTHING = -1
/** U+FFFD, in place of half a surrogate pair. */
const REPLACEMENT = [0xef, 0xbf, 0xbd] as const

export class StructsWriter {
  /** The structs written, without the run's header. */
  readonly out: ByteSink
  /** How many structs that is. */
  count = 0

  private readonly content = new ByteSink(1024)
  private readonly values = new StrictReader()
  /** Kind of the struct under way: a content ref. */
  private kind = NOTHING
  private from = 0
  private to = 0
  private rightClient = 0
  private rightClock = 0

  constructor(out: ByteSink) {
    this.out = out
  }

  /** Adds clocks [from, to) of the struct read last, all of them deleted, collected or live; they follow what was added before. */
  add(reader: UpdateReader, from: number, to: number, state: 'live' | 'deleted' | 'collected'): void {
    const kind = state === 'live' ? reader.ref : state === 'deleted' ? REF.deleted : REF.gc
    if (!this.continues(reader, from, kind)) {
      this.flush()
      this.begin(reader, from, kind)
    }
    this.to = to
    if (kind === REF.string) this.addText(reader, from, to)
    else if (kind === REF.any || kind === REF.json) this.addValues(reader, from, to)
    else if (kind > REF.deleted) this.content.copy(reader.bytes, reader.contentStart, reader.at)
  }

  /** Ends the struct under way. */
  flush(): void {
    const { out, content, kind } = this
    if (kind === NOTHING) return
    if (kind === REF.gc || kind === REF.deleted || kind === REF.any || kind === REF.json) out.uint(this.to - this.from)
    else if (kind === REF.string) out.uint(content.length)
    out.add(content)
    content.reset()
    this.kind = NOTHING
    this.count++
  }

  private continues(reader: UpdateReader, from: number, kind: number): boolean {
    if (kind !== this.kind || from !== this.to) return false
    if (kind === REF.gc) return true
    if (kind !== REF.deleted && kind !== REF.string && kind !== REF.any && kind !== REF.json) return false
    const follows = from > reader.clock || (reader.originClient === reader.client && reader.originClock === from - 1)
    return follows && reader.rightClient === this.rightClient && (this.rightClient === 0 || reader.rightClock === this.rightClock)
  }

  private begin(reader: UpdateReader, from: number, kind: number): void {
    this.kind = kind
    this.from = from
    const { out } = this
    if (kind === REF.gc) return out.byte(REF.gc)
    this.rightClient = reader.rightClient
    this.rightClock = reader.rightClock
    const inside = from > reader.clock
    const flags = (reader.info & ~0x1f) | (inside ? HAS_ORIGIN : 0)
    // Whether it has a key says nothing where the key is that of the neighbour: left out, so that equal structs are equal bytes, wherever they were cut.
    const isNeighbour = (flags & (HAS_ORIGIN | HAS_RIGHT_ORIGIN)) !== 0
    out.byte((isNeighbour ? flags & ~HAS_MAP_KEY : flags) | kind)
    if ((flags & HAS_ORIGIN) !== 0) {
      out.uint(inside ? reader.client : reader.originClient)
      out.uint(inside ? from - 1 : reader.originClock)
    }
    if ((flags & HAS_RIGHT_ORIGIN) !== 0) {
      out.uint(reader.rightClient)
      out.uint(reader.rightClock)
    }
    if (!isNeighbour) this.writeParent(reader)
  }

  private writeParent(reader: UpdateReader): void {
    const { out } = this
    if (reader.parentClient === 0) {
      out.byte(1)
      this.writeText(reader.bytes, reader.rootStart, reader.rootEnd)
    } else {
      out.byte(0)
      out.uint(reader.parentClient)
      out.uint(reader.parentClock)
    }
    if (reader.keyStart >= 0) this.writeText(reader.bytes, reader.keyStart, reader.keyEnd)
  }

  private writeText(bytes: Uint8Array, from: number, to: number): void {
    this.out.uint(to - from)
    this.out.copy(bytes, from, to)
  }

  /** Yjs counts text in UTF-16 units, and writes U+FFFD for what is left of a pair that is cut. */
  private addText(reader: UpdateReader, from: number, to: number): void {
    const { content } = this
    const { bytes, clock, length, textStart, textEnd } = reader
    const [first, last] = [from - clock, to - clock]
    if (first === 0 && last === length) return content.copy(bytes, textStart, textEnd)
    if (textEnd - textStart === length) return content.copy(bytes, textStart + first, textStart + last)
    let unit = 0
    let at = textStart
    for (; unit < first; at += bytesAt(bytes, at)) unit += bytes[at]! >= 0xf0 ? 2 : 1
    // the second half of a pair that was cut
    if (unit > first) for (const byte of REPLACEMENT) content.byte(byte)
    const start = at
    for (; unit < last; at += bytesAt(bytes, at)) {
      const units = bytes[at]! >= 0xf0 ? 2 : 1
      if (unit + units > last) break
      unit += units
    }
    content.copy(bytes, start, at)
    // the first half of another one
    if (unit < last) for (const byte of REPLACEMENT) content.byte(byte)
  }

  private addValues(reader: UpdateReader, from: number, to: number): void {
    const { values } = this
    values.start(reader.bytes)
    values.at = reader.contentStart
    values.uint()
    let start = values.at
    let end = reader.at
    if (from > reader.clock || to < reader.clock + reader.length) {
      this.skipValues(reader.ref, from - reader.clock)
      start = values.at
      this.skipValues(reader.ref, to - from)
      end = values.at
    }
    this.content.copy(reader.bytes, start, end)
    values.close()
  }

  private skipValues(ref: number, count: number): void {
    for (let left = count; left > 0; left--) {
      if (ref === REF.any) skipValue(this.values, 1)
      else readJson(this.values, true)
    }
  }
}

/** Bytes of the UTF-8 character that starts at `at`. */
function bytesAt(bytes: Uint8Array, at: number): number {
  const lead = bytes[at]!
  return lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4
}
