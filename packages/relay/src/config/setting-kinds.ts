// What values a setting may have: for each kind how its text (of a flag or an environment variable) becomes a value, a zod schema of the value (as it stands in
// a file), and the words that say what it takes. Pure. Read by settings.ts. Rule: CF-2.

import { z } from 'zod'
import { spaceOrNull } from '../data-folder.ts'
import { isAddressRange } from '../forwarded.ts'

export interface Kind<T> {
  /** Of the value as JSON. */
  readonly schema: z.ZodType<T>
  /** Ends the sentence "--port takes ...". */
  readonly takes: string
  /** Stands for the value in help. */
  readonly placeholder: string
  /** A flag may be repeated; the environment separates with commas. */
  readonly list: boolean
  /** A path: one that stands in a file is taken from that file's folder. */
  readonly path: boolean
  /** Of a flag or an environment variable; text that means no such value is returned as it is, for the schema to refuse. */
  fromText(text: string): unknown
}

/** Timers overflow above it, and fire at once. */
const timerMsMax = 2_147_483_647

export function text(placeholder: string): Kind<string> {
  return kind(z.string().min(1), 'text', placeholder, {})
}

/** A file or folder. */
export function path(placeholder: string): Kind<string> {
  return kind(z.string().min(1), 'a path', placeholder, { path: true })
}

export function whole(min: number, max: number, placeholder = 'N'): Kind<number> {
  return kind(z.int().min(min).max(max), `a whole number from ${min} to ${max}`, placeholder, {
    fromText: (written) => (/^\d{1,16}$/.test(written) ? Number(written) : written),
  })
}

export function milliseconds(): Kind<number> {
  return whole(1, timerMsMax, 'MS')
}

export const yesOrNo: Kind<boolean> = kind(z.boolean(), 'true or false', '', {
  fromText: (written) => ({ true: true, '1': true, false: false, '0': false })[written.toLowerCase()] ?? written,
})

/** Some of these. */
export function several<const T extends string>(...names: readonly T[]): Kind<readonly T[]> {
  const words = `${names.slice(0, -1).join(', ')} or ${names.at(-1)}`
  return list(z.enum(names as readonly [T, ...T[]]), words, names.join('|'))
}

export function choice<const T extends string>(...names: readonly T[]): Kind<T> {
  return kind(z.enum(names as readonly [T, ...T[]]), `${names.slice(0, -1).join(', ')} or ${names.at(-1)}`, names.join('|'), {})
}

/** An absolute path of URLs without a slash at its end: /sync. */
export const urlPath: Kind<string> = kind(z.string().regex(urlPathPattern()), 'a path like /sync, without a slash at its end', 'PATH', {})

/** An absolute path of URLs, or off. */
export const urlPathOrOff: Kind<string> = kind(
  z.union([z.literal('off'), z.literal('/'), z.string().regex(urlPathPattern())]),
  'a path like /, or off',
  'PATH|off',
  {},
)

/** An absolute path of URLs with a slash at its end: /s/. */
export const urlFolder: Kind<string> = kind(
  z.string().regex(new RegExp(`${urlPathPattern().source.slice(0, -1)}/$`)),
  'a path like /s/, with a slash at its end',
  'PATH',
  {},
)

/** Names of spaces, or * for all. */
export const spaceNames: Kind<readonly string[]> = list(
  z.string().refine((name) => name === '*' || spaceOrNull(name) !== null),
  'the name of a space: letters, digits, minus, dot and low line, no dot first; or * for all',
  'SPACE',
)

/** http: or https:. */
export const webAddress: Kind<string> = kind(addressOf('http:', 'https:'), 'an http:// or https:// address', 'URL', {})

export const peerAddresses: Kind<readonly string[]> = list(addressOf('ws:', 'wss:'), 'a ws:// or wss:// address', 'URL')

export const origins: Kind<readonly string[]> = list(
  z.string().refine((origin) => origin === '*' || isOrigin(origin)),
  'an origin like https://app.example.com, or *',
  'ORIGIN',
)

export const addressRanges: Kind<readonly string[]> = list(
  z.string().refine(isAddressRange),
  'an IP address or a range like 10.0.0.0/8',
  'ADDRESS',
)

function list<T extends string>(one: z.ZodType<T>, takes: string, placeholder: string): Kind<readonly T[]> {
  return kind(z.array(one).readonly(), takes, placeholder, {
    list: true,
    fromText: (written) =>
      written
        .split(',')
        .map((part) => part.trim())
        .filter((part) => part !== ''),
  })
}

function kind<T>(
  schema: z.ZodType<T>,
  takes: string,
  placeholder: string,
  rest: { readonly list?: boolean; readonly path?: boolean; readonly fromText?: (text: string) => unknown },
): Kind<T> {
  return {
    schema,
    takes,
    placeholder,
    list: rest.list ?? false,
    path: rest.path ?? false,
    fromText: rest.fromText ?? ((written) => written),
  }
}

function addressOf(...schemes: readonly string[]): z.ZodType<string> {
  return z.string().refine((address) => URL.canParse(address) && schemes.includes(new URL(address).protocol))
}

/** As a browser sends it: scheme, host and port, nothing after it. */
function isOrigin(written: string): boolean {
  return URL.canParse(written) && /^https?:$/.test(new URL(written).protocol) && new URL(written).origin === written.toLowerCase()
}

function urlPathPattern(): RegExp {
  return /^(\/[A-Za-z0-9._~!$&'()*+,;=:@%-]+)+$/
}
