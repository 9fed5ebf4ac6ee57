// What settings mean together, once each by itself is right: pairs that need each other, and pairs that exclude each other. Pure. Read by load-config.ts.
// Rule: CF-5.

import { DEFAULT_SPACE } from '@syncline/protocol'
import type { SettingName, SettingValues } from './settings.ts'

/** Ways to know who somebody is: at most one. */
const authenticators = [
  'auth.jwtSecret',
  'auth.jwtSecretFile',
  'auth.jwtPublicKeyFile',
  'auth.jwksUrl',
  'auth.webhookUrl',
] as const satisfies readonly SettingName[]

/** A secret and the file that may hold it instead. */
const secretsAndFiles = [
  ['peerToken', 'peerTokenFile'],
  ['auth.webhookToken', 'auth.webhookTokenFile'],
  ['hooks.secret', 'hooks.secretFile'],
] as const satisfies readonly (readonly SettingName[])[]

/** True when this configuration makes a relay that asks who somebody is. */
export function authenticates(values: SettingValues): boolean {
  return authenticators.some((name) => values[name] !== undefined)
}

/** `placeOf` names a setting and where it came from. Returns sentences. */
export function ruleProblems(values: SettingValues, placeOf: (name: SettingName) => string): string[] {
  const problems: string[] = []
  const given = (name: SettingName): boolean => values[name] !== undefined && values[name] !== false
  const needs = (name: SettingName, others: readonly SettingName[], why: string): void => {
    if (given(name) && !others.some(given)) problems.push(`${placeOf(name)} needs ${others.join(' or ')}: ${why}.`)
  }
  needs('tls.cert', ['tls.key'], 'a certificate is of no use without its key')
  needs('tls.key', ['tls.cert'], 'a key is of no use without its certificate')
  const used = authenticators.filter(given)
  for (const name of used.slice(1))
    problems.push(`${placeOf(name)} and ${placeOf(used[0]!)} exclude each other: one way to know who somebody is.`)
  needs('auth.jwtPublicKeyFile', ['auth.jwtAlgorithm'], 'tokens of one algorithm are accepted, no others')
  needs('auth.jwtAlgorithm', ['auth.jwtPublicKeyFile', 'auth.jwksUrl'], 'it is the algorithm of a public key (a secret means HS256)')
  for (const name of ['auth.anonymous', 'policy'] as const)
    needs(name, authenticators, 'without authentication everybody may do everything')
  needs('auth.allowHttp', ['auth.jwksUrl', 'auth.webhookUrl'], 'it is about their addresses')
  needs('auth.anonymous', ['policy'], 'only a policy says what somebody unknown may do')
  for (const name of ['auth.webhookToken', 'auth.webhookTokenFile'] as const) needs(name, ['auth.webhookUrl'], 'it is shown to the webhook')
  for (const name of ['auth.issuer', 'auth.audience', 'auth.tokenAgeMsMax'] as const)
    needs(name, ['auth.jwtSecret', 'auth.jwtSecretFile', 'auth.jwtPublicKeyFile', 'auth.jwksUrl'], 'it is read from tokens')
  if (values.origins?.includes('*') && used.length === 0)
    problems.push(`${placeOf('origins')} lets pages of any origin in, which takes authentication: set one of ${authenticators.join(', ')}.`)
  if (given('insecure') && used.length > 0)
    problems.push(`${placeOf('insecure')} serves without authentication, and ${placeOf(used[0]!)} asks for it: remove one of them.`)
  for (const [secret, file] of secretsAndFiles)
    if (given(secret) && given(file)) problems.push(`${placeOf(secret)} and ${placeOf(file)} exclude each other.`)
  needs('doors.spacePrefix', [...authenticators, 'insecure'], 'without authentication anybody could make spaces')
  if (values.workers > 1) needs('workers', ['doors.spacePrefix'], 'a space has one process, so with one space there is nothing to spread')
  if (values.peerSpaces.some((space) => space !== DEFAULT_SPACE))
    needs('peerSpaces', ['doors.spacePrefix'], 'without it there is only the space default')
  needs('hooks.url', ['hooks.secret', 'hooks.secretFile'], 'whoever gets the requests must know that they are yours')
  for (const name of ['hooks.secret', 'hooks.secretFile', 'hooks.events'] as const)
    needs(name, ['hooks.url'], 'it is of the requests there')
  if (values['admin.port'] !== undefined && values['admin.port'] !== 0 && values['admin.port'] === values.port)
    problems.push(`${placeOf('admin.port')} and ${placeOf('port')} are the same port: take two.`)
  return problems
}
