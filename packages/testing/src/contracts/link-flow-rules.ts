// How a transport slows down: what waits is counted, the end of waiting is told, and a reader may stop. The engine's bounds of memory rest on it (RS-1): it
// looks at buffered() before it produces more. Part of linkContract. Rules: LN-6 to LN-8.

import { LIMITS } from '@syncline/protocol'
import type { LinkHarness } from './link-harness.ts'
import { directions, numbered, probed, READ_AHEAD_BYTES_MAX } from './link-probe.ts'
import { check, checkSameBytes, type ContractRule } from './rule.ts'

export const linkFlowRules: readonly ContractRule<LinkHarness>[] = [
  {
    id: 'LN-6',
    guarantee:
      'while the other end does not read, buffered() counts what waits; when it reads on, everything arrives and buffered() returns to 0',
    run: (harness) =>
      probed(harness, async (scene) => {
        for (const side of ['listener', 'dialler'] as const) {
          const link = await scene.connect()
          const [from, to] = side === 'listener' ? [link.dialler, link.listener] : [link.listener, link.dialler]
          scene.hold(link, side, true)
          const count = await scene.fill(from)
          check(to.receivedBytes < count * LIMITS.frameTargetBytes, 'everything arrived at an end that does not read')
          scene.hold(link, side, false)
          await scene.arrived(to, count)
          await scene.until(
            () => from.port.buffered() === 0,
            () => `everything arrived, and buffered() says ${from.port.buffered()}`,
          )
          for (let at = 0; at < count; at++) checkSameBytes(to.messages[at]!, numbered(at, LIMITS.frameTargetBytes), `message ${at}`)
        }
      }),
  },
  {
    id: 'LN-7',
    guarantee: 'when buffered() was at 1 MiB or more and has fallen below it, drained() is called',
    run: (harness) =>
      probed(harness, async (scene) => {
        const link = await scene.connect()
        for (let round = 1; round <= 2; round++) {
          scene.hold(link, 'listener', true)
          const count = await scene.fill(link.dialler)
          const atRest = link.dialler.bufferedAtDrained.length
          scene.hold(link, 'listener', false)
          await scene.until(
            () => link.dialler.bufferedAtDrained.slice(atRest).some((bytes) => bytes < LIMITS.socketBufferBytesMax),
            () => `buffered() fell to ${link.dialler.port.buffered()}, and drained() was not called`,
          )
          await scene.until(
            () => link.dialler.port.buffered() === 0,
            () => `${count} messages were sent, and buffered() stays at ${link.dialler.port.buffered()}`,
          )
        }
      }),
  },
  {
    id: 'LN-8',
    guarantee: 'a port that has pause() delivers at most 2 MiB more after pause(true), and after pause(false) everything, in order',
    run: (harness) =>
      probed(harness, async (scene) => {
        const link = await scene.connect()
        for (const [from, to] of directions(link)) {
          if (to.port.pause === undefined) continue
          from.port.send(numbered(0, 1000))
          await scene.arrived(to, 1)
          to.port.pause(true)
          to.port.pause(true)
          const before = to.receivedBytes
          const count = await scene.fill(from)
          const after = to.receivedBytes - before
          check(after <= READ_AHEAD_BYTES_MAX, `${after} bytes were delivered after pause(true)`)
          to.port.pause(false)
          await scene.arrived(to, 1 + count)
          for (let at = 0; at < count; at++) checkSameBytes(to.messages[1 + at]!, numbered(at, LIMITS.frameTargetBytes), `message ${at}`)
        }
      }),
  },
]
