// Whose connection it is, behind proxies: a table of sockets and headers, honest and spoofed.

import { expect, test } from 'vitest'
import fc from 'fast-check'
import { clientOf, isAddressRange, trustedProxies, type HeaderMap } from '../src/forwarded.ts'

const proxies = trustedProxies(['10.0.0.0/8', '127.0.0.1', 'fd00::/8'])
const nobody = trustedProxies([])

interface Row {
  readonly what: string
  readonly socket?: string
  readonly headers: HeaderMap
  readonly address: string
  readonly secure?: boolean
  readonly forwarded?: boolean
}

const spoofed: readonly Row[] = [
  { what: 'no proxy, no header', socket: '203.0.113.9', headers: {}, address: '203.0.113.9' },
  { what: 'a stranger sends X-Forwarded-For', socket: '203.0.113.9', headers: { 'x-forwarded-for': '127.0.0.1' }, address: '203.0.113.9' },
  {
    what: 'a stranger sends Forwarded',
    socket: '203.0.113.9',
    headers: { forwarded: 'for=127.0.0.1;proto=https' },
    address: '203.0.113.9',
  },
  {
    what: 'a stranger sends X-Forwarded-Proto',
    socket: '203.0.113.9',
    headers: { 'x-forwarded-proto': 'https' },
    address: '203.0.113.9',
  },
  {
    what: 'a client puts addresses before those that the proxy appends',
    headers: { 'x-forwarded-for': '127.0.0.1, 10.0.0.7, 198.51.100.1, 203.0.113.9' },
    address: '203.0.113.9',
    forwarded: true,
  },
  {
    what: 'a client puts a trusted address last, and the proxy appends the real one',
    headers: { 'x-forwarded-for': ['10.1.1.1', '203.0.113.9'] },
    address: '203.0.113.9',
    forwarded: true,
  },
  {
    what: 'a quote in the client part does not swallow what the proxy appended as an element',
    headers: { forwarded: 'for=198.51.100.1;by="x", for=203.0.113.9' },
    address: '203.0.113.9',
    forwarded: true,
  },
  {
    what: 'an unclosed quote makes the element unreadable: the proxy itself counts, never the client part',
    headers: { forwarded: 'for="198.51.100.1, for=203.0.113.9' },
    address: '10.0.0.2',
  },
  {
    what: 'a client sends Forwarded, its proxy appends to it',
    headers: { forwarded: ['for=127.0.0.1', 'for=203.0.113.9;proto=http'] },
    address: '203.0.113.9',
    forwarded: true,
  },
  {
    what: 'a client invents Forwarded, which its proxy passes on, writing only X-Forwarded-For itself',
    headers: { forwarded: 'for=127.0.0.1;proto=https', 'x-forwarded-for': '203.0.113.9' },
    address: '10.0.0.2',
  },
  {
    what: 'a client invents X-Forwarded-For, which its proxy passes on, writing only Forwarded itself',
    headers: { forwarded: 'for=203.0.113.9', 'x-forwarded-for': '127.0.0.1' },
    address: '10.0.0.2',
  },
  { what: 'rubbish instead of an address', headers: { 'x-forwarded-for': '203.0.113.9, <script>' }, address: '10.0.0.2' },
  { what: 'an obfuscated name', headers: { forwarded: 'for=203.0.113.9, for=_hidden' }, address: '10.0.0.2' },
  { what: 'unknown', headers: { forwarded: 'for=unknown' }, address: '10.0.0.2' },
  { what: 'an address out of range', headers: { 'x-forwarded-for': '1.2.3.400' }, address: '10.0.0.2' },
  { what: 'empty', headers: { 'x-forwarded-for': '' }, address: '10.0.0.2' },
]

