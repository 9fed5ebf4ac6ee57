// A configuration as the options of createRelay(). What must be read or asked first (the certificate, who is let in) comes as arguments. Read by the command
// serve. Rule: CF-6.

import type { Doorman } from '../access/access.ts'
import type { RelayHooks } from '../hooks.ts'
import type { RelayLimits } from '../relay-limits.ts'
import type { RelayOptions } from '../relay-options.ts'
import type { Certificate } from '../tls-files.ts'
import { readSecret } from './secret-file.ts'
import { limitNames, type SettingValues } from './settings.ts'

export interface OptionParts {
  /** Of the files that tls.cert and tls.key name; null: no TLS. */
  readonly certificate: Certificate | null
  /** Null: without authentication. */
  readonly doorman: Doorman | null
  /** Default: none. */
  readonly hooks?: RelayHooks | null
}

export function toRelayOptions(values: SettingValues, { certificate, doorman, hooks = null }: OptionParts): RelayOptions {
  const adminPort = values['admin.port']
  const peerToken = peerTokenOf(values)
  const spacePrefix = values['doors.spacePrefix']
  return {
    data: values.data,
    host: values.host,
    port: values.port,
    durability: values.durability,
    peers: values.peers,
    insecure: values.insecure,
    hocuspocusPath: values['doors.hocuspocusPath'] === 'off' ? null : values['doors.hocuspocusPath'],
    ySweet: values['doors.ySweet'],
    peerSpaces: values.peerSpaces,
    trustedProxies: values.trustedProxies,
    limits: limitsOf(values),
    ...(values.origins !== undefined && { origins: values.origins }),
    ...(spacePrefix !== undefined && { spacePrefix }),
    ...(values.pathPrefix !== undefined && { pathPrefix: values.pathPrefix }),
    ...(adminPort !== undefined && { admin: { port: adminPort, host: values['admin.host'] } }),
    ...(peerToken !== null && { peerToken }),
    ...(certificate !== null && { tls: certificate }),
    ...(doorman !== null && { doorman }),
    ...(hooks !== null && { hooks }),
  }
}

function limitsOf(values: SettingValues): Partial<RelayLimits> {
  return { ...Object.fromEntries(limitNames.map((name) => [name, values[`limits.${name}`]])), drainMs: values.drainMs }
}

/** The file is read before each attempt, so that a new token needs no restart. */
function peerTokenOf(values: SettingValues): NonNullable<RelayOptions['peerToken']> | null {
  const { peerToken, peerTokenFile } = values
  if (peerToken !== undefined) return () => peerToken
  return peerTokenFile === undefined ? null : () => readSecret(peerTokenFile)
}
