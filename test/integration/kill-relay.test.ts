// The campaign of test/chaos in the small: `pnpm chaos` runs a hundred rounds.

import { expect, test } from 'vitest'
import { killRelayCampaign, roundLine } from '../chaos/kill-relay.ts'

test('[DU-1] no update that a relay acknowledged is missing after kill -9, on native and y-websocket links', async () => {
  const [rounds, seed] = [3, 20_26]
  const lines: string[] = []
  const result = await killRelayCampaign({ rounds, seed, onRound: (round) => lines.push(roundLine(round, rounds)) })
  console.log(lines.join('\n'))
  const replay = `replay: pnpm chaos --rounds ${rounds} --seed ${seed}`
  expect(
    result.rounds.flatMap((round) => round.lost),
    replay,
  ).toEqual([])
  expect(result.lostAtEnd, replay).toEqual([])
  for (const round of result.rounds) {
    expect(round.ackedNative + round.ackedRoom).toBeGreaterThanOrEqual(1000)
    expect(Math.min(round.ackedNative, round.ackedRoom)).toBeGreaterThan(0)
    expect(round.underWay).toBeGreaterThanOrEqual(100)
  }
}, 180_000)
