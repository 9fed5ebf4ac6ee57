// The unmodified npm packages @hocuspocus/provider 4 and 3 against a relay: what their users see.

import type { WebSocket } from 'ws'
import { afterEach, describe, expect, test } from 'vitest'
import { DEFAULT_SPACE, type DocId } from '@syncline/protocol'
import * as Y from 'yjs'
import { startRelay, temporaryFolder, type RelayProcess } from '../integration/relay-process.ts'
import { docWhere, stockClient } from '../integration/room-client.ts'
import { clientOf, providerVersions, saved, socketTo, textIs, type Client, type ClientOptions, type Socket } from './hocuspocus-client.ts'
import { hocuspocusServer, type HocuspocusServer } from './hocuspocus-server.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

/** A relay in a process of its own. */
async function relayProcess(folder?: string, port?: number): Promise<RelayProcess> {
  const data = folder ?? folderHere()
  const relay = await startRelay(data, port === undefined ? {} : { port })
  cleanups.push(() => relay.end('SIGKILL'))
  return relay
}

function folderHere(): string {
  const folder = temporaryFolder()
  cleanups.push(folder.remove)
  return folder.path
}

async function server(options: Parameters<typeof hocuspocusServer>[0] = {}): Promise<HocuspocusServer> {
  const made = await hocuspocusServer(options)
  cleanups.push(() => made.close())
  return made
}

function client(url: string, name: string, options: ClientOptions = {}): Client {
  const made = clientOf(url, name, options)
  cleanups.push(() => made.destroy())
  return made
}

function sharedSocket(...args: Parameters<typeof socketTo>): Socket {
  const socket = socketTo(...args)
  cleanups.push(() => socket.destroy())
  return socket
}

function awarenessWhere(one: Client, holds: (states: Map<number, Record<string, unknown>>) => boolean): Promise<void> {
  return one.until(() => holds(one.provider.awareness!.getStates()))
}

