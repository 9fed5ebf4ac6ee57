// Counters of a relay's admin port, read as its operators read them.

import type { ServerProcess } from './peers/server-process.ts'

/** Arguments of a relay that has an admin port. */
export const WITH_METRICS: readonly string[] = ['--admin-port', '0']

export interface RelayMetrics {
  /** The sum over all labels of each metric; 0 for one that is not there. Cost: a scrape. */
  read(...names: readonly string[]): Promise<number[]>
}

export async function relayMetrics(relay: ServerProcess): Promise<RelayMetrics> {
  const [, url] = await relay.said(/admin port on (\S+)/)
  return {
    async read(...names) {
      const response = await fetch(`${url}/metrics`)
      const lines = (await response.text()).split('\n')
      return names.map((name) =>
        lines
          .filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
          .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0),
      )
    },
  }
}