const honest: readonly Row[] = [
  { what: 'one proxy', headers: { 'x-forwarded-for': '203.0.113.9' }, address: '203.0.113.9', forwarded: true },
  {
    what: 'one proxy, TLS ends there',
    headers: { 'x-forwarded-for': '203.0.113.9', 'x-forwarded-proto': 'https' },
    address: '203.0.113.9',
    secure: true,
    forwarded: true,
  },
  {
    what: 'two proxies: the scheme is what the outermost one saw',
    headers: { 'x-forwarded-for': '203.0.113.9, 10.9.9.9', 'x-forwarded-proto': 'https, http' },
    address: '203.0.113.9',
    secure: true,
    forwarded: true,
  },
  {
    what: 'two proxies, only the nearest tells the scheme',
    headers: { 'x-forwarded-for': '203.0.113.9, 10.9.9.9', 'x-forwarded-proto': 'https' },
    address: '203.0.113.9',
    secure: true,
    forwarded: true,
  },
  { what: 'scheme alone', headers: { 'x-forwarded-proto': 'wss' }, address: '10.0.0.2', secure: true, forwarded: true },
  { what: 'address with a port', headers: { 'x-forwarded-for': '203.0.113.9:51234' }, address: '203.0.113.9', forwarded: true },
  { what: 'IPv6', headers: { 'x-forwarded-for': '2001:DB8::7' }, address: '2001:db8::7', forwarded: true },
  {
    what: 'IPv6 in Forwarded, with a port',
    headers: { forwarded: 'For="[2001:db8:cafe::17]:4711";Proto=HTTPS;by=203.0.113.43' },
    address: '2001:db8:cafe::17',
    secure: true,
    forwarded: true,
  },
  {
    what: 'the socket is a mapped IPv4',
    socket: '::ffff:10.0.0.2',
    headers: { 'x-forwarded-for': '::ffff:203.0.113.9' },
    address: '203.0.113.9',
    forwarded: true,
  },
  { what: 'an IPv6 proxy', socket: 'fd12::1', headers: { 'x-forwarded-for': '203.0.113.9' }, address: '203.0.113.9', forwarded: true },
  { what: 'only proxies: the farthest', headers: { 'x-forwarded-for': '10.0.0.8, 10.0.0.9' }, address: '10.0.0.8', forwarded: true },
  {
    what: 'a proxy that writes both kinds, alike',
    headers: { forwarded: 'for=203.0.113.9;proto=https', 'x-forwarded-for': '203.0.113.9', 'x-forwarded-proto': 'https' },
    address: '203.0.113.9',
    secure: true,
    forwarded: true,
  },
]

const seen = ({ socket = '10.0.0.2', headers }: Row) => clientOf(socket, false, headers, proxies)
const wanted = ({ address, secure = false, forwarded = false }: Row) => ({ address, secure, forwarded })

test.for(spoofed)('[FW-1] what a client invents is not believed: $what', (row) => {
  expect(seen(row)).toEqual(wanted(row))
})

test.for(honest)('[FW-2] what a trusted proxy says is used: $what', (row) => {
  expect(seen(row)).toEqual(wanted(row))
})

test('[FW-1] whatever stands left of an untrusted address makes no difference, and nothing throws', () => {
  const text = fc.oneof(fc.string(), fc.constantFrom('127.0.0.1', '10.0.0.3', 'for=127.0.0.1', '"', ',', ';', '\\', 'proto=https'))
  fc.assert(
    fc.property(fc.array(text), (parts) => {
      const left = parts.join(',')
      expect(clientOf('10.0.0.2', false, { 'x-forwarded-for': `${left},203.0.113.9` }, proxies).address).toBe('203.0.113.9')
      expect(clientOf('203.0.113.9', true, { forwarded: left, 'x-forwarded-for': left }, proxies)).toEqual({
        address: '203.0.113.9',
        secure: true,
        forwarded: false,
      })
      const through = clientOf('10.0.0.2', false, { forwarded: `${left.replaceAll('"', '')},for=203.0.113.9` }, proxies)
      expect(through.address).toBe('203.0.113.9')
      clientOf('10.0.0.2', false, { forwarded: left }, proxies)
    }),
  )
})

test('[FW-3] without trusted proxies no header counts, and the TLS of the socket itself does', () => {
  const headers = { 'x-forwarded-for': '198.51.100.1', 'x-forwarded-proto': 'http' }
  expect(clientOf('127.0.0.1', true, headers, nobody)).toEqual({ address: '127.0.0.1', secure: true, forwarded: false })
  expect(clientOf('fe80::1%eth0', false, {}, nobody).address).toBe('fe80::1')
})

test('[FW-4] a range is an address or an address with a prefix length, nothing else', () => {
  for (const range of ['10.0.0.0/8', '127.0.0.1', '0.0.0.0/0', '::/0', 'fd00::/8', '::1', '192.168.1.1/32'])
    expect(isAddressRange(range), range).toBe(true)
  for (const range of [
    '',
    '10.0.0.0/33',
    '10.0.0/8',
    '::1/129',
    'localhost',
    '10.0.0.0/08',
    '10.0.0.0/-1',
    '10.0.0.0/8/8',
    'fe80::1%eth0',
    '10.0.0.1/ 8',
  ])
    expect(isAddressRange(range), range).toBe(false)
  expect(() => trustedProxies(['proxy.example'])).toThrow(RangeError)
})

test('[FW-1] a header of a thousand hops costs no more than its last 64', () => {
  const chain = Array.from({ length: 1000 }, () => '10.0.0.1').join(',')
  expect(clientOf('10.0.0.2', false, { 'x-forwarded-for': `203.0.113.9,${chain}` }, proxies).address).toBe('10.0.0.1')
})
