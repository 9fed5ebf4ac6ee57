// `syncline serve`: a relay until SIGTERM or SIGINT. Rules: CL-2, DU-1, CF-1, TC-2.

import { DEFAULT_SPACE, SynclineError, type SpaceId } from '@syncline/protocol'
import type { UpgradeNotice } from '@syncline/store/sqlite'
import { command, EXIT, jsonOption } from '../cli-command.ts'
import { configOptions } from '../config/config-options.ts'
import { loadConfig } from '../config/load-config.ts'
import { openConfiguredDoorman } from '../config/doorman-of.ts'
import { openConfiguredHooks } from '../config/hooks-of.ts'
import { toRelayOptions } from '../config/relay-options-of.ts'
import type { SettingValues } from '../config/settings.ts'
import { createLog, type RelayLog } from '../log.ts'
import { createRelay } from '../relay.ts'
import type { Relay, RelayOptions } from '../relay-options.ts'
import type { Terminal } from '../terminal.ts'
import { readCertificate, watchCertificate, type CertificateFiles } from '../tls-files.ts'

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
  const asJson = values['log.format'] === 'json'
  const { clock } = terminal
  const write = (line: string): void => (asJson ? terminal.print(line) : terminal.note(line))
  const log = createLog({ level: values['log.level'], format: asJson ? 'json' : 'words', clock, write })
  // What was read before stays in use.
  const kept = (error: Error): void => log.warn('config-kept', { meaning: error.message })
  const stopped = firstSignal(terminal)
  const files = certificateFiles(values)
  const certificate = files === null ? null : readCertificate(files)
  const hooks = await openConfiguredHooks(values, clock, ({ code, message }, hook, doc, space) =>
    log.warn('hook-failed', { space, doc, code, why: hook, reason: message }),
  )
  const access = await openConfiguredDoorman(values, clock, kept)
  const relay = await createRelay({
    ...toRelayOptions(values, { certificate, doorman: access?.doorman ?? null, hooks }),
    ...happenings(log),
  }).catch((error: unknown) => {
    access?.stop()
    throw error
  })
  const stopWatching =
    files === null || certificate === null
      ? () => undefined
      : watchCertificate({
          files,
          current: certificate,
          clock,
          install(pair) {
            relay.setCertificate(pair)
            log.info('certificate-renewed', { file: files.cert })
          },
          onProblem: kept,
        })
  tellReady(relay, values, asJson, terminal)
  await stopped
  stopWatching()
  await relay.close()
  access?.stop()
  log.close()
  if (relay.drained) return EXIT.ok
  terminal.note('syncline: not everything could be closed in time; what was acknowledged is stored.')
  process.exit(EXIT.failure)
}

function tellReady(relay: Relay, values: SettingValues, asJson: boolean, terminal: Terminal): void {
  const { url, replicaId, adminUrl } = relay
  const { durability } = values
  const admin = adminUrl === null ? {} : { adminUrl }
  if (asJson) return terminal.print(JSON.stringify({ type: 'ready', url, replicaId, durability, pid: process.pid, ...admin }))
  terminal.print(`syncline relay ready on ${url}`)
  if (adminUrl !== null) terminal.note(`admin port on ${adminUrl}`)
}

const UPGRADE_WORDS = {
  copying: 'the file is of an older format; a backup of it is written first',
  upgrading: 'the backup is complete; the file is being changed',
  upgraded: 'the file is of the newest format; without the backup there is no way back to the older release',
} as const satisfies Record<UpgradeNotice['stage'], string>

function happenings(
  log: RelayLog,
): Pick<RelayOptions, 'onOpened' | 'onUpgrade' | 'onEvent' | 'onRefused' | 'onSpaceFailed' | 'onTurnedAway'> {
  return {
    onOpened: ({ space, openReason, tailLost, logDamaged }) => {
      if (openReason === 'copied') log.warn('copied', { space, meaning: 'this folder is a copy: it is a new replica' })
      if (tailLost)
        log.warn('tail-lost', { space, meaning: 'the newest commits did not survive the last stop; peers that have them send them again' })
      if (logDamaged) log.error('log-damaged', { space, meaning: 'rows are missing from the log; peers that have them send them again' })
    },
    onUpgrade: (space, { stage, from, to, backup, doneBytes, bytes }) =>
      log.info('upgrade', { space, phase: stage, from, to, bytes: doneBytes, of: bytes, file: backup, meaning: UPGRADE_WORDS[stage] }),
    onEvent: (event, space) => log.event(event, space),
    onRefused: (doc, code, reason, space) => log.warn('refused', { ...named(space), doc, code, reason }),
    onSpaceFailed: (space, error) =>
      log.error('space-failed', {
        space,
        code: error instanceof SynclineError ? error.code : 'request-failed',
        reason: error instanceof Error ? error.message : String(error),
      }),
    onTurnedAway: ({ code }, door) => log.info('turned-away', { code, door }),
  }
}

/** The default space is not told: most relays have no other. */
function named(space: SpaceId): { readonly space?: SpaceId } {
  return space === DEFAULT_SPACE ? {} : { space }
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
