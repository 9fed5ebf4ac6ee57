// A worker of a campaign: runs the ranges of seeds that it is sent, and answers what it counted. Started by campaign-workers.ts.

import { parentPort, workerData } from 'node:worker_threads'
import { campaign } from './campaign.ts'
import type { SeedRange } from './campaign-workers.ts'
import { loadScenario } from './load-scenario.ts'

const { scenarioModule } = workerData as { readonly scenarioModule: string | null }
const scenario = await loadScenario(scenarioModule)

parentPort!.on('message', ({ from, runs }: SeedRange) => {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
  parentPort!.postMessage(campaign(from, runs, { scenario }).toJSON())
})
