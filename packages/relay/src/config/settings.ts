// All settings of `syncline serve`, once: name (dotted in a file), kind, default and help; the flag and the environment variable follow from the name. Read by
// load-config.ts, the commands serve and check-config, and scripts/docs.ts (docs/configuration.md). Every bound of relay-limits.ts is a setting too, under
// `limits.`. Rules: CF-1, CF-4.

import { RELAY_LIMITS, type RelayLimits } from '../relay-limits.ts'
import type { WebhookEvent } from '../webhook.ts'
import {
  addressRanges,
  choice,
  milliseconds,
  origins,
  path,
  peerAddresses,
  several,
  spaceNames,
  text,
  urlFolder,
  urlPath,
  urlPathOrOff,
  webAddress,
  whole,
  yesOrNo,
  type Kind,
} from './setting-kinds.ts'

/** A row whose default is missing has a value only when it is given. */
export interface SettingRow<T = unknown> {
  readonly kind: Kind<NonNullable<T>>
  readonly default?: T
  readonly help: string
  /** Where it is not the name with dashes. */
  readonly flag?: string
  readonly short?: string
  /** A secret itself, not a file that holds it: it comes by the environment only, and is never shown. */
  readonly secret?: true
}

interface OwnValues {
  readonly port: number
  readonly host: string
  readonly data: string
  readonly peers: readonly string[]
  readonly peerSpaces: readonly string[]
  readonly peerToken: string | undefined
  readonly peerTokenFile: string | undefined
  readonly durability: 'disk' | 'process'
  readonly workers: number
  readonly insecure: boolean
  readonly origins: readonly string[] | undefined
  readonly 'doors.hocuspocusPath': string
  readonly 'doors.ySweet': boolean
  readonly 'doors.spacePrefix': string | undefined
  readonly 'tls.cert': string | undefined
  readonly 'tls.key': string | undefined
  readonly trustedProxies: readonly string[]
  readonly pathPrefix: string | undefined
  readonly 'auth.jwtSecret': string | undefined
  readonly 'auth.jwtSecretFile': string | undefined
  readonly 'auth.jwtPublicKeyFile': string | undefined
  readonly 'auth.jwtAlgorithm': 'EdDSA' | 'ES256' | 'RS256' | 'PS256' | undefined
  readonly 'auth.jwksUrl': string | undefined
  readonly 'auth.issuer': string | undefined
  readonly 'auth.audience': string | undefined
  readonly 'auth.rolesClaim': string
  readonly 'auth.subjectClaim': string
  readonly 'auth.tokenAgeMsMax': number | undefined
  readonly 'auth.webhookUrl': string | undefined
  readonly 'auth.webhookToken': string | undefined
  readonly 'auth.webhookTokenFile': string | undefined
  readonly 'auth.allowHttp': boolean
  readonly 'auth.anonymous': boolean
  readonly policy: string | undefined
  readonly 'hooks.url': string | undefined
  readonly 'hooks.secret': string | undefined
  readonly 'hooks.secretFile': string | undefined
  readonly 'hooks.events': readonly WebhookEvent[] | undefined
  readonly 'admin.port': number | undefined
  readonly 'admin.host': string
  readonly 'log.level': 'debug' | 'info' | 'warn' | 'error'
  readonly 'log.format': 'words' | 'json'
  readonly drainMs: number
}

/** `drainMs` is a setting of its own; every other bound is one under `limits.`. */
export type LimitName = Exclude<keyof RelayLimits, 'drainMs'>

/** Values by setting, complete: defaults are filled in. */
export type SettingValues = OwnValues & { readonly [K in LimitName as `limits.${K}`]: number }

export type SettingName = keyof SettingValues

