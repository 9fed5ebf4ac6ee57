// What a transport must do with messages to be the LinkPort of a Replica, seen at its two ends, without an engine. Part of linkContract. Rules: LN-1 to LN-5.

import { LIMITS } from '@syncline/protocol'
import type { LinkHarness } from './link-harness.ts'
import { directions, numbered, pass, probed } from './link-probe.ts'
import { check, checkSameBytes, type ContractRule } from './rule.ts'

/** A message may pin this many times its own bytes, and this much more. */
const PINNED_FACTOR = 4
const PINNED_BYTES = 4096
const FRAME_BYTES_MAX = LIMITS.nativeFrameBytesMax

const lengths = [1, 2, 3, 125, 126, 127, 4096, 16_383, 65_535, 65_536, 65_537, 300_000, FRAME_BYTES_MAX - 1, FRAME_BYTES_MAX]

export const linkMessageRules: readonly ContractRule<LinkHarness>[] = [
  {
    id: 'LN-1',
    guarantee: 'a connection is attached once at either end, as dialled at the end that opened it and at no other',
    run: (harness) =>
      probed(harness, async (scene) => {
        const { dialler, listener } = await scene.connect()
        check(dialler.port.dialled, 'the port of the side that opened the connection says that it did not')
        check(!listener.port.dialled, 'the port of the side that took the connection says that it opened it')
        check(dialler.port.buffered() === 0 && listener.port.buffered() === 0, 'nothing was sent, and buffered() is not 0')
      }),
  },
  {
    id: 'LN-2',
    guarantee: 'messages of 1 byte to 1 MiB arrive whole, unchanged, in order and once',
    run: (harness) =>
      probed(harness, async (scene) => {
        const link = await scene.connect()
        for (const [from, to] of directions(link)) {
          const sent = [...lengths, ...lengths.toReversed(), ...Array.from({ length: 500 }, (_, at) => 1 + (at % 300))].map((length, at) =>
            numbered(at, length),
          )
          for (const bytes of sent) from.port.send(bytes)
          await scene.arrived(to, sent.length)
          await pass(scene.clock, 20)
          check(to.messages.length === sent.length, `${sent.length} messages were sent, ${to.messages.length} came`)
          sent.forEach((bytes, at) => checkSameBytes(to.messages[at]!, bytes, `message ${at}`))
        }
      }),
  },
  {
    id: 'LN-3',
    guarantee:
      'send() does not change the bytes it is given, and what arrived stays as it is, whatever either side does with its own bytes later',
    run: (harness) =>
      probed(harness, async (scene) => {
        const link = await scene.connect()
        for (const [from, to] of directions(link)) {
          // Views into a larger buffer, as an encoder that reuses one hands them over.
          const shared = new Uint8Array(100_000)
          const sent = [1, 100, 40_000].map((length, at) => {
            const view = shared.subarray(at * 1000, at * 1000 + length)
            view.set(numbered(at, length))
            return view
          })
          const wanted: Uint8Array[] = []
          for (const view of sent) {
            wanted.push(view.slice())
            from.port.send(view)
            await scene.arrived(to, wanted.length)
            checkSameBytes(view, wanted.at(-1)!, 'the bytes given to send()')
          }
          shared.fill(0xee)
          for (let at = 0; at < 300; at++) from.port.send(numbered(at, 1000))
          await scene.arrived(to, wanted.length + 300)
          wanted.forEach((bytes, at) => checkSameBytes(to.messages[at]!, bytes, `message ${at}, looked at again after later traffic`))
        }
      }),
  },
  {
    id: 'LN-4',
    guarantee: 'a received message that is kept keeps alive at most 4 times its own bytes and 4 KiB',
    run: (harness) =>
      probed(harness, async (scene) => {
        const link = await scene.connect()
        for (const [from, to] of directions(link)) {
          for (let at = 0; at < 200; at++) from.port.send(numbered(at, at % 50 === 0 ? 60_000 : 20 + at))
          await scene.arrived(to, 200)
          for (const { length, buffer } of to.messages) {
            const pinned = buffer.byteLength
            check(pinned <= PINNED_FACTOR * length + PINNED_BYTES, `a message of ${length} bytes is a view into a buffer of ${pinned}`)
          }
        }
      }),
  },
  {
    id: 'LN-5',
    guarantee: 'both directions carry at once, and neither waits for the other',
    run: (harness) =>
      probed(harness, async (scene) => {
        const link = await scene.connect()
        const { dialler, listener } = link
        for (let at = 0; at < 40; at++) {
          dialler.port.send(numbered(at, 250_000))
          listener.port.send(numbered(1000 + at, 250_000))
        }
        await scene.arrived(listener, 40, 'messages of the dialler')
        await scene.arrived(dialler, 40, 'messages of the listener')
        for (let at = 0; at < 40; at++) {
          checkSameBytes(listener.messages[at]!, numbered(at, 250_000), `message ${at} of the dialler`)
          checkSameBytes(dialler.messages[at]!, numbered(1000 + at, 250_000), `message ${at} of the listener`)
        }
        // One direction stands still; the other goes on.
        scene.hold(link, 'listener', true)
        await scene.fill(dialler)
        for (let at = 0; at < 20; at++) listener.port.send(numbered(at, 1000))
        await scene.arrived(dialler, 60, 'messages against a direction that stands still')
        scene.hold(link, 'listener', false)
      }),
  },
]
