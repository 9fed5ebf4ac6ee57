// The delete set of a v1 update, as bytes. Read by byte-compactor.ts and byte-join.ts.

import type { ByteSink } from './byte-sink.ts'

/** `deletes`: [client, from, to]*, the ranges of a client together and normalised. */
export function writeDeletes(out: ByteSink, deletes: readonly number[]): void {
  let clients = 0
  for (let i = 0; i < deletes.length; i += 3) if (deletes[i] !== deletes[i - 3]) clients++
  out.uint(clients)
  for (let i = 0, end = 0; i < deletes.length; i = end) {
    while (end < deletes.length && deletes[end] === deletes[i]) end += 3
    out.uint(deletes[i]!)
    out.uint((end - i) / 3)
    for (let range = i; range < end; range += 3) {
      out.uint(deletes[range + 1]!)
      out.uint(deletes[range + 2]! - deletes[range + 1]!)
    }
  }
}
