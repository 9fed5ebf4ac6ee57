// How connections begin: what plain-upgrade.ts reads is what Node's parser reads, everything else is left to that one, and who says nothing does not stay. Real sockets.

import { createServer, type IncomingHttpHeaders } from 'node:http'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, expect, test } from 'vitest'
import { readPlainUpgrade } from '../src/plain-upgrade.ts'
import { createRelay } from '../src/relay.ts'
import type { RelayOptions } from '../src/relay-options.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

const HEADERS = [
  'Host: 127.0.0.1',
  'Upgrade: websocket',
  'Connection: Upgrade',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  'Sec-WebSocket-Version: 13',
]
const PLAIN = headOf('GET /note?token=x HTTP/1.1', HEADERS)

function headOf(first: string, headers: readonly string[]): string {
  return [first, ...headers, '', ''].join('\r\n')
}

interface ReadRequest {
  readonly method: string
  readonly url: string
  readonly headers: IncomingHttpHeaders
  readonly head: string
}

/** What Node's own server takes for an upgrade; null: it takes it for something else. */
async function nodeReader(): Promise<(bytes: Buffer) => Promise<ReadRequest | null>> {
  const server = createServer((_, response) => response.writeHead(400, { connection: 'close' }).end())
  await new Promise<void>((resolve) => server.listen({ port: 0, host: '127.0.0.1' }, resolve))
  cleanups.push(() => {
    server.closeAllConnections()
    server.close()
  })
  return (bytes) =>
    new Promise((resolve) => {
      const socket = connect((server.address() as AddressInfo).port, '127.0.0.1', () => socket.end(bytes))
      const upgraded = ({ method = '', url = '', headers }: Partial<ReadRequest>, _: unknown, head: Buffer): void =>
        done({ method, url, headers: { ...headers }, head: head.toString('latin1') })
      const done = (read: ReadRequest | null): void => {
        server.off('upgrade', upgraded)
        resolve(read)
        socket.destroy()
      }
      server.once('upgrade', upgraded)
      socket.on('error', () => undefined)
      // It was answered, or ended without an answer.
      socket.once('data', () => done(null))
      socket.once('close', () => done(null))
    })
}

function plainReading(bytes: Buffer): ReadRequest | null {
  const plain = readPlainUpgrade(bytes)
  if (plain === null) return null
  const { method = '', url = '', headers } = plain.request
  return { method, url, headers: { ...headers }, head: plain.head.toString('latin1') }
}

test('[NC-1] a plain request is read as Node reads it, with what follows it', async () => {
  const readByNode = await nodeReader()
  for (const text of [PLAIN, `${PLAIN}\x82\x00`, headOf('GET / HTTP/1.1', [...HEADERS, 'X-Empty:', 'X-Tab:\t a \t b\t '])]) {
    const bytes = Buffer.from(text, 'latin1')
    expect(plainReading(bytes)).not.toBe(null)
    expect(plainReading(bytes)).toEqual(await readByNode(bytes))
  }
})

test('[NC-1] what could be read in two ways is left to Node: bodies, repeated headers, folded lines, bare line ends, other methods and versions', () => {
  const odd = [
    PLAIN.slice(0, -1),
    headOf('POST /note HTTP/1.1', HEADERS),
    headOf('GET /note HTTP/1.0', HEADERS),
    headOf('GET http://else.where/note HTTP/1.1', HEADERS),
    headOf('GET /no te HTTP/1.1', HEADERS),
    headOf('GET /n\xf6te HTTP/1.1', HEADERS),
    headOf('GET /note HTTP/1.1', HEADERS.slice(1)),
    ...[
      'Host: else.where',
      'Content-Length: 0',
      'Transfer-Encoding: chunked',
      'Expect: 100-continue',
      ' folded',
      'X: a\nY: b',
      'X : a',
      'X',
      'X: \x01',
    ].map((more) => headOf('GET /note HTTP/1.1', [...HEADERS, more])),
    headOf('GET /note HTTP/1.1', [...HEADERS, `X: ${'x'.repeat(9000)}`]),
    PLAIN.replace('Connection: Upgrade', 'Connection: keep-alive'),
    PLAIN.replace('Upgrade: websocket', 'Upgrade: h2c'),
  ]
  for (const text of odd) expect([text, plainReading(Buffer.from(text, 'latin1'))]).toEqual([text, null])
})

