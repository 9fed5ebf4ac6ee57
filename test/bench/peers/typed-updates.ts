// The updates of somebody who types at the end of an own run in a text that others type in, without a Y.Doc per writer: the bytes are those that Yjs emits, which
// `checkAgainstYjs` proves before anything is measured. And the other way: which of those are in an update that a server sent, merged or not.

import * as Y from 'yjs'

/** Client ids of writers: as long on the wire as those that Yjs draws. The number of a writer is its id minus this. */
export const FIRST_WRITER = 0x7000_0000

/** The next update of a writer: one letter. `clock`: how many it wrote before. */
export function typedUpdate(writer: number, clock: number): Uint8Array {
  const bytes: number[] = [1, 1]
  pushVaruint(bytes, FIRST_WRITER + writer)
  pushVaruint(bytes, clock)
  if (clock === 0) bytes.push(4, 1, 4, 98, 111, 100, 121)
  else {
    bytes.push(0x84)
    pushVaruint(bytes, FIRST_WRITER + writer)
    pushVaruint(bytes, clock - 1)
  }
  bytes.push(1, 97 + (clock % 26), 0)
  return Uint8Array.from(bytes)
}

function pushVaruint(bytes: number[], value: number): void {
  let rest = value
  while (rest > 127) {
    bytes.push((rest % 128) | 128)
    rest = Math.floor(rest / 128)
  }
  bytes.push(rest)
}

/** Throws when an update of this file is not what Yjs would have emitted. */
export function checkAgainstYjs(): void {
  for (const writer of [0, 7, 4_999]) {
    const doc = new Y.Doc()
    doc.clientID = FIRST_WRITER + writer
    const updates: Uint8Array[] = []
    doc.on('update', (update: Uint8Array) => updates.push(update))
    const text = doc.getText('body')
    for (let clock = 0; clock < 20_000; clock++) text.insert(text.length, String.fromCodePoint(97 + (clock % 26)))
    updates.forEach((update, clock) => {
      if (!Buffer.from(typedUpdate(writer, clock)).equals(update))
        throw new Error(`update ${clock} of writer ${writer} is not what Yjs emits`)
    })
  }
}

export interface Letters {
  /** `count` updates of one writer, from its `clock` on. */
  found(writer: number, clock: number, count: number): void
}

/** Tells every letter that the update at bytes[start, end) carries. Throws when it carries anything else than letters of `typedUpdate`. */
export function readLetters(bytes: Uint8Array, start: number, letters: Letters): void {
  at = start
  const clients = varuint(bytes)
  for (let client = 0; client < clients; client++) {
    const structs = varuint(bytes)
    const writer = varuint(bytes) - FIRST_WRITER
    let clock = varuint(bytes)
    for (let struct = 0; struct < structs; struct++) {
      const info = bytes[at++]!
      let length = 0
      if (info === 10) clock += varuint(bytes)
      else {
        if ((info & 31) !== 4) throw new Error(`a struct of kind ${info & 31} that nobody wrote`)
        if ((info & 128) !== 0) {
          varuint(bytes)
          varuint(bytes)
        }
        if ((info & 64) !== 0) {
          varuint(bytes)
          varuint(bytes)
        }
        if ((info & 192) === 0) {
          if (varuint(bytes) !== 1) throw new Error('a parent that nobody wrote')
          const named = varuint(bytes)
          at += named
        }
        // One byte a letter.
        length = varuint(bytes)
        at += length
        letters.found(writer, clock, length)
      }
      clock += length
    }
  }
}

let at = 0

function varuint(bytes: Uint8Array): number {
  let byte = bytes[at++]!
  if (byte < 128) return byte
  let value = byte & 127
  let factor = 128
  do {
    byte = bytes[at++]!
    value += (byte & 127) * factor
    factor *= 128
  } while (byte > 127)
  return value
}
