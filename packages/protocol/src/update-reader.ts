// Reads one Yjs v1 update struct by struct, strictly, without allocating: varints are minimal, UTF-8 is valid, counts fit the bytes that are
// left, lengths and clocks are in bounds. Decides what bytes a struct may consist of; the walker decides what structs an update may hold.
// Read by update-walker.ts (facts), update-parts.ts (cutting), type-depth.ts and canonical-content.ts. Authority: yjs 13.6 src/structs. Rules: IN-1.
//
//   update = runs varuint, run*, deleted clients varuint, (client, n, (clock, length)*)*
//   run    = structs varuint, client varuint, clock varuint, struct*        clients strictly descending
//   struct = info byte, [origin id], [right origin id], [parent, [map key]], content

import { readJson, skipValue } from './any-value.ts'
import { StrictReader } from './strict-reader.ts'
import { REFUSE } from './gate-refusal.ts'
import { LIMITS } from './limits.ts'

/** Low five bits of an info byte. 2 is legacy content: an array of JSON texts. 11 and up are no Yjs 13 content. */
export const REF = { gc: 0, deleted: 1, json: 2, binary: 3, string: 4, embed: 5, format: 6, type: 7, any: 8, doc: 9, skip: 10 } as const

export const HAS_ORIGIN = 0x80
export const HAS_RIGHT_ORIGIN = 0x40
export const HAS_MAP_KEY = 0x20

const XML_ELEMENT = 3
const XML_HOOK = 5
const TYPE_REF_MAX = 6

/** A cursor over one update. Methods throw a row of REFUSE. Fields named after a struct hold the last one read; unread ids are client 0. */
export class UpdateReader extends StrictReader {
  /** Client of the run, and clock of the struct read last (then of the next one, after advance()). */
  client = 0
  clock = 0
  /** Structs of this run that are still unread. */
  left = 0

  structStart = 0
  info = 0
  ref = 0
  length = 0
  originClient = 0
  originClock = 0
  rightClient = 0
  rightClock = 0
  parentClient = 0
  parentClock = 0
  /** Byte range of the root name, and of the map key; start -1: none. */
  rootStart = -1
  rootEnd = -1
  keyStart = -1
  keyEnd = -1
  /** Offset of the content; it ends at `at`. */
  contentStart = 0

  /** Starts an update. Returns its number of runs. */
  open(bytes: Uint8Array): number {
    this.start(bytes)
    return this.count(5)
  }

  /** Goes to one struct whose place is known from an earlier pass. */
  seek(bytes: Uint8Array, at: number, client: number, clock: number): void {
    this.bytes = bytes
    this.at = at
    this.client = client
    this.clock = clock
  }

  clientId(): number {
    const client = this.uint()
    if (client === 0) throw REFUSE.reservedClient
    return client
  }

  clockValue(): number {
    const clock = this.uint()
    if (clock > LIMITS.clockMax) throw REFUSE.clock
    return clock
  }

  /** Length of something that spans clocks without bytes for each. Only the clock bounds it: Yjs merges neighbours, so a bound per struct would
   *  let in, one by one, what it refuses together, and a document could no longer be handed to anyone. */
  private span(): number {
    const length = this.uint()
    if (length === 0) throw REFUSE.zeroLength
    return length
  }

  /** Reads a run's header. */
  run(): void {
    const structs = this.count(2)
    if (structs === 0) throw REFUSE.emptyRun
    this.left = structs
    this.client = this.clientId()
    this.clock = this.clockValue()
  }

  /** Reads the next struct of the run, whose clock is `clock`. */
  struct(): void {
    this.left--
    this.structStart = this.at
    const info = this.byte()
    const ref = info & 0x1f
    this.info = info
    this.ref = ref
    this.originClient = this.rightClient = this.parentClient = 0
    this.rootStart = this.keyStart = -1
    if (ref === REF.gc || ref === REF.skip) {
      if (info !== ref) throw REFUSE.info
      this.contentStart = this.at
      this.length = this.span()
    } else {
      if (ref > REF.doc) throw REFUSE.contentRef
      this.position(info)
      this.contentStart = this.at
      this.length = this.content(ref)
    }
    if (this.clock + this.length > LIMITS.clockMax) throw REFUSE.clock
  }

  /** Moves on to the clock after the struct read last. */
  advance(): void {
    this.clock += this.length
  }

  private position(info: number): void {
    if ((info & HAS_ORIGIN) !== 0) {
      this.originClient = this.clientId()
      this.originClock = this.reference(this.originClient)
    }
    if ((info & HAS_RIGHT_ORIGIN) !== 0) {
      this.rightClient = this.clientId()
      this.rightClock = this.reference(this.rightClient)
      if (this.rightClient === this.originClient && this.rightClock === this.originClock) throw REFUSE.sameOrigins
    }
    if ((info & (HAS_ORIGIN | HAS_RIGHT_ORIGIN)) !== 0) return
    const named = this.byte()
    if (named > 1) throw REFUSE.parentInfo
    if (named === 1) {
      this.keyText()
      this.rootStart = this.textStart
      this.rootEnd = this.textEnd
    } else {
      this.parentClient = this.clientId()
      this.parentClock = this.reference(this.parentClient)
    }
    if ((info & HAS_MAP_KEY) === 0) return
    this.keyText()
    this.keyStart = this.textStart
    this.keyEnd = this.textEnd
    const ref = this.ref
    if (ref === REF.string || ref === REF.embed || ref === REF.format) throw REFUSE.mapContent
  }

  /** Clock of an id this struct refers to: of the same client only an earlier one. */
  private reference(client: number): number {
    const clock = this.clockValue()
    if (client === this.client && clock >= this.clock) throw REFUSE.selfReference
    return clock
  }

  /** Reads content and returns how many clocks it spans. */
  private content(ref: number): number {
    switch (ref) {
      case REF.string: {
        const units = this.text()
        if (units === 0) throw REFUSE.zeroLength
        return units
      }
      case REF.deleted:
        return this.span()
      case REF.any:
      case REF.json: {
        const count = this.count(1)
        if (count === 0) throw REFUSE.zeroLength
        for (let i = 0; i < count; i++) {
          if (ref === REF.any) skipValue(this, 1)
          else readJson(this, true)
        }
        return count
      }
      case REF.binary:
        this.skip(this.uint())
        return 1
      case REF.embed:
        readJson(this, false)
        return 1
      case REF.format:
        this.keyText()
        readJson(this, false)
        return 1
      case REF.type: {
        const type = this.uint()
        if (type > TYPE_REF_MAX) throw REFUSE.typeRef
        if (type === XML_ELEMENT || type === XML_HOOK) this.keyText()
        return 1
      }
      default:
        this.subdocument()
        return 1
    }
  }

  /** guid, then the options: Yjs spreads them over the constructor's arguments, so they may not replace the guid or pass for functions. */
  private subdocument(): void {
    this.text()
    if (this.byte() !== 118) throw REFUSE.subdocOptions
    const entries = this.count(2)
    for (let i = 0; i < entries; i++) {
      this.keyText()
      const key = String.fromCharCode(...this.bytes.subarray(this.textStart, Math.min(this.textEnd, this.textStart + 16)))
      const tag = this.bytes[this.at]
      if (key === 'guid' || key === 'gcFilter' || key === 'collectionid') throw REFUSE.subdocOptions
      if ((key === 'gc' || key === 'autoLoad' || key === 'shouldLoad') && tag !== 120 && tag !== 121) throw REFUSE.subdocOptions
      skipValue(this, 1)
    }
  }
}
