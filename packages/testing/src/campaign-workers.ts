// A campaign over several cores: worker threads run ranges of seeds and send home what they counted. Which seeds run does not depend on how many workers there
// are. Read by the command line. Rules: SM-1, SM-2.

import { Worker } from 'node:worker_threads'
import { Campaign, type CampaignJson } from './campaign.ts'
import type { Scenario } from './scenario.ts'

/** What one worker is asked for. */
export interface SeedRange {
  readonly from: number
  readonly runs: number
}

/** Seeds that a worker gets at once. */
const RANGE = 25

export interface CampaignOptions {
  readonly scenario: Scenario
  /** File URL of the module whose default export is the scenario; null: Syncline's own. */
  readonly scenarioModule: string | null
  readonly from: number
  readonly runs: number
  readonly workers: number
  /** Failures after which no more seeds are handed out. */
  readonly failuresMax: number
  readonly signal: AbortSignal
  readonly onProgress: (campaign: Campaign) => void
}

/** Resolves when all seeds are run, enough failed, or `signal` is aborted: then with what was run. Rejects when a worker dies. */
export async function campaignOnCores(options: CampaignOptions): Promise<Campaign> {
  const done = new Campaign(options.scenario)
  const end = options.from + options.runs
  let next = options.from
  let stopped = false
  const nextRange = (): SeedRange | null => {
    if (stopped || next >= end || options.signal.aborted || done.failures.length >= options.failuresMax) return null
    const from = next
    next = Math.min(end, from + RANGE)
    return { from, runs: next - from }
  }
  const workers = Math.max(1, Math.min(options.workers, Math.ceil(options.runs / RANGE)))
  const onRange = (json: CampaignJson): void => {
    done.merge(json)
    options.onProgress(done)
  }
  // One that dies ends the campaign: its seeds would be missing. The others finish the range that they are at.
  const all = Array.from({ length: workers }, async () => {
    try {
      await runWorker(options.scenarioModule, nextRange, onRange)
    } catch (error) {
      stopped = true
      throw error
    }
  })
  const ended = await Promise.allSettled(all)
  for (const one of ended) if (one.status === 'rejected') throw one.reason
  return done
}

function runWorker(scenarioModule: string | null, nextRange: () => SeedRange | null, onRange: (json: CampaignJson) => void): Promise<void> {
  const isSource = import.meta.url.endsWith('.ts')
  const entry = new URL(isSource ? './campaign-thread.ts' : './campaign-thread.js', import.meta.url)
  const execArgv = isSource ? ['--conditions=syncline-source'] : []
  return new Promise((resolve, reject) => {
    const thread = new Worker(entry, { name: 'syncline-sim', execArgv, workerData: { scenarioModule } })
    let over = false
    const ask = (): void => {
      const range = nextRange()
      over = range === null
      if (range === null) void thread.terminate()
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
      else thread.postMessage(range)
    }
    thread.on('message', (json: CampaignJson) => {
      onRange(json)
      ask()
    })
    thread.on('error', reject)
    thread.on('exit', (code) => (over ? resolve() : reject(new Error(`A worker of the campaign ended by itself, with exit code ${code}.`))))
    ask()
  })
}
