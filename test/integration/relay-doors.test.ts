// Who gets through the doors of a relay, and what bytes from outside cannot do to it.

import { get } from 'node:http'
import { connect } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { parseDocId } from '@syncline/protocol'
import { createRelay, type Relay, type RelayOptions } from '@syncline/relay'
import * as codec from '../../packages/relay/src/y-websocket-codec.ts'
import { temporaryFolder } from './relay-process.ts'
import { BareClient, freshUpdate, refusedUpgrade } from './room-client.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

async function relayHere(options: Partial<RelayOptions> = {}): Promise<Relay> {
  const folder = temporaryFolder()
  cleanups.push(folder.remove)
  const relay = await createRelay({ data: folder.path, port: 0, durability: 'process', ...options })
  cleanups.push(() => relay.close())
  return relay
}

async function roomOf(relay: Relay, room = 'note'): Promise<BareClient> {
  const bare = new BareClient(`${relay.url}/${room}`)
  cleanups.push(() => bare.terminate())
  await bare.opened
  return bare
}

const textOf = (relay: Relay, doc: string): string => relay.replica.openDocument(parseDocId(doc)).doc.getText('body').toString()

test('[AU-0] without authentication only pages of this machine get through, on every door', async () => {
  const { url } = await relayHere()
  for (const origin of ['https://evil.example', 'null', 'http://localhost.evil.example']) {
    for (const subprotocols of [[], ['syncline.1']]) {
      expect(await refusedUpgrade(`${url}/note`, { origin }, subprotocols)).toEqual({
        status: 403,
        words: expect.stringContaining('--insecure'),
      })
    }
  }
  for (const origin of ['http://localhost:5173', 'http://127.0.0.1', 'http://[::1]:8080']) {
    const page = new BareClient(`${url}/note`, { origin })
    cleanups.push(() => page.terminate())
    await page.opened
  }
})

test('[AU-0] with --insecure any page gets through, and without it no other address is bound', async () => {
  const { url } = await relayHere({ insecure: true })
  const page = new BareClient(`${url}/note`, { origin: 'https://notes.example' })
  cleanups.push(() => page.terminate())
  await page.opened
  for (const host of ['0.0.0.0', '::', '192.168.1.1']) {
    await expect(relayHere({ host })).rejects.toMatchObject({ code: 'host-not-loopback' })
  }
})

test('[YW-1] plain HTTP on the port gets words', async () => {
  const { port } = await relayHere()
  const answer = await new Promise<{ status: number; text: string }>((resolve, reject) => {
    get({ host: '127.0.0.1', port }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (part: string) => (text += part))
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }))
    }).on('error', reject)
  })
  expect(answer).toEqual({ status: 200, text: expect.stringContaining('Syncline relay') })
})

test('[IN-1] frames that no client sends end their connection, and nothing else', async () => {
  const relay = await relayHere()
  const healthy = await roomOf(relay)
  const bad: [name: string, frame: Uint8Array | string][] = [
    ['a text frame', 'hello'],
    ['an empty frame', new Uint8Array(0)],
    ['garbage', Uint8Array.from({ length: 100 }, (_, index) => ((index * 37) % 256) | 0x80)],
    ['an unknown sync step', Uint8Array.of(0, 9, 0)],
    ['a length beyond the frame', Uint8Array.of(0, 2, 0xff, 0xff, 0x03, 1)],
    ['a state vector that is none', Uint8Array.of(0, 0, 2, 5, 1)],
    ['very many messages', new Uint8Array(60_000).fill(3)],
  ]
  for (const [name, frame] of bad) {
    const bare = await roomOf(relay)
    bare.socket.send(frame)
    expect(await bare.closed, name).toEqual({ code: 4400, reason: expect.stringMatching(/^message-malformed: /) })
  }
  const update = freshUpdate('still here')
  healthy.send(codec.updateFrame(update))
  await healthy.echoOf(update)
  expect(textOf(relay, 'note')).toBe('still here')
})

