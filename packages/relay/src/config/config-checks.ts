// What can be found out about a configuration without starting a relay: that its files are there, can be read and hold what they should, and that this relay may
// listen where it is told to. Changes nothing. Read by the command check-config. Rule: CF-7.

import { accessSync, constants, readFileSync, statSync } from 'node:fs'
import { createPublicKey } from 'node:crypto'
import { dirname, resolve } from 'node:path'
import { SynclineError } from '@syncline/protocol'
import type { Clock } from '@syncline/replica'
import { readPolicyFile } from '../access/policy-file.ts'
import { isLoopbackHost } from '../loopback.ts'
import { certificateFacts, readCertificate } from '../tls-files.ts'
import { authenticates } from './config-rules.ts'
import { authenticatorOf } from './doorman-of.ts'
import { openConfiguredHooks } from './hooks-of.ts'
import { placeOf, type RelayConfig } from './load-config.ts'
import { settingNames, settings, type SettingName, type SettingValues } from './settings.ts'

export interface ConfigFindings {
  /** Sentences: the relay would not start, or not do what is asked. */
  readonly problems: readonly string[]
  /** Sentences: it would start, and somebody should look at it. */
  readonly remarks: readonly string[]
}

/** A certificate that ends within this time deserves a remark. */
const EXPIRES_SOON_MS = 14 * 24 * 3_600_000
const DAY_MS = 24 * 3_600_000

/** Where the key of tokens, or who is asked about them, is found. */
const keySettings = [
  'auth.webhookTokenFile',
  'auth.webhookUrl',
  'auth.jwtSecret',
  'auth.jwtSecretFile',
  'auth.jwtPublicKeyFile',
  'auth.jwksUrl',
] as const satisfies readonly SettingName[]

/** Files that nobody else should read. */
const secretFiles: readonly SettingName[] = ['tls.key', 'auth.jwtSecretFile', 'auth.webhookTokenFile', 'peerTokenFile', 'hooks.secretFile']

/** Cost: the files that the configuration names; nothing is asked over the network. */
export async function checkFiles(config: RelayConfig, clock: Clock): Promise<ConfigFindings> {
  const { values, sources } = config
  const problems: string[] = []
  const remarks: string[] = []
  const place = (name: SettingName): string => placeOf(name, sources[name])
  const unreadable = new Set<SettingName>()
  for (const name of settingNames) {
    const value = values[name]
    if (!settings[name].kind.path || typeof value !== 'string') continue
    const problem = name === 'data' ? folderProblem(value) : fileProblem(value)
    if (problem === null) continue
    unreadable.add(name)
    problems.push(`${place(name)}: ${problem}.`)
  }
  for (const name of secretFiles) {
    const file = values[name]
    if (typeof file !== 'string' || unreadable.has(name)) continue
    if ((statSync(file).mode & 0o004) !== 0) remarks.push(`${place(name)}: ${file} can be read by every user of this machine.`)
    if (readFileSync(file, 'utf8').trim() === '') problems.push(`${place(name)}: ${file} is empty.`)
  }
  const attempt = async (needs: readonly SettingName[], check: () => unknown): Promise<void> => {
    if (needs.some((name) => values[name] === undefined || unreadable.has(name))) return
    try {
      await check()
    } catch (error) {
      problems.push(`${place(needs[0]!)}: ${words(error)}`)
    }
  }
  await attempt(['tls.cert', 'tls.key'], () => checkCertificate(values, clock.wallMs(), place('tls.cert'), problems, remarks))
  await attempt(['policy'], () => readPolicyFile(values.policy!))
  const key = keySettings.find((name) => values[name] !== undefined)
  if (key !== undefined) {
    await attempt([key], () => {
      if (key === 'auth.jwtPublicKeyFile') checkPublicKey(values)
      return authenticatorOf(values, clock)
    })
  }
  await attempt(['hooks.url', ...(values['hooks.secretFile'] === undefined ? [] : (['hooks.secretFile'] as const))], () =>
    openConfiguredHooks(values, clock, () => undefined),
  )
  hostFindings(values, place, problems, remarks)
  return { problems, remarks }
}

function hostFindings(values: SettingValues, place: (name: SettingName) => string, problems: string[], remarks: string[]): void {
  if (!isLoopbackHost(values.host)) {
    if (!authenticates(values) && !values.insecure)
      problems.push(
        `${place('host')}: a relay without authentication does not listen on ${values.host}: listen on 127.0.0.1, or set up auth.`,
      )
    else if (values['tls.cert'] === undefined && values.trustedProxies.length === 0)
      remarks.push(
        `${place('host')}: ${values.host} is reached from other machines without TLS: tokens and documents can be read on the way.`,
      )
  }
  if (values['admin.port'] !== undefined && !isLoopbackHost(values['admin.host']))
    remarks.push(`${place('admin.host')}: ${values['admin.host']}: let only those who may administer this relay reach the admin port.`)
}

function checkCertificate(values: SettingValues, wallMs: number, place: string, problems: string[], remarks: string[]): void {
  const pair = readCertificate({ cert: values['tls.cert']!, key: values['tls.key']! })
  const { subject, validFromMs, validToMs } = certificateFacts(pair)
  const left = Math.floor((validToMs - wallMs) / DAY_MS)
  if (validToMs < wallMs) problems.push(`${place}: the certificate of ${subject} ended ${-left} days ago.`)
  else if (validFromMs > wallMs) problems.push(`${place}: the certificate of ${subject} is not valid yet.`)
  else if (validToMs - wallMs < EXPIRES_SOON_MS) remarks.push(`${place}: the certificate of ${subject} ends in ${left} days.`)
}

/** Which kind of key an algorithm signs with. */
const keyTypes: Readonly<Record<string, string>> = { EdDSA: 'ed25519', ES256: 'ec', RS256: 'rsa', PS256: 'rsa' }

function checkPublicKey(values: SettingValues): void {
  const file = values['auth.jwtPublicKeyFile']!
  const text = readFileSync(file, 'utf8')
  if (/PRIVATE KEY/.test(text)) throw new Error(`${file} holds a private key: give the relay only the public one.`)
  const { asymmetricKeyType: type } = createPublicKey(text)
  const algorithm = values['auth.jwtAlgorithm']!
  if (type !== keyTypes[algorithm]) throw new Error(`${file} holds a key of type ${type}, which does not sign with ${algorithm}.`)
}

function fileProblem(file: string): string | null {
  try {
    if (!statSync(file).isFile()) return `${file} is no file`
    accessSync(file, constants.R_OK)
    return null
  } catch (error) {
    return `${file} cannot be read: ${words(error)}`
  }
}

/** A data folder need not be there; the first folder above it that is there must let it be made. */
function folderProblem(folder: string): string | null {
  for (let path = resolve(folder); ; path = dirname(path)) {
    const found = statSync(path, { throwIfNoEntry: false })
    if (found === undefined && path !== dirname(path)) continue
    if (found?.isDirectory() !== true) return `${path} is no folder`
    try {
      accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK)
      return null
    } catch (error) {
      return `${path} cannot be written: ${words(error)}`
    }
  }
}

/** The sentence of an error, without the code and remedy that a SynclineError appends. */
function words(error: unknown): string {
  if (error instanceof SynclineError) return error.message.slice(0, error.message.indexOf(` [${error.code}]`))
  return error instanceof Error ? error.message : String(error)
}
