// What field codecs are made of: a codec writes values of one type and reads back exactly these. Readers throw Malformed (wire-reader.ts),
// writers assert (wire-writer.ts). Read by field-codecs.ts, range-codec.ts and codec.ts. Rule: IN-1.

import type { WireReader } from './wire-reader.ts'
import { cannotWrite, type WireWriter } from './wire-writer.ts'

export interface FieldCodec<V> {
  write(out: WireWriter, value: V): void
  read(input: WireReader): V
}

export const varuintCodec: FieldCodec<number> = { write: (out, value) => out.varuint(value), read: (input) => input.varuint() }

export const bytesCodec: FieldCodec<Uint8Array> = { write: (out, value) => out.block(value), read: (input) => input.block() }

export const flagCodec: FieldCodec<boolean> = {
  write: (out, value) => out.byte(value ? 1 : 0),
  read(input) {
    const byte = input.byte()
    return byte > 1 ? input.fail('flag is neither 0 nor 1') : byte === 1
  },
}

/** Hex in memory, `length` raw bytes on the wire. */
export function hexCodec<V extends string>(length: number): FieldCodec<V> {
  return { write: (out, value) => out.hex(value, length), read: (input) => input.hex(length) as V }
}

export function textCodec<V extends string>(max: number, parse: (text: string) => V | null): FieldCodec<V> {
  return { write: (out, value) => out.text(value, max), read: (input) => parse(input.text(max)) ?? input.fail('not an id') }
}

export function enumCodec<V extends string>(values: readonly V[]): FieldCodec<V> {
  return {
    write: (out, value) => out.varuint(values.indexOf(value)),
    read: (input) => values[input.varuint()] ?? input.fail('unknown enum value'),
  }
}

export function optionalCodec<V>(codec: FieldCodec<V>): FieldCodec<V | null> {
  return {
    write(out, value) {
      flagCodec.write(out, value !== null)
      if (value !== null) codec.write(out, value)
    },
    read: (input) => (flagCodec.read(input) ? codec.read(input) : null),
  }
}

/** At most `max` values that take at least `sizeMin` bytes each: a count is refused before anything is allocated for it. */
export function listCodec<V>(codec: FieldCodec<V>, max: number, sizeMin: number): FieldCodec<readonly V[]> {
  return {
    write(out, values) {
      if (values.length > max) cannotWrite(`${values.length} elements`)
      out.varuint(values.length)
      for (const value of values) codec.write(out, value)
    },
    read(input) {
      const values: V[] = []
      for (let count = input.count(max, sizeMin); count > 0; count--) values.push(codec.read(input))
      return values
    },
  }
}

/** One value after another, in the order of the names. */
export function structCodec<V extends object>(codecs: { readonly [K in keyof V]: FieldCodec<V[K]> }): FieldCodec<V> {
  const names = Object.keys(codecs) as (keyof V)[]
  const all = names.map((name) => codecs[name])
  return {
    write(out, value) {
      for (let i = 0; i < all.length; i++) all[i]!.write(out, value[names[i]!])
    },
    read(input) {
      const value = {} as V
      for (let i = 0; i < all.length; i++) value[names[i]!] = all[i]!.read(input)
      return value
    },
  }
}