test('[NC-1] however a request is changed: it is left to Node, or read as Node reads it', async () => {
  const readByNode = await nodeReader()
  const inserted = fc.constantFrom(
    '\r\n',
    '\n',
    '\r',
    ' ',
    '\t',
    ':',
    ',',
    'X: y\r\n',
    'Host: b\r\n',
    'Upgrade: c\r\n',
    '\0',
    '\x7f',
    '\xe9',
    'a',
    'U',
  )
  const changes = fc.array(fc.tuple(fc.nat(PLAIN.length), fc.nat(3), inserted), { minLength: 1, maxLength: 3 })
  await fc.assert(
    fc.asyncProperty(changes, async (all) => {
      let text = PLAIN
      for (const [at, removed, more] of all) text = text.slice(0, at) + more + text.slice(at + removed)
      const bytes = Buffer.from(text, 'latin1')
      const plain = plainReading(bytes)
      if (plain !== null) expect(plain).toEqual(await readByNode(bytes))
    }),
    { numRuns: 500 },
  )
})

async function portHere(options: Partial<RelayOptions> = {}): Promise<number> {
  const data = mkdtempSync(join(tmpdir(), 'syncline-newcomers-'))
  cleanups.push(() => rmSync(data, { recursive: true, force: true }))
  const relay = await createRelay({ data, port: 0, durability: 'process', ...options })
  cleanups.push(() => relay.close())
  return relay.port
}

interface Caller {
  readonly socket: Socket
  /** All that came until the other side ended it. */
  readonly answer: Promise<string>
  /** Resolves when this came. */
  heard(text: string): Promise<void>
}

function call(port: number): Caller {
  const socket = connect(port, '127.0.0.1')
  let heard = ''
  const waiting = new Set<() => void>()
  socket.on('data', (bytes) => {
    heard += bytes.toString('latin1')
    for (const look of waiting) look()
  })
  socket.on('error', () => undefined)
  cleanups.push(() => socket.destroy())
  return {
    socket,
    answer: new Promise((resolve) => socket.on('close', () => resolve(heard))),
    heard: (text) =>
      new Promise((resolve) => {
        const look = (): void => (heard.includes(text) ? resolve() : undefined)
        waiting.add(look)
        look()
      }),
  }
}

/** A masked binary frame whose mask is zero: step 1 of y-websocket, of a client that has nothing. */
const STEP_1 = Buffer.of(0x82, 0x84, 0, 0, 0, 0, 0, 0, 1, 0)
/** Step 2 of a document that is empty. */
const STEP_2 = '\x82\x05\x00\x01\x02\x00\x00'

test('[NC-1] a client is answered that sends its first message with the request, and one whose request comes in pieces', async () => {
  const port = await portHere()
  const hasty = call(port)
  hasty.socket.write(Buffer.concat([Buffer.from(PLAIN), STEP_1]))
  await hasty.heard(STEP_2)
  const slow = call(port)
  slow.socket.write(PLAIN.slice(0, 40))
  await new Promise((resolve) => slow.socket.write(PLAIN.slice(40, -2), resolve))
  slow.socket.write(PLAIN.slice(-2))
  await slow.heard('101 Switching Protocols')
  slow.socket.write(STEP_1)
  await slow.heard(STEP_2)
  const page = call(port)
  page.socket.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  expect(await page.answer).toContain('This is a Syncline relay.')
})

test('[NC-2] who says nothing is ended in the time that a request has, and who leaves without a word at once', async () => {
  const port = await portHere({ limits: { headersTimeoutMs: 300 } })
  const silent = call(port)
  const halfSaid = call(port)
  halfSaid.socket.write('GET /note HTTP/1.1\r\n')
  expect(await silent.answer).toContain('408')
  expect(await halfSaid.answer).toContain('408')
  const patient = await portHere()
  const probe = call(patient)
  probe.socket.end()
  expect(await probe.answer).toBe('')
  // And nobody waits for them at the end: the relay closes while one is silent.
  const last = call(patient)
  await new Promise((resolve) => last.socket.on('connect', resolve))
  for (const cleanup of cleanups.splice(-2, 1)) await cleanup()
})
