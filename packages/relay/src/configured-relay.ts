// A relay as a configuration asks for it, with what stands around it: who is let in, hooks, and what its log says of what happens. Alone in its process (commands/serve.ts)
// or as one of several workers (workers/worker.ts). Rules: CL-2, DU-1, WK-1.

import { DEFAULT_SPACE, SynclineError, type SpaceId } from '@syncline/protocol'
import type { Clock } from '@syncline/replica'
import type { UpgradeNotice } from '@syncline/store/sqlite'
import { authenticates } from './config/config-rules.ts'
import type { ConfiguredDoorman } from './config/doorman-of.ts'
import { openConfiguredHooks } from './config/hooks-of.ts'
import { toRelayOptions } from './config/relay-options-of.ts'
import type { SettingValues } from './config/settings.ts'
import { createLog, type RelayLog } from './log.ts'
import { collectWhenQuiet } from './quiet-memory.ts'
import { createRelay } from './relay.ts'
import type { Relay, RelayOptions, RelayPart } from './relay-options.ts'
import type { Terminal } from './terminal.ts'
import type { Certificate } from './tls-files.ts'
import { boundYoungGeneration } from './young-generation.ts'

export interface ConfiguredParts {
  readonly log: RelayLog
  readonly clock: Clock
  /** Null: no TLS, or it ends elsewhere. */
  readonly certificate: Certificate | null
  /** Default: alone. */
  readonly part?: RelayPart
}

export interface ConfiguredRelay {
  readonly relay: Relay
  /** Closes it and what stands around it. */
  close(): Promise<void>
}

/** JSON goes to stdout, words to stderr. */
export function configuredLog(values: SettingValues, terminal: Terminal): RelayLog {
  const format = values['log.format']
  const write = (line: string): void => (format === 'json' ? terminal.print(line) : terminal.note(line))
  return createLog({ level: values['log.level'], format, clock: terminal.clock, write })
}

/** Rejects with what createRelay rejects with, and "config-invalid" or "policy-invalid". */
export async function openConfiguredRelay(values: SettingValues, parts: ConfiguredParts): Promise<ConfiguredRelay> {
  boundYoungGeneration()
  const { log, clock, certificate, part } = parts
  const hooks = await openConfiguredHooks(values, clock, ({ code, message }, hook, doc, space) =>
    log.warn('hook-failed', { space, doc, code, why: hook, reason: message }),
  )
  // What was read before stays in use.
  const access = await doormanOf(values, parts)
  const relay = await createRelay({
    ...toRelayOptions(values, { certificate, doorman: access?.doorman ?? null, hooks }),
    ...happenings(log),
    ...(part !== undefined && { part }),
  }).catch((error: unknown) => {
    access?.stop()
    throw error
  })
  const stopCollecting = collectWhenQuiet(clock)
  return {
    relay,
    async close() {
      stopCollecting()
      await relay.close()
      access?.stop()
    },
  }
}

/** Null: everybody may do everything, and nothing of access control is loaded (RS-7). */
async function doormanOf(values: SettingValues, { clock, log }: ConfiguredParts): Promise<ConfiguredDoorman | null> {
  if (!authenticates(values)) return null
  const { openConfiguredDoorman } = await import('./config/doorman-of.ts')
  return openConfiguredDoorman(values, clock, (error) => log.warn('config-kept', { meaning: error.message }))
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
