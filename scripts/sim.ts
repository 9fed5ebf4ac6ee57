// `pnpm sim`: the simulation of this repository. With --mutants the search that proves its oracles (test/mutants/run.ts), else the command line of @syncline/testing.

import process from 'node:process'

const argv = process.argv.slice(2)
if (argv.includes('--mutants')) await import('../test/mutants/run.ts')
else {
  const { main } = await import('../packages/testing/src/cli.ts')
  process.exitCode = await main(argv)
}