test('[IN-1] updates that no Yjs encodes change nothing and reach nobody', async () => {
  const relay = await relayHere()
  const healthy = await roomOf(relay)
  const bad: Uint8Array[] = [
    Uint8Array.of(1, 1, 7),
    Uint8Array.of(0, 1, 7, 1, 0, 128, 128, 128, 128, 128, 32), // delete the future
    Uint8Array.of(1, 1, 7, 0, 0, 255, 255, 255, 255, 255, 255, 255, 15, 0), // one GC struct of 2^53-1 ids
    Uint8Array.of(0, 0, 9), // a trailing byte
    new Uint8Array(1000),
  ]
  for (const update of bad) {
    const bare = await roomOf(relay)
    bare.send(codec.updateFrame(update))
    bare.send(codec.step1Frame(Uint8Array.of(0)))
    await Promise.race([bare.closed, bare.messageWhere((message) => message.kind === 'foreign' || message.kind === 'step-2')])
    bare.terminate()
  }
  const update = freshUpdate('only this')
  healthy.send(codec.updateFrame(update))
  await healthy.echoOf(update)
  expect(healthy.messages.filter((message) => message.kind === 'update')).toHaveLength(1)
  expect(textOf(relay, 'note')).toBe('only this')
})

test('[IN-1] a frame over 64 KiB before the first valid message ends the connection; after it the limit is 32 MiB', async () => {
  const relay = await relayHere()
  const early = await roomOf(relay)
  early.send(codec.awarenessFrame(new Uint8Array(70_000)))
  expect(await early.closed).toMatchObject({ code: 4413 })
  const late = await roomOf(relay)
  late.send(codec.step1Frame(Uint8Array.of(0)))
  const update = freshUpdate('x'.repeat(70_000))
  late.send(codec.updateFrame(update))
  await late.echoOf(update)
  late.socket.send(new Uint8Array(33 * 1024 * 1024))
  expect(await late.closed).toMatchObject({ code: 4413, reason: expect.stringMatching(/^frame-too-large: /) })
})

test('[IN-1] a request that never ends its headers is cut, and one with too long ones is refused', async () => {
  const { port } = await relayHere({ limits: { headersTimeoutMs: 200 } })
  const answerTo = (request: string): Promise<string> =>
    new Promise((resolve) => {
      const socket = connect(port, '127.0.0.1')
      let text = ''
      socket.setEncoding('utf8').on('data', (part: string) => (text += part))
      socket.on('close', () => resolve(text))
      socket.on('error', () => undefined)
      socket.write(request)
    })
  expect(await answerTo('GET /note HTTP/1.1\r\nHost: localhost\r\nX-Slow: ')).toMatch(/^HTTP\/1\.1 408 /)
  expect(await answerTo(`GET /note HTTP/1.1\r\nHost: localhost\r\nX-Long: ${'x'.repeat(20_000)}\r\n\r\n`)).toMatch(/^HTTP\/1\.1 431 /)
  expect(await answerTo('\x16\x03\x01 no HTTP at all\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /)
})

test('[RS-1] connections are bounded, and one that leaves makes room', async () => {
  const relay = await relayHere({ limits: { connectionsMax: 2 } })
  const [first] = [await roomOf(relay), await roomOf(relay)]
  expect(await refusedUpgrade(`${relay.url}/note`)).toEqual({ status: 503, words: expect.stringContaining('connections') })
  first.terminate()
  await expect.poll(() => relay.connections, { timeout: 20_000 }).toBe(1)
  await roomOf(relay)
})

test('[RS-1] a connection that gives no sign of life is cut, one that answers pings stays', async () => {
  const relay = await relayHere({ limits: { pingEveryMs: 40, silentCloseMs: 150 } })
  const silent = new BareClient(`${relay.url}/note`, { autoPong: false })
  const alive = await roomOf(relay)
  await silent.opened
  expect(await silent.closed).toMatchObject({ code: 1006 })
  expect(alive.socket.readyState).toBe(1)
})
