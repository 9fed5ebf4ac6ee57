// `syncline serve`: a relay until SIGTERM or SIGINT. Rules: CL-2, DU-1, CF-1, TC-2.

import { command, EXIT, jsonOption } from '../cli-command.ts'
import { configOptions } from '../config/config-options.ts'
import { loadConfig } from '../config/load-config.ts'
import type { SettingValues } from '../config/settings.ts'
import { configuredLog, openConfiguredRelay, type ConfiguredParts } from '../configured-relay.ts'
import type { Terminal } from '../terminal.ts'
import { readCertificate, watchCertificate, type Certificate, type CertificateFiles } from '../tls-files.ts'
import type { PoolParts } from '../workers/pool.ts'

export const serveCommand = command({
  name: 'serve',
  summary: 'serves a relay: native replicas, y-websocket and Hocuspocus clients on one port',
  usage: '[--config FILE] [options]',
  positionals: [0, 0],
  options: { ...configOptions, json: { ...jsonOption, help: 'the same as --log-format json: one JSON object per event and line' } },
  notes: [
    'Every option is also a setting of the file and a variable: --tls-cert is { "tls": { "cert": ... } } and SYNCLINE_TLS_CERT. A flag',
    'comes before a variable, a variable before the file. Limits are options too, e.g. --limits-connections-max 500. All of them, with',
    'their defaults: docs/configuration.md. What is wrong with them: syncline check-config, with the same options.',
    '',
    'A data folder of an older release is upgraded at the start, with a backup of each file kept beside it: FILE.vN-backup.',
    'The first line on stdout when ready: syncline relay ready on ws://127.0.0.1:4400',
    'SIGTERM or SIGINT: commits and acknowledges what was received, closes the connections, exits with 0 within 10 s.',
    'A second one exits at once.',
  ],
  examples: [
    'syncline serve --data ./syncline-data',
    'syncline serve --port 4401 --peer ws://127.0.0.1:4400 --data ./second',
    'syncline serve --config /etc/syncline/relay.json',
  ],
  async run({ json, ...flags }, _, terminal) {
    const { values, remarks } = loadConfig({
      flags: json === true ? { ...flags, 'log-format': 'json' } : flags,
      environment: process.env,
    })
    for (const remark of remarks) terminal.note(`note: ${remark}`)
    return serve(values, terminal)
  },
})

async function serve(values: SettingValues, terminal: Terminal): Promise<number> {
  const { clock } = terminal
  const log = configuredLog(values, terminal)
  const stopped = firstSignal(terminal)
  const files = certificateFiles(values)
  const certificate = files === null ? null : readCertificate(files)
  const served =
    values.workers > 1 ? await servePool(values, { log, clock, certificate }) : await serveAlone(values, { log, clock, certificate })
  const stopWatching =
    files === null || certificate === null
      ? () => undefined
      : watchCertificate({
          files,
          current: certificate,
          clock,
          install(pair) {
            served.setCertificate(pair)
            log.info('certificate-renewed', { file: files.cert })
          },
          onProblem: (error) => log.warn('config-kept', { meaning: error.message }),
        })
  tellReady(served, values, terminal)
  await stopped
  stopWatching()
  const drained = await served.close()
  log.close()
  if (drained) return EXIT.ok
  terminal.note('syncline: not everything could be closed in time; what was acknowledged is stored.')
  process.exit(EXIT.failure)
}

/** A relay, of one process or several. */
interface Served {
  readonly url: string
  readonly adminUrl: string | null
  readonly replicaId: string
  /** Process ids, where there are several. */
  readonly workers?: readonly number[]
  setCertificate(certificate: Certificate): void
  /** Resolves with whether all was closed in time. */
  close(): Promise<boolean>
}

async function serveAlone(values: SettingValues, parts: ConfiguredParts): Promise<Served> {
  const { relay, close } = await openConfiguredRelay(values, parts)
  return {
    url: relay.url,
    adminUrl: relay.adminUrl,
    replicaId: relay.replicaId,
    setCertificate: (certificate) => relay.setCertificate(certificate),
    async close() {
      await close()
      return relay.drained
    },
  }
}

/** Workers are told to end by a second signal as this process is. */
async function servePool(values: SettingValues, parts: PoolParts): Promise<Served> {
  const { openPool } = await import('../workers/pool.ts')
  const pool = await openPool(values, parts)
  process.on('exit', () => pool.kill())
  return pool
}

function tellReady({ url, replicaId, adminUrl, workers }: Served, values: SettingValues, terminal: Terminal): void {
  const { durability } = values
  const more = { ...(adminUrl !== null && { adminUrl }), ...(workers !== undefined && { workers }) }
  if (values['log.format'] === 'json')
    return terminal.print(JSON.stringify({ type: 'ready', url, replicaId, durability, pid: process.pid, ...more }))
  terminal.print(`syncline relay ready on ${url}`)
  if (adminUrl !== null) terminal.note(`admin port on ${adminUrl}`)
}

function certificateFiles(values: SettingValues): CertificateFiles | null {
  const cert = values['tls.cert']
  const key = values['tls.key']
  return cert === undefined || key === undefined ? null : { cert, key }
}

/** Listens from before the start, so that no signal meets the default of ending without a word. */
function firstSignal(terminal: Terminal): Promise<void> {
  return new Promise((resolve) => {
    terminal.onSignal((count) => {
      if (count > 1) process.exit(130)
      resolve()
    })
  })
}
