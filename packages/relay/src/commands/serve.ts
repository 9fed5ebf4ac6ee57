// `syncline serve`: a relay until SIGTERM or SIGINT. Rules: CL-2, DU-1.

import { SynclineError } from '@syncline/protocol'
import type { ReplicaEvent } from '@syncline/replica'
import { command, dataOption, EXIT, jsonOption, wholeNumber } from '../cli-command.ts'
import { createRelay } from '../relay.ts'
import { printable, type Terminal } from '../terminal.ts'

export const serveCommand = command({
  name: 'serve',
  summary: 'serves a relay: native replicas and y-websocket clients on one port',
  usage: '[options]',
  positionals: [0, 0],
  options: {
    port: { type: 'string', value: 'N', short: 'p', default: '4400', help: 'port, 0 for any free one' },
    host: { type: 'string', value: 'HOST', default: '127.0.0.1', help: 'address to listen on' },
    data: { ...dataOption, help: 'data folder, made when it is not there' },
    peer: { type: 'string', value: 'URL', multiple: true, help: 'another relay or replica to keep a link to' },
    durability: {
      type: 'string',
      value: 'disk|process',
      default: 'disk',
      help: 'what an acknowledged write survives: a power cut, or kill -9',
    },
    insecure: { type: 'boolean', help: 'serve other machines and foreign pages without authentication' },
    json: { ...jsonOption, help: 'one JSON object per event and line, the first when ready' },
  },
  notes: [
    'The first line on stdout when ready: syncline relay ready on ws://127.0.0.1:4400',
    'SIGTERM or SIGINT: commits and acknowledges what was received, closes the connections, exits with 0 within 10 s.',
    'A second one exits at once.',
  ],
  examples: ['syncline serve --data ./syncline-data', 'syncline serve --port 4401 --peer ws://127.0.0.1:4400 --data ./second'],
  async run(values, _, terminal) {
    const { durability } = values
    if (durability !== 'disk' && durability !== 'process')
      throw new SynclineError('usage', `--durability takes disk or process, not ${JSON.stringify(durability)}.`)
    const port = wholeNumber('port', values.port, 0, 65_535)
    for (const peer of values.peer)
      if (!isWebSocketUrl(peer)) throw new SynclineError('usage', `--peer takes a ws:// or wss:// address, not ${JSON.stringify(peer)}.`)
    const log = logTo(terminal, values.json)
    const stopped = firstSignal(terminal)
    const relay = await createRelay({
      data: values.data,
      host: values.host,
      port,
      durability,
      insecure: values.insecure,
      peers: values.peer,
      onOpened: ({ space, openReason, tailLost, logDamaged }) => {
        if (openReason === 'copied') log({ type: 'copied', space, meaning: 'this folder is a copy: it is a new replica' })
        if (tailLost)
          log({
            type: 'tail-lost',
            space,
            meaning: 'the newest commits did not survive the last stop; peers that have them send them again',
          })
        if (logDamaged) log({ type: 'log-damaged', space, meaning: 'rows are missing from the log; peers that have them send them again' })
      },
      onRefused: (doc, code, reason) => log({ type: 'refused', doc, code, reason }),
    })
    if (values.json)
      terminal.print(JSON.stringify({ type: 'ready', url: relay.url, replicaId: relay.replicaId, durability, pid: process.pid }))
    else terminal.print(`syncline relay ready on ${relay.url}`)
    relay.replica.onEvent((event) => worthTelling(event) && log(event))
    await stopped
    await relay.close()
    if (relay.drained) return EXIT.ok
    terminal.note('syncline: not everything could be closed in time; what was acknowledged is stored.')
    process.exit(EXIT.failure)
  },
})

/** Listens from before the start, so that no signal meets the default of ending without a word. */
function firstSignal(terminal: Terminal): Promise<void> {
  return new Promise((resolve) => {
    terminal.onSignal((count) => {
      if (count > 1) process.exit(130)
      resolve()
    })
  })
}

function isWebSocketUrl(text: string): boolean {
  return URL.canParse(text) && ['ws:', 'wss:'].includes(new URL(text).protocol)
}

type Told =
  | ReplicaEvent
  | { readonly type: 'refused'; readonly doc: string; readonly code: string; readonly reason: string }
  | { readonly type: 'copied' | 'tail-lost' | 'log-damaged'; readonly space: string; readonly meaning: string }

const quiet: ReadonlySet<string> = new Set(['acked', 'progress', 'swept'])

function worthTelling(event: ReplicaEvent): boolean {
  return !quiet.has(event.type)
}

/** JSON lines on stdout, or words on stderr. */
function logTo(terminal: Terminal, json: boolean): (event: Told) => void {
  if (json) return (event) => terminal.print(JSON.stringify(event))
  return ({ type, ...rest }) => {
    const words = Object.entries(rest).map(
      ([name, value]) => `${name} ${printable(typeof value === 'string' ? value : JSON.stringify(value))}`,
    )
    terminal.note(`${type}: ${words.join(', ')}`)
  }
}
