// How a link ends: by close(), by the network, or by a message that is too large. Part of linkContract. Rules: LN-9 to LN-16.

import { LIMITS } from '@syncline/protocol'
import { closeCodeOf, closeReason } from '@syncline/replica'
import type { LinkHarness, LinkSide } from './link-harness.ts'
import { numbered, pass, probed, turn, type ProbedLink, type ProbeEnd, type ProbeScene } from './link-probe.ts'
import { check, checkSameBytes, type ContractRule } from './rule.ts'

const CODE = closeCodeOf('shutting-down')
const REASON = closeReason('shutting-down', 'the rule is over')
/** The other end does not answer, and close() is done all the same. Replica.close() waits 5 s at most. */
const CLOSE_WITHIN_MS = 5_000
const sides: readonly LinkSide[] = ['dialler', 'listener']

export const linkEndRules: readonly ContractRule<LinkHarness>[] = [
  {
    id: 'LN-9',
    guarantee: 'close() delivers what was sent before it and nothing that is sent after it, then both ends are told with closed()',
    run: (harness) =>
      probed(harness, async (scene) => {
        for (const side of sides) {
          const link = await scene.connect()
          const { from, to } = facing(link, side)
          const sizes = Array.from({ length: 30 }, (_, at) => (at % 10 === 0 ? 200_000 : 500))
          sizes.forEach((size, at) => from.port.send(numbered(at, size)))
          from.port.close(CODE, REASON)
          sendAfterEnd(from)
          await scene.ended(link, `close() at the ${side}`)
          check(to.messages.length === sizes.length, `${sizes.length} messages were sent before close(), ${to.messages.length} came`)
          sizes.forEach((size, at) => checkSameBytes(to.messages[at]!, numbered(at, size), `message ${at}`))
        }
      }),
  },
  {
    id: 'LN-10',
    guarantee: 'an adapter that tells its user why a link ended tells the code that the other side closed with',
    run: (harness) =>
      probed(harness, async (scene) => {
        for (const side of sides) {
          const link = await scene.connect()
          const other = side === 'dialler' ? 'listener' : 'dialler'
          const { from } = facing(link, side)
          from.port.close(CODE, REASON)
          await scene.ended(link, `close() at the ${side}`)
          if (link.connection.endCode?.(other) === undefined) continue
          await scene.until(
            () => link.connection.endCode?.(other) === 'shutting-down',
            () => `the ${side} closed with "${REASON}", and the ${other} is told ${String(link.connection.endCode?.(other))}`,
          )
        }
      }),
  },
  {
    id: 'LN-11',
    guarantee: 'close() is over within 5 s even when the other end does not read, and the other end is told when it reads on',
    run: (harness) =>
      probed(harness, async (scene) => {
        const link = await scene.connect()
        scene.hold(link, 'listener', true)
        await scene.fill(link.dialler)
        const started = scene.clock.now()
        link.dialler.port.close(CODE, REASON)
        await scene.until(
          () => link.dialler.isClosed,
          () => 'the other end does not read, and close() does not end the link',
        )
        const tookMs = scene.clock.now() - started
        check(tookMs <= CLOSE_WITHIN_MS, `the other end does not read, and close() took ${Math.round(tookMs)} ms`)
        scene.hold(link, 'listener', false)
        await scene.ended(link, 'the closed side is gone and the other end reads on')
      }),
  },
  {
    id: 'LN-12',
    guarantee: 'a connection that breaks is told to both ends with closed(), once',
    run: (harness) =>
      probed(harness, async (scene) => {
        const link = await scene.connect()
        link.dialler.port.send(numbered(1, 100))
        link.listener.port.send(numbered(1, 100))
        await scene.arrived(link.listener, 1)
        await scene.arrived(link.dialler, 1)
        link.connection.cut()
        await scene.ended(link, 'the connection was cut')
        link.connection.cut()
        await pass(scene.clock, 20)
      }),
  },
  {
    id: 'LN-13',
    guarantee: 'what arrives of a connection that breaks is a beginning of what was sent, and nothing is received after closed()',
    run: (harness) =>
      probed(harness, async (scene) => {
        const link = await scene.connect()
        const { dialler, listener } = link
        for (let at = 0; at < 60; at++) {
          for (const end of [dialler, listener]) end.port.send(numbered(at, 50_000))
          if (at % 5 === 4) await turn(scene.clock)
        }
        link.connection.cut()
        await scene.ended(link, 'the connection was cut in the middle of messages')
        const counts = [dialler.messages.length, listener.messages.length]
        await pass(scene.clock, 50)
        check(dialler.messages.length === counts[0] && listener.messages.length === counts[1], 'messages were received after closed()')
        for (const end of [dialler, listener])
          end.messages.forEach((bytes, at) => checkSameBytes(bytes, numbered(at, 50_000), `message ${at}`))
      }),
  },
  {
    id: 'LN-14',
    guarantee: 'send(), buffered(), pause() and close() of a port that ended throw nothing, deliver nothing and leave no timer running',
    run: (harness) =>
      probed(harness, async (scene) => {
        for (const how of ['cut', 'close'] as const) {
          const link = await scene.connect()
          if (how === 'cut') link.connection.cut()
          else link.listener.port.close(CODE, REASON)
          await scene.ended(link, `the link was ended by ${how}`)
          // The replicas of the rule tick, whatever the transport does; so may a dial that waits.
          const running = await steady(scene)
          for (const end of [link.dialler, link.listener]) {
            sendAfterEnd(end)
            end.port.pause?.(true)
            end.port.pause?.(false)
            check(end.port.buffered() >= 0, 'buffered() of a port that ended is not a number')
            end.port.close(CODE, REASON)
          }
          await pass(scene.clock, 20)
          const left = scene.clock.running - running
          check(left <= 0, `${left} timers were started by calls of a port that had ended`)
        }
      }),
  },
  {
    id: 'LN-15',
    guarantee: 'two links over one transport share nothing: messages, backpressure and ends are each their own',
    run: (harness) =>
      probed(harness, async (scene) => {
        const [one, two] = [await scene.connect(), await scene.connect()]
        scene.hold(one, 'listener', true)
        await scene.fill(one.dialler)
        for (let at = 0; at < 50; at++) {
          two.dialler.port.send(numbered(7000 + at, 2000))
          two.listener.port.send(numbered(8000 + at, 2000))
        }
        await scene.arrived(two.listener, 50, 'messages beside a link that stands still')
        await scene.arrived(two.dialler, 50, 'messages beside a link that stands still')
        check(two.dialler.port.buffered() < LIMITS.socketBufferBytesMax, 'the other link waits, and buffered() of this one counts it')
        one.connection.cut()
        scene.hold(one, 'listener', false)
        await scene.ended(one, 'one of two links was cut')
        check(!two.dialler.isClosed && !two.listener.isClosed, 'one link was cut, and another ended')
        two.dialler.port.send(numbered(7050, 2000))
        await scene.arrived(two.listener, 51, 'messages after another link was cut')
        two.listener.messages.forEach((bytes, at) => checkSameBytes(bytes, numbered(7000 + at, 2000), `message ${at}`))
        two.dialler.messages.forEach((bytes, at) => checkSameBytes(bytes, numbered(8000 + at, 2000), `message ${at}`))
      }),
  },
  {
    id: 'LN-16',
    guarantee: 'a message above 1 MiB is never delivered: send() throws, or the link ends',
    run: (harness) =>
      probed(harness, async (scene) => {
        for (const side of sides) {
          const link = await scene.connect()
          const { from, to } = facing(link, side)
          from.port.send(numbered(0, 10))
          await scene.arrived(to, 1)
          try {
            from.port.send(new Uint8Array(LIMITS.nativeFrameBytesMax + 1))
          } catch {
            // As a replica does with a port that throws.
            from.port.close(CODE, REASON)
          }
          await scene.ended(link, `the ${side} sent a message of more than 1 MiB`)
          check(to.messages.length === 1, `a message of ${to.messages.at(-1)!.length} bytes was delivered`)
        }
      }),
  },
]

function facing({ dialler, listener }: ProbedLink, side: LinkSide): { from: ProbeEnd; to: ProbeEnd } {
  return side === 'dialler' ? { from: dialler, to: listener } : { from: listener, to: dialler }
}

function sendAfterEnd({ port }: ProbeEnd): void {
  for (let at = 0; at < 3; at++) port.send(numbered(99, 100))
}

/** How many timers run when it has not changed for a while: those of the closing itself are over. */
async function steady({ clock }: ProbeScene): Promise<number> {
  for (let before = clock.running; ; before = clock.running) {
    await pass(clock, 50)
    if (clock.running === before) return before
  }
}
