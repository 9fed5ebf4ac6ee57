// What values a setting may have: for each kind how its text (of a flag or an environment variable) becomes a value, which values it takes, the same as a JSON Schema for
// editors, and the words that say it. By hand, not by a schema library: every relay reads its settings, and a library took more memory than all of them. Pure. Read by
// settings.ts. Rules: CF-2, RS-7.

import { spaceOrNull } from '../data-folder.ts'
import { isAddressRange } from '../forwarded.ts'

export interface Kind<T> {
  /** Whether this is such a value, as it stands in a file. */
  accepts(value: unknown): value is T
  /** The part of a value that is not accepted: of a list its first wrong entry, else all of it. */
  wrongPart(value: unknown): unknown
  /** As far as it can say it. */
  readonly jsonSchema: Readonly<Record<string, unknown>>
  /** Ends the sentence "--port takes ...". */
  readonly takes: string
  /** Stands for the value in help. */
  readonly placeholder: string
  /** A flag may be repeated; the environment separates with commas. */
  readonly list: boolean
  /** A path: one that stands in a file is taken from that file's folder. */
  readonly path: boolean
  /** Of a flag or an environment variable; text that means no such value is returned as it is, to be refused. */
  fromText(text: string): unknown
}

/** Timers overflow above it, and fire at once. */
const timerMsMax = 2_147_483_647

/** Values and their JSON Schema. */
interface Shape<T> {
  accepts(value: unknown): value is T
  readonly jsonSchema: Readonly<Record<string, unknown>>
}

const anyText: Shape<string> = {
  accepts: (value): value is string => typeof value === 'string' && value !== '',
  jsonSchema: { type: 'string', minLength: 1 },
}

export function text(placeholder: string): Kind<string> {
  return kind(anyText, 'text', placeholder, {})
}

/** A file or folder. */
export function path(placeholder: string): Kind<string> {
  return kind(anyText, 'a path', placeholder, { path: true })
}

export function whole(min: number, max: number, placeholder = 'N'): Kind<number> {
  const numbers: Shape<number> = {
    accepts: (value): value is number => Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max,
    jsonSchema: { type: 'integer', minimum: min, maximum: max },
  }
  return kind(numbers, `a whole number from ${min} to ${max}`, placeholder, {
    fromText: (written) => (/^\d{1,16}$/.test(written) ? Number(written) : written),
  })
}

export function milliseconds(): Kind<number> {
  return whole(1, timerMsMax, 'MS')
}

export const yesOrNo: Kind<boolean> = kind(
  { accepts: (value): value is boolean => typeof value === 'boolean', jsonSchema: { type: 'boolean' } },
  'true or false',
  '',
  { fromText: (written) => ({ true: true, '1': true, false: false, '0': false })[written.toLowerCase()] ?? written },
)

/** Some of these. */
export function several<const T extends string>(...names: readonly T[]): Kind<readonly T[]> {
  return list(oneOf(names), wordsOf(names), names.join('|'))
}

export function choice<const T extends string>(...names: readonly T[]): Kind<T> {
  return kind(oneOf(names), wordsOf(names), names.join('|'), {})
}

/** An absolute path of URLs without a slash at its end: /sync. */
export const urlPath: Kind<string> = kind(matching(urlPathPattern()), 'a path like /sync, without a slash at its end', 'PATH', {})

/** An absolute path of URLs, or off. */
export const urlPathOrOff: Kind<string> = kind(
  anyOf(exactly('off'), exactly('/'), matching(urlPathPattern())),
  'a path like /, or off',
  'PATH|off',
  {},
)

/** An absolute path of URLs with a slash at its end: /s/. */
export const urlFolder: Kind<string> = kind(
  matching(new RegExp(`${urlPathPattern().source.slice(0, -1)}/$`)),
  'a path like /s/, with a slash at its end',
  'PATH',
  {},
)

/** Names of spaces, or * for all. */
export const spaceNames: Kind<readonly string[]> = list(
  textThat((name) => name === '*' || spaceOrNull(name) !== null),
  'the name of a space: letters, digits, minus, dot and low line, no dot first; or * for all',
  'SPACE',
)

/** http: or https:. */
export const webAddress: Kind<string> = kind(addressOf('http:', 'https:'), 'an http:// or https:// address', 'URL', {})

export const peerAddresses: Kind<readonly string[]> = list(addressOf('ws:', 'wss:'), 'a ws:// or wss:// address', 'URL')

export const origins: Kind<readonly string[]> = list(
  textThat((origin) => origin === '*' || isOrigin(origin)),
  'an origin like https://app.example.com, or *',
  'ORIGIN',
)

export const addressRanges: Kind<readonly string[]> = list(textThat(isAddressRange), 'an IP address or a range like 10.0.0.0/8', 'ADDRESS')

function list<T extends string>(one: Shape<T>, takes: string, placeholder: string): Kind<readonly T[]> {
  const all: Shape<readonly T[]> = {
    accepts: (value): value is readonly T[] => Array.isArray(value) && value.every((item) => one.accepts(item)),
    jsonSchema: { readOnly: true, type: 'array', items: one.jsonSchema },
  }
  return kind(all, takes, placeholder, {
    list: true,
    wrongPart: (value) => (Array.isArray(value) ? (value as unknown[]).find((item) => !one.accepts(item)) : value),
    fromText: (written) =>
      written
        .split(',')
        .map((part) => part.trim())
        .filter((part) => part !== ''),
  })
}

function kind<T>(
  { accepts, jsonSchema }: Shape<T>,
  takes: string,
  placeholder: string,
  rest: Partial<Pick<Kind<T>, 'list' | 'path' | 'fromText' | 'wrongPart'>>,
): Kind<T> {
  const preset = { list: false, path: false, fromText: (written: string) => written, wrongPart: (value: unknown) => value }
  return { accepts, jsonSchema, takes, placeholder, ...preset, ...rest }
}

function textThat(isRight: (text: string) => boolean): Shape<string> {
  return { accepts: (value): value is string => typeof value === 'string' && isRight(value), jsonSchema: { type: 'string' } }
}

function matching(pattern: RegExp): Shape<string> {
  return { ...textThat((written) => pattern.test(written)), jsonSchema: { type: 'string', pattern: pattern.source } }
}

function exactly<const T extends string>(name: T): Shape<T> {
  return { accepts: (value): value is T => value === name, jsonSchema: { type: 'string', const: name } }
}

function oneOf<T extends string>(names: readonly T[]): Shape<T> {
  const known: ReadonlySet<unknown> = new Set(names)
  return { accepts: (value): value is T => known.has(value), jsonSchema: { type: 'string', enum: names } }
}

function anyOf(...shapes: readonly Shape<string>[]): Shape<string> {
  return {
    accepts: (value): value is string => shapes.some((shape) => shape.accepts(value)),
    jsonSchema: { anyOf: shapes.map((shape) => shape.jsonSchema) },
  }
}

function wordsOf(names: readonly string[]): string {
  return `${names.slice(0, -1).join(', ')} or ${names.at(-1)}`
}

function addressOf(...schemes: readonly string[]): Shape<string> {
  return textThat((address) => URL.canParse(address) && schemes.includes(new URL(address).protocol))
}

/** As a browser sends it: scheme, host and port, nothing after it. */
function isOrigin(written: string): boolean {
  return URL.canParse(written) && /^https?:$/.test(new URL(written).protocol) && new URL(written).origin === written.toLowerCase()
}

function urlPathPattern(): RegExp {
  return /^(\/[A-Za-z0-9._~!$&'()*+,;=:@%-]+)+$/
}