describe.each(providerVersions)('provider %d', (version) => {
  test('[HP-2] several documents share one socket: each has its own content, and one that leaves does not take the others along', async () => {
    const { url, replica } = await server()
    const socket = sharedSocket(url, version)
    const names = ['räum mit leer/zeichen', 'r-%41', 'r-A']
    const docs = names.map((name) => client(url, name, { version, socket }))
    for (const [index, one] of docs.entries()) one.text.insert(0, `in ${names[index]}`)
    await Promise.all(docs.map(saved))
    docs[0]!.provider.destroy()
    docs[1]!.text.insert(0, 'still ')
    await saved(docs[1]!)
    const reader = client(url, 'r-%41', { version })
    await saved(reader)
    expect([reader.text.toString(), docs[2]!.text.toString()]).toEqual(['still in r-%41', 'in r-A'])
    expect([...replica.documents()].map((row) => row.name).sort()).toEqual(names.toSorted())
    // The same provider's document again, on the same socket.
    const again = client(url, names[0]!, { version, socket })
    await saved(again)
    expect(again.text.toString()).toBe(`in ${names[0]}`)
  })

  test('[HP-2] what was written before the connection, and off line, is merged and called saved', async () => {
    const { url } = await server()
    const offline = new Y.Doc()
    for (let at = 0; at < 300; at++) offline.getText('body').insert(0, `${at} `.padEnd(5_000, 'lorem ipsum '))
    const [ada, ben] = [client(url, 'note', { version, doc: offline }), client(url, 'note', { version })]
    await saved(ada)
    await ben.until(() => ben.text.length === ada.text.length)
    ada.text.delete(0, ada.text.length)
    await ben.until(() => ben.text.length === 0)
    ada.socket.disconnect()
    ben.socket.disconnect()
    await Promise.all([ada, ben].map((one) => one.until(() => !one.provider.synced)))
    for (const letter of 'abc') ada.text.insert(ada.text.length, letter)
    ada.text.delete(0, 1)
    ben.text.insert(0, 'def')
    await Promise.all([ada.socket.connect(), ben.socket.connect()])
    await Promise.all([saved(ada), saved(ben)])
    await Promise.all([ada, ben].map((one) => one.until(() => one.text.length === 5)))
    expect(ada.text.toString()).toBe(ben.text.toString())
  })

  test('[HP-3] the count of unsynced changes falls to 0 only after the commit, and stays above it off line', async () => {
    const { url, holdCommits } = await server()
    const [ada, ben] = [client(url, 'note', { version }), client(url, 'note', { version })]
    await Promise.all([saved(ada), saved(ben)])
    const release = holdCommits()
    for (const letter of 'abc') ada.text.insert(ada.text.length, letter)
    const seenEarly: number[] = []
    ada.provider.on('unsyncedChanges', ({ number }: { number: number }) => seenEarly.push(number))
    // A full round trip on the same connection, behind the updates.
    ada.provider.setAwarenessField('user', 'ada')
    await awarenessWhere(ben, (states) => states.get(ada.doc.clientID)?.['user'] === 'ada')
    expect([seenEarly, ada.provider.unsyncedChanges, ben.text.length]).toEqual([[], 3, 0])
    release()
    await saved(ada)
    await textIs(ben, 'abc')
  })

  test('[HP-3] what was typed off line is called saved when all of it is, however many messages it came in', async () => {
    const { url, replica, holdCommits } = await server()
    const ada = client(url, 'note', { version })
    await saved(ada)
    ada.socket.disconnect()
    await ada.until(() => !ada.provider.synced)
    for (let at = 0; at < 20; at++) ada.text.insert(0, 'x')
    const stored = replica.openDocument('note' as DocId).doc.getText('body')
    const lengths: number[] = []
    ada.provider.on('unsyncedChanges', ({ number }: { number: number }) => number === 0 && lengths.push(stored.length))
    // The first commit takes what has come by then; the others follow one by one.
    const release = holdCommits()
    await ada.socket.connect()
    release()
    await saved(ada)
    expect(lengths).toEqual([20])
  })

  test('[HP-4] a reader is told so and reads; what it writes stays with it and unsaved, until it may write', async () => {
    const { url, doorman, replica } = await server()
    doorman.grant('reader', 'read')
    const [ada, ben] = [client(url, 'note', { version }), client(url, 'note', { version, token: 'reader' })]
    ada.text.insert(0, 'abc')
    await Promise.all([saved(ada), textIs(ben, 'abc')])
    await saved(ben)
    expect(ben.scopes).toEqual(['readonly'])
    ben.text.insert(3, ' and mine')
    ada.text.insert(0, '- ')
    await textIs(ben, '- abc and mine')
    expect(ben.provider.hasUnsyncedChanges).toBe(true)
    expect(
      replica
        .openDocument('note' as DocId)
        .doc.getText('body')
        .toString(),
    ).toBe('- abc')
    doorman.grant('reader', 'read', 'write')
    await saved(ben)
    await textIs(ada, '- abc and mine')
    expect(ben.scopes).toEqual(['readonly', 'read-write'])
  })

  test('[HP-6] a wrong token is denied, a new one on the same socket opens the document, and a fresh one renews it', async () => {
    const { url, doorman } = await server()
    let token = 'wrong'
    const ada = client(url, 'note', { version, token: () => token })
    ada.text.insert(0, 'typed while denied')
    await ada.until(() => ada.denials.length > 0)
    expect([ada.denials, ada.provider.isAuthenticated]).toEqual([[expect.stringMatching(/^auth-invalid: /)], false])
    const { webSocket } = ada.socket
    token = 'token'
    await ada.provider.sendToken()
    await saved(ada)
    doorman.grant('fresh', 'read', 'write', 'create', 'presence')
    token = 'fresh'
    await ada.provider.sendToken()
    await ada.until(() => ada.scopes.length === 2)
    doorman.revoke('token')
    ada.text.insert(0, 'was ')
    await saved(ada)
    expect([doorman.renewals, ada.denials.length, ada.socket.webSocket]).toEqual([['fresh'], 1, webSocket])
  })

  test('[HP-7] who loses the document is told at once, keeps its changes, and gets it back by itself with a token that is good', async () => {
    const { url, doorman } = await server({ limits: { hocuspocusTokenAskEveryMs: 50 } })
    let token = 'ada'
    doorman.grant('ada', 'read', 'write', 'create')
    const [ada, ben] = [client(url, 'note', { version, token: () => token }), client(url, 'note', { version })]
    ada.text.insert(0, 'a')
    await Promise.all([saved(ada), saved(ben)])
    doorman.revoke('ada')
    await ada.until(() => ada.denials.length === 1)
    expect(ada.denials).toEqual([expect.stringMatching(/^auth-revoked: /)])
    ada.text.insert(1, 'b')
    ben.text.insert(0, '- ')
    await saved(ben)
    token = 'token'
    // Whatever it sends, it is asked for its token.
    const typing = setInterval(() => ada.text.insert(0, 'x'), 20)
    await ada.until(() => ada.scopes.length === 2)
    clearInterval(typing)
    await saved(ada)
    await ben.until(() => ben.text.toString() === ada.text.toString())
    expect(ada.text.toString()).toMatch(/^x*- x*ab$|^x*- ab$/)
  })

  test('[HP-7] a document that the relay closes comes back by itself, with what was written on both sides meanwhile', async () => {
    const { url, roster } = await server()
    const [ada, ben] = [client(url, 'note', { version }), client(url, 'note', { version })]
    await Promise.all([saved(ada), saved(ben)])
    const closings: string[] = []
    ada.provider.on('close', ({ event }: { event: { reason: string } }) => closings.push(event.reason))
    const { webSocket } = ada.socket
    roster.closeDocument(DEFAULT_SPACE, 'note' as DocId, 'maintenance')
    ada.text.insert(0, 'a')
    ben.text.insert(0, 'b')
    await ada.until(() => ada.scopes.length === 2)
    await Promise.all([saved(ada), saved(ben)])
    await Promise.all([ada, ben].map((one) => one.until(() => one.text.length === 2)))
    ada.provider.setAwarenessField('user', 'ada')
    await awarenessWhere(ben, (states) => states.get(ada.doc.clientID)?.['user'] === 'ada')
    expect([closings, ada.socket.webSocket === webSocket]).toEqual([['maintenance'], true])
  })

  test('[HP-8] a quiet connection is kept by messages of the relay, and nothing in them disturbs the provider', async () => {
    const { url } = await server({ limits: { pingEveryMs: 200 } })
    const socket = sharedSocket(url, version, { messageReconnectTimeout: 1000 })
    const ada = client(url, 'note', { version, socket })
    await saved(ada)
    const { webSocket } = socket
    let messages = 0
    socket.on('message', () => messages++)
    await new Promise<void>((resolve) => {
      socket.on('message', () => messages >= 8 && resolve())
    })
    expect([socket.webSocket === webSocket, ada.provider.synced]).toEqual([true, true])
  })

  test('[HP-9] a stateless message reaches the hook, whose answers reach one and all', async () => {
    const { url } = await server({
      hooks: {
        onStateless(message) {
          message.reply(`you said ${message.payload}`)
          message.broadcast(`somebody said ${message.payload}`)
        },
      },
    })
    const [ada, ben] = [client(url, 'note', { version }), client(url, 'note', { version })]
    await Promise.all([saved(ada), saved(ben)])
    ada.provider.sendStateless('hello')
    await Promise.all([ada.until(() => ada.stateless.length === 2), ben.until(() => ben.stateless.length === 1)])
    expect([ada.stateless, ben.stateless]).toEqual([['you said hello', 'somebody said hello'], ['somebody said hello']])
  })

  test('[HP-10] providers see each other in awareness, and one that leaves, or whose line is cut, is gone', async () => {
    const { url } = await server()
    const [ada, ben] = [client(url, 'note', { version }), client(url, 'note', { version })]
    ada.provider.setAwarenessField('user', 'Ada')
    ben.provider.setAwarenessField('user', 'Ben')
    const sees = (one: Client, other: Client): Promise<void> =>
      awarenessWhere(one, (states) => states.get(other.doc.clientID)?.['user'] !== undefined)
    await Promise.all([sees(ada, ben), sees(ben, ada)])
    const late = client(url, 'note', { version })
    await Promise.all([sees(late, ada), sees(late, ben)])
    ada.provider.destroy()
    await awarenessWhere(ben, (states) => !states.has(ada.doc.clientID))
    ben.socket.shouldConnect = false
    ben.cut()
    await awarenessWhere(late, (states) => !states.has(ben.doc.clientID))
  })
})

