#!/usr/bin/env node
// The `syncline` command. Decides: whether this Node is new enough, before anything else is loaded, and whether the built
// or the source command line runs (the source one under `--conditions=syncline-source`). Read by: npm, as the bin of this package.
const nodeMajorMin = 22

if (Number(process.versions.node.split('.')[0]) >= nodeMajorMin) {
  run().catch((error) => {
    console.error(error)
    process.exitCode = 1
  })
} else {
  console.error(
    `syncline needs Node ${nodeMajorMin} or newer, and this is Node ${process.versions.node}. Install a newer one from https://nodejs.org`,
  )
  process.exitCode = 1
}

async function run() {
  const fromSource = import.meta.resolve('@syncline/protocol').endsWith('.ts')
  if (process.argv[2] === 'serve') {
    // Before all else is loaded, which would take it to its bound.
    const { holdYoungGeneration } = await import(fromSource ? '../src/young-generation.ts' : '../dist/young-generation.js')
    holdYoungGeneration()
  }
  const { main } = await import(fromSource ? '../src/cli.ts' : '../dist/cli.js')
  process.exitCode = await main(process.argv.slice(2))
}
