// Runs a `syncline` command inside the test, with a terminal that keeps what it wrote: as a process would, without starting one.

import { main } from '@syncline/relay'
import { nodeClock } from '@syncline/replica/ws'

export interface CommandEnd {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
  /** Progress lines, as a person would have seen them. */
  readonly progress: readonly string[]
}

export async function commandHere(...args: string[]): Promise<CommandEnd> {
  const written = { stdout: '', stderr: '', progress: [] as string[] }
  const code = await main(args, {
    clock: nodeClock(),
    print: (text) => void (written.stdout += `${text}\n`),
    note: (text) => void (written.stderr += `${text}\n`),
    progress: (text) => void written.progress.push(text),
    progressDone: () => undefined,
    onSignal: () => () => undefined,
  })
  return { code, ...written }
}