test('[HP-2] providers 4 and 3 and a y-websocket client sync through a relay, and one that comes later gets everything', async () => {
  const { url } = await relayProcess()
  const [ada, ben] = [client(url, 'note', { version: 4 }), client(url, 'note', { version: 3 })]
  const cas = stockClient(url, 'note')
  cleanups.push(() => cas.destroy())
  ada.text.insert(0, 'Hello')
  await Promise.all([textIs(ben, 'Hello'), docWhere(cas.doc, () => cas.text.toString() === 'Hello')])
  ben.text.insert(5, ', Ada')
  await Promise.all([textIs(ada, 'Hello, Ada'), docWhere(cas.doc, () => cas.text.toString() === 'Hello, Ada')])
  cas.text.insert(0, '- ')
  await Promise.all([textIs(ada, '- Hello, Ada'), textIs(ben, '- Hello, Ada')])
  await Promise.all([saved(ada), saved(ben)])
  const late = client(url, 'note')
  await saved(late)
  expect(late.text.toString()).toBe('- Hello, Ada')
})

test('[HP-3] a relay that is killed while providers type has afterwards whatever a provider called saved', async () => {
  const folder = folderHere()
  const killed = await relayProcess(folder)
  const typists = ([4, 3, 4] as const).map((version) => client(killed.url, 'note', { version }))
  const words = typists.map((): string[] => [])
  /** How many words of a typist were typed when it last showed "all saved". */
  const promised = typists.map(() => 0)
  for (const [index, typist] of typists.entries()) {
    typist.provider.on('unsyncedChanges', ({ number }: { number: number }) => {
      if (number === 0) promised[index] = words[index]!.length
    })
  }
  const typing = setInterval(() => {
    for (const [index, typist] of typists.entries()) {
      for (let burst = 0; burst < 5; burst++) {
        const word = `${index}.${words[index]!.length}`
        words[index]!.push(word)
        typist.doc.getArray('typed').push([word])
      }
    }
  }, 25)
  cleanups.push(() => clearInterval(typing))
  await Promise.all(typists.map((typist, index) => typist.until(() => promised[index]! > 100)))
  await typists[0]!.until(() => typists[0]!.provider.unsyncedChanges > 3)
  await killed.end('SIGKILL')
  const due = words.flatMap((typed, index) => typed.slice(0, promised[index]))
  // The typists stay away and go on: what the relay has now, it has from its own disk.
  for (const typist of typists) typist.socket.disconnect()
  const relay = await relayProcess(folder, killed.port)
  const reader = client(relay.url, 'note')
  await saved(reader)
  const stored = new Set(reader.doc.getArray<string>('typed').toArray())
  expect(due.filter((word) => !stored.has(word))).toEqual([])
  clearInterval(typing)
  await Promise.all(typists.map((typist) => typist.socket.connect()))
  await Promise.all(typists.map(saved))
  // What they typed off line was flushed in one go: called saved is saved, here too.
  const all = words.flat().toSorted()
  await reader.until(() => reader.doc.getArray('typed').length === all.length)
  expect(reader.doc.getArray<string>('typed').toArray().toSorted()).toEqual(all)
})