const own: { readonly [K in keyof OwnValues]: SettingRow<OwnValues[K]> } = {
  port: { kind: whole(0, 65_535), short: 'p', default: 4400, help: 'port, 0 for any free one' },
  host: { kind: text('HOST'), default: '127.0.0.1', help: 'address to listen on' },
  data: { kind: path('DIR'), short: 'd', default: './syncline-data', help: 'data folder, made when it is not there' },
  peers: { kind: peerAddresses, flag: 'peer', default: [], help: 'another relay or replica to keep a link to' },
  peerSpaces: {
    kind: spaceNames,
    flag: 'peer-space',
    default: ['default'],
    help: 'a space that is kept in step with the peers, * for all',
  },
  peerToken: { kind: text('TOKEN'), secret: true, help: 'token shown to the peers that this relay dials' },
  peerTokenFile: { kind: path('FILE'), help: 'file with the token shown to the peers that this relay dials, read before each attempt' },
  durability: {
    kind: choice('disk', 'process'),
    default: 'disk',
    help: 'what an acknowledged write survives: a power cut, or kill -9',
  },
  workers: {
    kind: whole(1, 64),
    default: 1,
    help: 'processes that the spaces are spread over, each on a core of its own; more than one takes doors.spacePrefix',
  },
  insecure: { kind: yesOrNo, default: false, help: 'serve other machines and foreign pages without authentication' },
  origins: {
    kind: origins,
    flag: 'origin',
    help: 'origin of pages that may connect, * for any; without it any with authentication, else those of this machine',
  },
  'doors.hocuspocusPath': { kind: urlPathOrOff, default: '/', help: 'path at which Hocuspocus providers are served' },
  'doors.ySweet': { kind: yesOrNo, default: false, help: 'serve y-sweet clients' },
  'doors.spacePrefix': {
    kind: urlFolder,
    flag: 'space-prefix',
    help: 'serve further spaces, at this path and their name: /s/ serves the space acme at /s/acme/; without it there is only the space default',
  },
  'tls.cert': { kind: path('FILE'), help: 'certificate chain, PEM: wss instead of ws; followed when it changes' },
  'tls.key': { kind: path('FILE'), help: 'private key of the certificate, PEM' },
  trustedProxies: {
    kind: addressRanges,
    flag: 'trusted-proxy',
    default: [],
    help: 'proxy whose Forwarded and X-Forwarded-For headers are believed: an address or a range like 10.0.0.0/8',
  },
  pathPrefix: { kind: urlPath, help: 'what a proxy leaves before the path, e.g. /sync' },
  'auth.jwtSecret': { kind: text('SECRET'), secret: true, help: 'secret of HS256 tokens' },
  'auth.jwtSecretFile': { kind: path('FILE'), help: 'file with the secret of HS256 tokens' },
  'auth.jwtPublicKeyFile': { kind: path('FILE'), help: 'file with the public key of tokens, PEM' },
  'auth.jwtAlgorithm': {
    kind: choice('EdDSA', 'ES256', 'RS256', 'PS256'),
    help: 'algorithm of tokens: no other is accepted; a key set without it may use each of them',
  },
  'auth.jwksUrl': { kind: webAddress, help: 'address of the key set of tokens' },
  'auth.issuer': { kind: text('TEXT'), help: 'issuer that tokens must name' },
  'auth.audience': { kind: text('TEXT'), help: 'audience that tokens must name' },
  'auth.rolesClaim': { kind: text('NAME'), default: 'roles', help: 'claim of a token that lists roles' },
  'auth.subjectClaim': { kind: text('NAME'), default: 'sub', help: 'claim of a token that says who it speaks for' },
  'auth.tokenAgeMsMax': {
    kind: whole(1, Number.MAX_SAFE_INTEGER, 'MS'),
    help: 'a token is good for so long after it was issued (iat, which it must then name), whatever it says itself; without it until its exp',
  },
  'auth.webhookUrl': { kind: webAddress, help: 'address that is asked who a token speaks for' },
  'auth.webhookToken': { kind: text('TOKEN'), secret: true, help: 'bearer token by which the webhook knows this relay' },
  'auth.webhookTokenFile': { kind: path('FILE'), help: 'file with the bearer token by which the webhook knows this relay' },
  'auth.allowHttp': {
    kind: yesOrNo,
    default: false,
    help: 'let auth.jwksUrl or auth.webhookUrl be http on other machines: keys and tokens can be read and changed on the way',
  },
  'auth.anonymous': {
    kind: yesOrNo,
    default: false,
    help: 'let in who brings no token, with the rights that the policy gives to anonymous',
  },
  policy: { kind: path('FILE'), help: 'policy file: who may do what; followed when it changes' },
  'hooks.url': { kind: webAddress, help: 'address that is told of documents: signed requests, docs/http-api.md' },
  'hooks.secret': { kind: text('SECRET'), secret: true, help: 'secret that these requests are signed with' },
  'hooks.secretFile': { kind: path('FILE'), help: 'file with the secret that these requests are signed with' },
  'hooks.events': {
    kind: several('change', 'connect', 'disconnect', 'load'),
    help: 'what it is told; without it change',
  },
  'admin.port': { kind: whole(0, 65_535), help: 'port of metrics, health and administration; without it there is none' },
  'admin.host': { kind: text('HOST'), default: '127.0.0.1', help: 'address that the admin port listens on' },
  'log.level': { kind: choice('debug', 'info', 'warn', 'error'), default: 'info', help: 'what is worth telling' },
  'log.format': {
    kind: choice('words', 'json'),
    default: 'words',
    help: 'words on stderr for people, or JSON lines on stdout for machines',
  },
  drainMs: { kind: milliseconds(), default: RELAY_LIMITS.drainMs, help: 'a shutdown takes at most this long' },
}

export const limitNames: readonly LimitName[] = Object.keys(RELAY_LIMITS).filter((name) => name !== 'drainMs') as LimitName[]

/** In the order of this file, limits last. */
export const settings: Readonly<Record<SettingName, SettingRow>> = {
  ...own,
  ...(Object.fromEntries(limitNames.map((name) => [`limits.${name}`, limitRow(name)])) as Record<`limits.${LimitName}`, SettingRow>),
}

export const settingNames: readonly SettingName[] = Object.keys(settings) as SettingName[]

export function isSettingName(name: string): name is SettingName {
  return Object.hasOwn(settings, name)
}

/** "tls.cert" is tls-cert; null for a secret, which has no flag. */
export function flagOf(name: SettingName): string | null {
  const row = settings[name]
  return row.secret ? null : (row.flag ?? dashed(name))
}

/** "tls.cert" is SYNCLINE_TLS_CERT. */
export function variableOf(name: SettingName): string {
  return `SYNCLINE_${dashed(name).replaceAll('-', '_').toUpperCase()}`
}

function dashed(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`).replaceAll('.', '-')
}

function limitRow(name: LimitName): SettingRow {
  return {
    kind: name.endsWith('Ms') ? milliseconds() : whole(1, Number.MAX_SAFE_INTEGER),
    default: RELAY_LIMITS[name],
    help: `bound ${name} of the relay`,
  }
}
