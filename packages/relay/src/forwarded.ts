// Who a client is when it comes through proxies: the client's address and scheme, from the socket's address and the Forwarded or X-Forwarded-For and
// X-Forwarded-Proto headers, believing only what a trusted proxy added. Anybody may send these headers; a proxy appends the address that it saw, so they are
// read from the right, and reading stops at the first address that is not a trusted proxy. Pure. Read by front.ts (credentials, limits per address) and by
// config/setting-kinds.ts (the ranges). Rules: FW-1 to FW-4.

import { BlockList, isIP } from 'node:net'

/** Headers as Node gives them: repeated ones joined with a comma, or as a list. */
export type HeaderMap = Readonly<Record<string, string | readonly string[] | undefined>>

export interface Client {
  /** An IP address, IPv4 in its own form also where the socket is IPv6. */
  readonly address: string
  readonly secure: boolean
  /** True when the socket belongs to a trusted proxy and a header that it added was used. */
  readonly forwarded: boolean
}

/** The set of proxies that are believed. Nobody: `trustedProxies([])`. */
export interface TrustedProxies {
  has(address: string): boolean
}

/** Hops of a header that are read; a longer chain is cut at its left, the far end. */
const hopsMax = 64

/** True for an IP address, or one with a prefix length: 10.0.0.0/8, fd00::/8, 127.0.0.1. */
export function isAddressRange(text: string): boolean {
  const [address = '', prefix, ...rest] = text.split('/')
  const version = isIP(address)
  if (version === 0 || rest.length > 0 || address.includes('%')) return false
  return prefix === undefined || (/^(0|[1-9]\d{0,2})$/.test(prefix) && Number(prefix) <= (version === 4 ? 32 : 128))
}

/** Throws a RangeError for what isAddressRange refuses. */
export function trustedProxies(ranges: readonly string[]): TrustedProxies {
  const list = new BlockList()
  for (const range of ranges) {
    if (!isAddressRange(range)) throw new RangeError(`${JSON.stringify(range)} is no address range`)
    const [address = '', prefix] = range.split('/')
    const family = isIP(address) === 4 ? 'ipv4' : 'ipv6'
    if (prefix === undefined) list.addAddress(address, family)
    else list.addSubnet(address, Number(prefix), family)
  }
  return {
    has: (address) => {
      if (ranges.length === 0) return false
      const version = isIP(address)
      return version !== 0 && list.check(address, version === 4 ? 'ipv4' : 'ipv6')
    },
  }
}

/**
 * `socketAddress` and `socketSecure` are those of the connection itself. A hop that names no address ("unknown", an obfuscated name, rubbish) ends the reading:
 * the address is then that of the proxy that reported it. A proxy passes on the kind of header that it does not write itself, so a client can invent it: where
 * both kinds stand and name different clients, neither is believed and the client is the proxy.
 */
export function clientOf(socketAddress: string, socketSecure: boolean, headers: HeaderMap, proxies: TrustedProxies): Client {
  const nearest: Client = { address: plainAddress(socketAddress), secure: socketSecure, forwarded: false }
  if (!proxies.has(nearest.address)) return nearest
  const forwarded = joined(headers['forwarded'])
  const byX = follow(nearest, hopsOfX(headers), proxies)
  if (forwarded === null) return byX
  const byForwarded = follow(nearest, hopsOfForwarded(forwarded), proxies)
  if (joined(headers['x-forwarded-for']) === null) return byForwarded
  return byX.address === byForwarded.address ? byForwarded : nearest
}

/** From the right: each trusted proxy is believed about the hop before it. */
function follow(nearest: Client, hops: readonly Hop[], proxies: TrustedProxies): Client {
  let { address, secure, forwarded } = nearest
  for (const hop of hops.toReversed()) {
    if (hop.secure !== null) {
      secure = hop.secure
      forwarded = true
    }
    if (hop.address === null) break
    address = hop.address
    forwarded = true
    if (!proxies.has(address)) break
  }
  return { address, secure, forwarded }
}

interface Hop {
  /** Null: not told in a form that can be read. */
  readonly address: string | null
  readonly secure: boolean | null
}

/** X-Forwarded-Proto has one value per hop, or one for all of them: what the nearest proxy said counts then. */
function hopsOfX(headers: HeaderMap): Hop[] {
  const addresses = (joined(headers['x-forwarded-for']) ?? '').split(',').slice(-hopsMax)
  const schemes = (joined(headers['x-forwarded-proto']) ?? '').split(',').map((text) => schemeOf(text.trim()))
  const perHop = schemes.length === addresses.length
  return addresses.map((text, index) => ({
    address: addressOf(text.trim()),
    secure: perHop ? schemes[index]! : index === addresses.length - 1 ? schemes.at(-1)! : null,
  }))
}

/** One element per hop: `for="[2001:db8::1]:4711";proto=https;by=_gate`. */
function hopsOfForwarded(header: string): Hop[] {
  return outsideQuotes(header, ',')
    .slice(-hopsMax)
    .map((element) => {
      let address: string | null = null
      let secure: boolean | null = null
      for (const pair of outsideQuotes(element, ';')) {
        const at = pair.indexOf('=')
        const name = pair.slice(0, Math.max(at, 0)).trim().toLowerCase()
        const value = unquoted(pair.slice(at + 1).trim())
        if (name === 'for') address = addressOf(value)
        else if (name === 'proto') secure = schemeOf(value)
      }
      return { address, secure }
    })
}

/** Splits at `separator`, but not inside quoted strings. An unclosed quote reaches to the end. */
function outsideQuotes(text: string, separator: string): string[] {
  const parts: string[] = []
  let from = 0
  let quoted = false
  for (let at = 0; at < text.length; at++) {
    if (quoted && text[at] === '\\') at++
    else if (text[at] === '"') quoted = !quoted
    else if (!quoted && text[at] === separator) {
      parts.push(text.slice(from, at))
      from = at + 1
    }
  }
  parts.push(text.slice(from))
  return parts
}

function unquoted(text: string): string {
  return text.length >= 2 && text.startsWith('"') && text.endsWith('"') ? text.slice(1, -1).replace(/\\(.)/g, '$1') : text
}

/** 1.2.3.4, 1.2.3.4:5678, 2001:db8::1, [2001:db8::1], [2001:db8::1]:5678. */
function addressOf(text: string): string | null {
  const bare = /^\[([^\]]*)\](?::\d{1,5})?$/.exec(text)?.[1] ?? /^([\d.]+):\d{1,5}$/.exec(text)?.[1] ?? text
  return isIP(bare) === 0 ? null : plainAddress(bare)
}

/** Without a zone, and an IPv4 address that came as ::ffff:1.2.3.4 as itself. */
function plainAddress(address: string): string {
  const bare = address.split('%', 1)[0]!.toLowerCase()
  return /^::ffff:(\d{1,3}(?:\.\d{1,3}){3})$/.exec(bare)?.[1] ?? bare
}

function schemeOf(text: string): boolean | null {
  const scheme = text.toLowerCase()
  if (scheme === 'https' || scheme === 'wss') return true
  return scheme === 'http' || scheme === 'ws' ? false : null
}

function joined(header: string | readonly string[] | undefined): string | null {
  const text = typeof header === 'string' ? header : (header?.join(',') ?? '')
  return text.trim() === '' ? null : text
}
