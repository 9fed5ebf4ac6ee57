// Updates written out byte by byte, for tests that need what no encoder makes.

/** A varuint. */
export function v(value: number): number[] {
  const bytes: number[] = []
  let rest = value
  while (rest > 127) {
    bytes.push((rest % 128) | 128)
    rest = Math.floor(rest / 128)
  }
  return [...bytes, rest]
}

/** A length-prefixed text. */
export function s(text: string): number[] {
  const bytes = [...new TextEncoder().encode(text)]
  return [...v(bytes.length), ...bytes]
}

/** An update: its runs, then its delete set (empty when left out). */
export function update(runs: readonly number[][], deletes: readonly number[][] = []): Uint8Array {
  return Uint8Array.from([...v(runs.length), ...runs.flat(), ...v(deletes.length), ...deletes.flat()])
}

export function run(client: number, clock: number, ...structs: readonly number[][]): number[] {
  return [...v(structs.length), ...v(client), ...v(clock), ...structs.flat()]
}

export function deletes(client: number, ...ranges: readonly (readonly [clock: number, length: number])[]): number[] {
  return [...v(client), ...v(ranges.length), ...ranges.flatMap(([clock, length]) => [...v(clock), ...v(length)])]
}

export function gc(length: number): number[] {
  return [0, ...v(length)]
}

export function skip(length: number): number[] {
  return [10, ...v(length)]
}

/** An item at the start of root type "t". */
export function rooted(ref: number, content: readonly number[]): number[] {
  return [ref, 1, ...s('t'), ...content]
}

/** An entry of root type "t". */
export function entry(ref: number, key: string, content: readonly number[]): number[] {
  return [ref | 0x20, 1, ...s('t'), ...s(key), ...content]
}

/** An item inside the type whose id is given. */
export function inside(client: number, clock: number, ref: number, content: readonly number[]): number[] {
  return [ref, 0, ...v(client), ...v(clock), ...content]
}

/** An item right of another one. */
export function after(client: number, clock: number, ref: number, content: readonly number[]): number[] {
  return [ref | 0x80, ...v(client), ...v(clock), ...content]
}

/** An item between two others. */
export function between(
  left: readonly [number, number],
  right: readonly [number, number],
  ref: number,
  content: readonly number[],
): number[] {
  return [ref | 0xc0, ...left.flatMap(v), ...right.flatMap(v), ...content]
}
