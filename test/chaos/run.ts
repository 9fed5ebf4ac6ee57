// `pnpm chaos`: the campaigns against real processes, bounded, with a table at the end.
//
//   pnpm chaos [--rounds N] [--seed N]
//
// Exit code 0: nothing acknowledged was lost; 1: something was, or a round did not finish.

import { parseArgs } from 'node:util'
import { killRelayCampaign, roundLine, type KillRelayResult } from './kill-relay.ts'

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '100' }, seed: { type: 'string' } } })
const rounds = Number(values.rounds)
const seed = values.seed === undefined ? crypto.getRandomValues(new Uint32Array(1))[0]! : Number(values.seed)
if (!Number.isInteger(rounds) || rounds < 1 || !Number.isInteger(seed)) {
  console.error('chaos: --rounds and --seed take whole numbers')
  process.exit(2)
}

console.log(`kill -9 of a relay at disk durability, ${rounds} rounds, 20 writers, seed ${seed}`)
const result = await killRelayCampaign({ rounds, seed, onRound: (round) => console.log(roundLine(round, rounds)) })
console.log(summary(result))
const lost = result.lostAtEnd.length + result.rounds.reduce((sum, round) => sum + round.lost.length, 0)
if (lost > 0) {
  console.error(`lost: ${[...new Set([...result.rounds.flatMap((round) => round.lost), ...result.lostAtEnd])].join(', ')}`)
  console.error(`replay: pnpm chaos --rounds ${rounds} --seed ${seed}`)
}
process.exit(lost > 0 ? 1 : 0)

function summary({ rounds, lostAtEnd, seed, tookMs }: KillRelayResult): string {
  const sum = (of: (round: (typeof rounds)[number]) => number): number => rounds.reduce((total, round) => total + of(round), 0)
  const least = (of: (round: (typeof rounds)[number]) => number): number => Math.min(...rounds.map(of))
  const acked = (round: (typeof rounds)[number]): number => round.ackedNative + round.ackedRoom
  const rows: [string, string][] = [
    ['rounds of kill -9', `${rounds.length}`],
    ['acknowledged', `${sum(acked)} (at least ${least(acked)} in a round)`],
    ['  on native links', `${sum((round) => round.ackedNative)}`],
    ['  on y-websocket links', `${sum((round) => round.ackedRoom)}`],
    ['in flight at the kill', `${sum((round) => round.underWay)} (at least ${least((round) => round.underWay)} in a round)`],
    ['  of them stored', `${sum((round) => round.survived)}`],
    ['acknowledged and lost', `${sum((round) => round.lost.length)}`],
    ['lost when all was read again', `${lostAtEnd.length}`],
    ['restart, longest', `${Math.round(Math.max(...rounds.map((round) => round.restartMs)))} ms`],
    ['took', `${Math.round(tookMs / 1000)} s, seed ${seed}`],
  ]
  const width = Math.max(...rows.map(([name]) => name.length))
  return ['', ...rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`)].join('\n')
}
