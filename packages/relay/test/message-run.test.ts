// Frames that are built here and shared, against those of ws.

import { expect, test } from 'vitest'
import * as ws from 'ws'
import { MessageRun } from '../src/message-run.ts'

test('[YW-2] shared frames are byte for byte those that ws would send, at every length of the header', () => {
  // Messages of 125 and 126 bytes, of 65,535 and 65,536, and what is around them.
  const lengths = [0, 1, 121, 122, 123, 124, 127, 128, 65_529, 65_530, 65_531, 65_532, 65_533, 200_000]
  const blocks = lengths.map((length) => new Uint8Array(length).fill(length % 251))
  const run = new MessageRun(Uint8Array.of(0, 2), blocks)
  const messages = [...run]
  expect(messages.map((message) => message.length)).toEqual(
    lengths.map((length) => 2 + (length < 128 ? 1 : length < 16_384 ? 2 : 3) + length),
  )
  const options = { fin: true, rsv1: false, opcode: 2, mask: false, readOnly: true }
  // Exported, but not typed.
  const { Sender } = ws as unknown as { Sender: { frame(data: Buffer, how: typeof options): Buffer[] } }
  const stock = Buffer.concat(messages.flatMap((message) => Sender.frame(Buffer.from(message), options)))
  expect(Buffer.compare(Buffer.from(run.frames), stock)).toBe(0)
  expect(run.frames).toBe(run.frames)
})
