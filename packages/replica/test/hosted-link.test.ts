// One hosted link over a port that only counts: when it is read from.

import { expect, test } from 'vitest'
import { LIMITS } from '@syncline/protocol'
import { HostedLink } from '../src/hosted-link.ts'

function linkHere(dialled: boolean): { link: HostedLink; port: { unsent: number; paused: boolean }; received: number[] } {
  const port = { unsent: 0, paused: false }
  const received: number[] = []
  const link = new HostedLink(
    1,
    { dialled, send: () => undefined, close: () => undefined, buffered: () => port.unsent, pause: (paused) => (port.paused = paused) },
    { received: (_, bytes) => received.push(bytes.length), closed: () => undefined, drained: () => undefined },
  )
  return { link, port, received }
}

test('[RS-1] a peer that dialled in and does not read what it asked for is not read from until it does', () => {
  const { link, port, received } = linkHere(false)
  port.unsent = 4 * LIMITS.socketBufferBytesMax + 1
  link.received(new Uint8Array(10))
  expect([received, port.paused]).toEqual([[10], true])
  link.caughtUp()
  expect(port.paused, 'an idle store changes nothing about it').toBe(true)
  port.unsent = 0
  link.drained()
  expect(port.paused).toBe(false)
})

test('[RS-1] of what a peer sends at once a part is read in each turn, so that others get theirs between', () => {
  const { link, port } = linkHere(true)
  link.received(new Uint8Array(LIMITS.frameTargetBytes))
  expect(port.paused).toBe(true)
  link.turned()
  expect(port.paused).toBe(false)
})

test('[RS-1] the side that dialled reads always, so that two that owe each other much do not wait for each other', () => {
  const { link, port } = linkHere(true)
  port.unsent = 100 * LIMITS.socketBufferBytesMax
  link.received(new Uint8Array(10))
  expect(port.paused).toBe(false)
})