test('[HP-1] session-aware providers of one document share a socket and see each other as two', async () => {
  const { url } = await server()
  const socket = sharedSocket(url)
  const [ada, ben] = [0, 1].map(() => client(url, 'note', { socket, sessionAwareness: true })) as [Client, Client]
  const plain = client(url, 'note')
  ada.text.insert(0, 'one')
  await Promise.all([textIs(ben, 'one'), textIs(plain, 'one')])
  ben.text.insert(3, ' two')
  await Promise.all([textIs(ada, 'one two'), textIs(plain, 'one two')])
  ada.provider.setAwarenessField('user', 'Ada')
  await Promise.all([ben, plain].map((one) => awarenessWhere(one, (states) => states.has(ada.doc.clientID))))
  await Promise.all([saved(ada), saved(ben)])
  ada.provider.destroy()
  await awarenessWhere(ben, (states) => !states.has(ada.doc.clientID))
  ben.text.insert(0, '- ')
  await textIs(plain, '- one two')
})

test('[HP-3] batches of version 4, also behind a forced sync, are called saved when they are', async () => {
  const { url, replica } = await server()
  const ada = client(url, 'note')
  const stored = replica.openDocument('note' as DocId).doc.getText('body')
  await saved(ada)
  ada.provider.configuration.flushDelay = 5
  let length = 0
  const early: string[] = []
  ada.provider.on('unsyncedChanges', ({ number }: { number: number }) => {
    if (number === 0 && stored.length < ada.text.length) early.push(`${stored.length} of ${ada.text.length}`)
  })
  for (let round = 0; round < 20; round++) {
    if (round % 5 === 0) ada.provider.forceSync()
    ada.text.insert(0, 'ab')
    ada.text.insert(0, 'cd')
    length += 4
    await ada.until(() => !ada.provider.hasUnsyncedChanges && stored.length === length)
  }
  expect(early).toEqual([])
})

test('[HP-8] a connection that brings no authentication message is closed at the deadline', async () => {
  const { url } = await server({ limits: { hocuspocusAuthDeadlineMs: 50 } })
  const { WebSocket: Bare } = await import('ws')
  const bare: WebSocket = new Bare(url)
  const code = await new Promise<number>((resolve) => bare.on('close', resolve))
  expect(code).toBe(4408)
})
