// The campaign of test/chaos/rolling-restart.ts in the small: the long form is test/chaos/run-rolling-restart.ts.

import { expect, test } from 'vitest'
import { rollingRestart } from '../chaos/rolling-restart.ts'
import { isHaproxyHere } from './haproxy.ts'

test.skipIf(!isHaproxyHere)(
  '[RR-1] two relays behind HAProxy are restarted one after the other under load: nothing acknowledged is lost, and clients see reconnects only',
  async () => {
    const clients = { 'y-websocket': 10, hocuspocus: 4, native: 4 }
    const result = await rollingRestart({ clients, rounds: 1, typeEveryMs: 250, documents: 6, visitors: 2 })
    const { lost, errors, kinds, restarts, ...counts } = result
    console.log(JSON.stringify({ ...counts, kinds, restarts }))
    expect({ lost, errors }).toEqual({ lost: [], errors: [] })
    expect(restarts.map(({ relay, exitCode }) => [relay, exitCode])).toEqual([
      ['relay-a', 0],
      ['relay-b', 0],
    ])
    // Each was cut off by the restart of its relay and by none other, and all of them by one or both.
    for (const [kind, { reconnectsMax, gapMsMax }] of Object.entries(kinds)) {
      expect(reconnectsMax, kind).toBeGreaterThanOrEqual(1)
      expect(reconnectsMax, kind).toBeLessThanOrEqual(2)
      expect(gapMsMax, kind).toBeLessThan(10_000)
    }
    expect(counts.visits).toBeGreaterThan(10)
    expect(counts.acked).toBeGreaterThan(100)
  },
  90_000,
)
