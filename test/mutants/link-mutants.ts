// Faults of links and frames: checksums, order, silence, identity. Read by mutants.ts. Rule: OR-0.

import type { Mutant } from './mutant.ts'

export const linkMutants: readonly Mutant[] = [
  {
    id: 'checksum-unchecked',
    what: 'frames are read whatever their checksum says',
    rules: ['WI-1', 'IN-1'],
    file: 'protocol/src/codec.ts',
    find: 'if (ordinal !== null && sum !== checksumOf(bytes, ordinal)) return',
    replace: 'if (ordinal !== null && sum < 0) return',
  },
  {
    id: 'frame-order-unchecked',
    what: 'the checksum of a frame does not cover its place, so a lost, repeated or overtaking frame passes',
    rules: ['WI-1', 'I3'],
    file: 'protocol/src/codec.ts',
    find: 'return (crc32(frame, FRAME_HEADER_BYTES) ^ Math.imul(ordinal, 0x9e3779b1)) >>> 0',
    replace: 'return (crc32(frame, FRAME_HEADER_BYTES) ^ Math.imul(ordinal, 0)) >>> 0',
  },
  {
    id: 'half-open-kept',
    what: 'a link on which nothing is heard any more is kept',
    rules: ['CV-2'],
    file: 'replica/src/link-keeper.ts',
    find: 'if (nowMs - link.heardAtMs > LIMITS.silentCloseMs)',
    replace: 'if (nowMs - link.heardAtMs > 1000 * LIMITS.silentCloseMs)',
  },
  {
    id: 'diff-never-settles',
    what: 'a document that arrived as a diff still counts as outstanding',
    rules: ['CV-2'],
    file: 'replica/src/outstanding-documents.ts',
    find: "if (next === 'settled') this.#documents.delete(key)",
    replace: "if (next === 'settled' && event !== 'diffed') this.#documents.delete(key)",
  },
  {
    id: 'waiting-ranges-lost',
    what: 'ranges that came before the sums of the documents were made are forgotten',
    rules: ['CV-2', 'RS-5'],
    file: 'replica/src/link-desk.ts',
    find: 'if (!receiveRecon(context, link, channel, message, true))',
    replace: 'if (message === undefined)',
  },
]
