#!/usr/bin/env node
// The `syncline-sim` command. Decides: whether this Node is new enough, before anything else is loaded, and whether the built or the source
// command line runs (the source one under `--conditions=syncline-source`). Read by: npm, as the bin of this package.
const nodeMajorMin = 22

if (Number(process.versions.node.split('.')[0]) >= nodeMajorMin) {
  run().catch((error) => {
    console.error(error)
    process.exitCode = 1
  })
} else {
  console.error(
    `syncline-sim needs Node ${nodeMajorMin} or newer, and this is Node ${process.versions.node}. Install a newer one from https://nodejs.org`,
  )
  process.exitCode = 1
}

async function run() {
  const fromSource = import.meta.resolve('@syncline/protocol').endsWith('.ts')
  const { main } = await import(fromSource ? '../src/cli.ts' : '../dist/cli.js')
  process.exitCode = await main(process.argv.slice(2))
}
