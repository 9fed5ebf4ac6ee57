// The command line of the simulation: pnpm sim --seed N [--trace] | --runs N [--from M]. Prints the first broken rule of each failing seed with the
// command that replays it, and for a campaign its rate and what it met. Exit code 1 when a seed failed or a situation was never met.

import process from 'node:process'
import { parseArgs } from 'node:util'
import { campaign, replayCommand, runSeed } from './campaign.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    trace: { type: 'boolean' },
    runs: { type: 'string', default: '1000' },
    from: { type: 'string', default: '1' },
  },
})

if (values.seed === undefined) runMany(Number(values.runs), Number(values.from))
else runOne(Number(values.seed), values.trace ?? false)

function runOne(seed: number, traced: boolean): void {
  const outcome = runSeed(seed, traced ? (line) => process.stdout.write(`${line}\n`) : null)
  const { plan } = outcome
  const links = plan.links.map((link) => `${link.from}${link.both ? '<>' : '>'}${link.to}${link.readOnly ? ' read-only' : ''}`).join(', ')
  console.log(`seed ${seed}: ${plan.replicas.length} replicas, ${plan.topology} (${links}), faults ${plan.faults.join(', ')}`)
  if (outcome.ok)
    console.log(
      `equal after ${Math.round(outcome.result.caughtUpMs)} ms, ${outcome.result.operations} operations, trace ${outcome.result.hash} of ${outcome.result.events} events`,
    )
  else console.log(`${outcome.error.stack ?? outcome.error.message}\n${replayCommand(seed)}`)
  process.exitCode = outcome.ok ? 0 : 1
}

function runMany(runs: number, from: number): void {
  const done = campaign(from, runs, (progress) => {
    if (process.stderr.isTTY) process.stderr.write(`\r${progress.runs} of ${runs} seeds, ${progress.failures.length} failed`)
  })
  if (process.stderr.isTTY) process.stderr.write('\n')
  for (const { seed, error } of done.failures) console.log(`seed ${seed}: ${error.message}\n  ${replayCommand(seed)}`)
  console.log(done.counters.table())
  const missing = done.counters.missing()
  if (missing.length > 0) console.log(`never met: ${missing.join('; ')}`)
  console.log(done.summary())
  process.exitCode = done.failures.length > 0 || (runs >= 1000 && missing.length > 0) ? 1 : 0
}
