// C1: kill -9 of a relay under load, again and again (the campaign of kill-relay.ts as a scenario). Rule: DU-1.

import { killRelayCampaign, roundLine } from '../kill-relay.ts'
import { verdict, type Scenario } from '../scenario.ts'

const ROUNDS = 20

export const killedRelay: Scenario = {
  id: 'kill-9',
  fault: 'a relay at disk durability is killed with 20 writers at work',
  how: 'SIGKILL at a random instant with at least 100 edits under way on native and y-websocket links, then a restart on the same folder',
  expected: 'no acknowledged edit is missing, in the file or in what a fresh client is served; the relay is back within 20 s',
  deadlineMs: 1_200_000,
  async run(scene) {
    const rounds = scene.rounds ?? ROUNDS
    const result = await killRelayCampaign({
      rounds,
      seed: scene.seed,
      start: (data, options) => scene.relay(data, options),
      onRound: (round) => scene.report(roundLine(round, rounds)),
    })
    const acked = result.rounds.reduce((sum, round) => sum + round.ackedNative + round.ackedRoom, 0)
    const underWay = result.rounds.reduce((sum, round) => sum + round.underWay, 0)
    const lost = new Set([...result.rounds.flatMap((round) => round.lost), ...result.lostAtEnd])
    const restartMs = Math.max(...result.rounds.map((round) => round.restartMs))
    const problems = [...lost].slice(0, 20).map((token) => `lost: ${token}`)
    if (restartMs > 20_000) problems.push(`a restart took ${Math.round(restartMs)} ms`)
    const observed = `${rounds} kills: ${acked} acknowledged, ${lost.size} lost, ${underWay} under way; restart at most ${Math.round(restartMs)} ms`
    return verdict(observed, problems)
  },
}
