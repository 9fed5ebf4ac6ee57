// Runs the crash images alone, or one of them again:
//
//   node scripts/bootstrap.mjs node --conditions=syncline-source test/chaos/crash-images/run.ts [--images N] [--seed N]
//   ... --replay SEED --durability disk|process [--creation-cut N] [--ignores-sync]
//
// Exit code 0: nothing was violated; 1: something was.

import { rmSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { crashImageCampaign, temporaryFolder } from './campaign.ts'
import { crashImage } from './image.ts'

const { values } = parseArgs({
  options: {
    images: { type: 'string', default: '200' },
    seed: { type: 'string', default: '1' },
    replay: { type: 'string' },
    durability: { type: 'string', default: 'disk' },
    'creation-cut': { type: 'string' },
    'ignores-sync': { type: 'boolean', default: false },
  },
})
process.exitCode = values.replay === undefined ? await campaign() : await replay(Number(values.replay))

async function campaign(): Promise<number> {
  const { ok, observed, details } = await crashImageCampaign({
    images: Number(values.images),
    seed: Number(values.seed),
    report: (line) => console.log(line),
  })
  console.log(observed)
  for (const detail of details) console.error(detail)
  return ok ? 0 : 1
}

async function replay(seed: number): Promise<number> {
  const folder = temporaryFolder()
  const durability = values.durability === 'process' ? 'process' : 'disk'
  const { 'creation-cut': cut, 'ignores-sync': ignoresSync } = values
  const options = { folder, durability, ignoresSync, ...(cut === undefined ? {} : { creationCut: Number(cut) }) } as const
  const { cuts, violations, ...figures } = await crashImage(seed, options)
  rmSync(folder, { recursive: true, force: true })
  for (const { phase, place, torn } of cuts) {
    console.log(
      `power cut in ${phase}: ${place === null ? 'between operations' : `${place.operation} of ${place.file}`}, ${torn} torn writes`,
    )
  }
  console.log(JSON.stringify(figures))
  for (const violation of violations) console.error(violation)
  return violations.length > 0 ? 1 : 0
}
