// Counters of a relay's admin port, read as its operators read them.

import { get } from 'node:http'
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
      const lines = (await textAt(`${url}/metrics`)).split('\n')
      return names.map((name) =>
        lines
          .filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
          .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0),
      )
    },
  }
}

/** On a connection of its own: one that was kept may be closed by the other side in the same instant. */
function textAt(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    get(url, { agent: false }, (response) => {
      const parts: Buffer[] = []
      response.on('data', (part: Buffer) => parts.push(part))
      response.once('end', () => resolve(Buffer.concat(parts).toString()))
    }).once('error', reject)
  })
}
