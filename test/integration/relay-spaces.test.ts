// Several spaces on one relay: tenants that do not know of each other, at every door, over real sockets and real files. When spaces open and close is tested in
// packages/relay/test/spaces.test.ts.

import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import { createReplica, type Replica } from '@syncline/client'
import { parseDocId } from '@syncline/protocol'
import { createDoorman, createRelay, parsePolicy, type PolicyDoorman, type Relay, type RelayOptions } from '@syncline/relay'
import { nodeClock } from '@syncline/replica/ws'
import { encodeAwarenessUpdate, Awareness } from 'y-protocols/awareness'
import * as Y from 'yjs'
import { openDoorman } from '../../packages/relay/src/access/open-doorman.ts'
import * as codec from '../../packages/relay/src/y-websocket-codec.ts'
import { clientOf, saved, type Client } from '../compat/hocuspocus-client.ts'
import { runCommand, startRelay, temporaryFolder } from './relay-process.ts'
import { BareClient, docWhere, freshUpdate, refusedUpgrade, stockClient, synced } from './room-client.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

const NOTE = parseDocId('note')

/** A token is `subject@tenant`. Everybody may do everything in the space of their tenant, a reader may read there, and nobody anything elsewhere. */
function doormanHere(): PolicyDoorman {
  const own = { eq: [{ get: 'space' }, { get: 'claims.tenant' }] }
  const roles = {
    member: [{ allow: 'all', space: '**', doc: '**', when: own }],
    reader: [{ allow: ['read'], space: '**', doc: '**', when: own }],
    operator: [{ allow: 'all', space: 'default', doc: '**' }],
  }
  return createDoorman({
    authenticator: async ({ token }) => {
      const [subject, tenant] = (token ?? '').split('@')
      const roles = subject === 'reader' || subject === 'operator' ? [subject] : ['member']
      return tenant === undefined ? null : { subject: subject!, roles, claims: { tenant }, expiresAtMs: null }
    },
    policy: parsePolicy(JSON.stringify({ version: 1, roles })),
    clock: nodeClock(),
    anonymous: false,
  })
}

async function relayHere(options: Partial<RelayOptions> = {}): Promise<{ relay: Relay; folder: string; files(): string[] }> {
  const folder = temporaryFolder()
  cleanups.push(folder.remove)
  const relay = await createRelay({
    ...{ data: folder.path, port: 0, durability: 'process', admin: { port: 0 }, spacePrefix: '/s/', ySweet: true, doorman: doormanHere() },
    ...options,
  })
  cleanups.push(() => relay.close())
  const files = (): string[] => readdirSync(folder.path).filter((name) => /^[^.]+\.db$/.test(name))
  return { relay, folder: folder.path, files }
}

const roomUrl = (relay: Pick<Relay, 'url'>, space: string, token: string, path = 'note'): string =>
  `${relay.url}/s/${space}/${path}?token=${token}`

async function room(url: string): Promise<BareClient> {
  const bare = new BareClient(url)
  cleanups.push(() => bare.terminate())
  await bare.opened
  return bare
}

function hocuspocus(relay: Relay, space: string, token: string): Client {
  const client = clientOf(`${relay.url}/s/${space}`, 'note', { token })
  cleanups.push(() => client.destroy())
  return client
}

function native(relay: Pick<Relay, 'url'>, space: string, token: string): Replica {
  const backoff = { firstMs: 20, maxMs: 100 }
  const replica = createReplica({
    name: `replica-${cleanups.length}`,
    storage: { kind: 'memory' },
    space,
    peers: [relay.url],
    auth: () => token,
    backoff,
  })
  cleanups.push(() => replica.close())
  return replica
}

const asking =
  ({ adminUrl }: Relay, token: string) =>
  async (path: string, init: RequestInit = {}) => {
    const answer = await fetch(`${adminUrl}${path}`, { ...init, headers: { authorization: `Bearer ${token}` } })
    return [answer.status, (await answer.json()) as Record<string, unknown>] as const
  }

async function textIn(relay: Relay, space: string, doc = NOTE): Promise<string> {
  const { replica, release } = await relay.space(space)
  const handle = replica.openDocument(doc)
  const text = handle.doc.getText('body').toString()
  await handle.release()
  release()
  return text
}

test('[SP-1] an address names its space below the prefix, and what is no name is refused in words at every door', async () => {
  const { relay, files } = await relayHere()
  for (const name of ['', '.hidden', 'a%20b', 'x'.repeat(129), 'acme.db', 'default.db.lock', 'caf%C3%A9'])
    for (const subprotocols of [[], ['syncline.1']])
      expect(await refusedUpgrade(`${relay.url}/s/${name}/note?token=ada@acme`, {}, subprotocols)).toEqual({
        status: 400,
        words: expect.stringContaining('the name of a space'),
      })
  const ask = asking(relay, 'ada@acme')
  expect(await ask('/api/spaces/a%20b/documents')).toMatchObject([400, { code: 'space-id-invalid' }])
  // Without a space in the address it is the default one, where this tenant may nothing.
  expect((await room(`${relay.url}/note?token=operator@x`)).socket.readyState).toBe(1)
  const denied = new BareClient(`${relay.url}/note?token=ada@acme`)
  expect(await denied.closed).toMatchObject({ code: 4403 })
  expect(files()).toEqual(['default.db'])
})

test('[SP-3] tenants write the same document at the same time at every door, and each has its own: content, presence, lists, changes', async () => {
  const { relay, files } = await relayHere()
  const tenants = ['acme', 'bolt'] as const
  const rooms: BareClient[] = []
  const providers: Client[] = []
  const replicas: Replica[] = []
  for (const space of tenants) {
    const token = `ada@${space}`
    const page = await room(roomUrl(relay, space, token))
    const sweet = await room(roomUrl(relay, space, token, 'd/note/ws/note'))
    const provider = hocuspocus(relay, space, token)
    const replica = native(relay, space, token)
    const note = await replica.open('note')
    rooms.push(page, sweet)
    providers.push(provider)
    replicas.push(replica)
    await saved(provider)
    await note.whenSynced()
    const updates = ['room ', 'sweet '].map((from) => freshUpdate(`${space} ${from}`))
    page.send(codec.updateFrame(updates[0]!))
    sweet.send(codec.updateFrame(updates[1]!))
    await Promise.all([page.echoOf(updates[0]!), sweet.echoOf(updates[1]!)])
    provider.text.insert(0, `${space} provider `)
    provider.provider.setAwarenessField('user', space)
    note.doc.getText('body').insert(0, `${space} replica `)
    await Promise.all([saved(provider), note.whenSaved('relay')])
    const [status] = await asking(relay, token)(`/api/spaces/${space}/documents/by-api/maps/m`, {
      method: 'PATCH',
      body: `{"of":"${space}"}`,
    })
    expect(status).toBe(200)
    const awareness = new Awareness(new Y.Doc())
    awareness.setLocalState({ user: `${space} room` })
    page.send(codec.awarenessFrame(encodeAwarenessUpdate(awareness, [awareness.clientID])))
    awareness.destroy()
  }
  const [acme, bolt] = await Promise.all(tenants.map((space) => textIn(relay, space)))
  for (const from of ['room', 'sweet', 'provider', 'replica']) {
    expect([acme, bolt].map((text) => [text!.includes(`acme ${from}`), text!.includes(`bolt ${from}`)])).toEqual([
      [true, false],
      [false, true],
    ])
  }
  expect(relay.replica.has(NOTE)).toBe(false)
  for (const [at, space] of tenants.entries()) {
    const other = tenants[1 - at]!
    const provider = providers[at]!
    await provider.until(() => [...provider.provider.awareness!.getStates().values()].some((state) => state['user'] === `${space} room`))
    const seen = JSON.stringify([...provider.provider.awareness!.getStates().values()])
    expect(seen).not.toContain(other)
    expect((await replicas[at]!.open('note')).doc.getText('body').toString()).not.toContain(other)
    for (const bare of rooms.slice(2 * at, 2 * at + 2))
      for (const message of bare.messages)
        for (const bytes of [Reflect.get(message, 'update'), Reflect.get(message, 'bytes')] as (Uint8Array | undefined)[])
          expect(Buffer.from(bytes ?? []).includes(other)).toBe(false)
    const ask = asking(relay, `ada@${space}`)
    const [, list] = await ask(`/api/spaces/${space}/documents`)
    expect((list['documents'] as { name: string }[]).map(({ name }) => name).sort()).toEqual(['by-api', 'note'])
    const [, { changes }] = await ask(`/api/spaces/${space}/changes?limit=1000`)
    for (const { update } of changes as { update: string }[]) expect(Buffer.from(update, 'base64').includes(other)).toBe(false)
    expect(await ask(`/api/spaces/${space}/status`)).toMatchObject([200, { space, documents: 2, peers: [{ role: 'device' }] }])
  }
  expect(files()).toEqual(['acme.db', 'bolt.db', 'default.db'])
})

test('[SP-3] the space of another tenant looks like one that is not there, at every door, and nobody makes its file', async () => {
  const { relay, files } = await relayHere()
  ;(await room(roomUrl(relay, 'acme', 'ada@acme'))).terminate()
  const http = relay.url.replace('ws', 'http')
  for (const space of ['acme', 'ghost']) {
    const token = 'ben@bolt'
    const page = new BareClient(roomUrl(relay, space, token))
    expect(await page.closed, space).toEqual({ code: 4403, reason: expect.stringContaining('access-denied') })
    // Whoever comes back is refused at the upgrade.
    for (const path of ['note', 'd/note/ws/note'])
      expect(await refusedUpgrade(roomUrl(relay, space, token, path))).toEqual({
        status: 403,
        words: expect.stringContaining('[access-denied]'),
      })
    const headers = { authorization: `Bearer ${token}` }
    for (const [method, path] of [
      ['GET', 'd/note/as-update'],
      ['POST', 'd/note/update'],
      ['POST', 'doc/note/auth'],
      ['POST', 'doc/new'],
    ])
      expect((await fetch(`${http}/s/${space}/${path}`, { method: method!, headers, body: null })).status, path).toBe(403)
    const provider = hocuspocus(relay, space, token)
    await provider.until(() => provider.denials.length > 0)
    expect(provider.denials[0]).toContain('access-denied')
    const replica = native(relay, space, token)
    await vi.waitFor(() => expect(replica.status.get().peers[0]?.error?.code).toBe('access-denied'))
    const ask = asking(relay, token)
    for (const path of ['documents', 'changes', 'status', 'documents/note'])
      expect(await ask(`/api/spaces/${space}/${path}`), path).toMatchObject([404, { code: 'space-unknown' }])
    expect(await ask(`/api/spaces/${space}/documents/note/maps/m`, { method: 'PATCH', body: '{"a":1}' })).toMatchObject([
      404,
      { code: 'space-unknown' },
    ])
  }
  // A right to read is none to make the space.
  expect((await new BareClient(roomUrl(relay, 'bolt', 'reader@bolt')).closed).code).toBe(4403)
  const reader = native(relay, 'bolt', 'reader@bolt')
  await vi.waitFor(() => expect(reader.status.get().peers[0]?.error?.code).toBe('access-denied'))
  expect(await asking(relay, 'reader@bolt')('/api/spaces/bolt/documents')).toMatchObject([404, { code: 'space-unknown' }])
  // Neither is a request that only reads, whoever asks.
  expect(await asking(relay, 'ben@bolt')('/api/spaces/bolt/documents/note')).toMatchObject([404, { code: 'space-unknown' }])
  expect(files()).toEqual(['acme.db', 'default.db'])
  ;(await room(roomUrl(relay, 'bolt', 'ben@bolt'))).terminate()
  await room(roomUrl(relay, 'bolt', 'reader@bolt'))
  expect(files()).toEqual(['acme.db', 'bolt.db', 'default.db'])
})

test('[SP-3] who loses the rights in a space is sent away from it within a second, and holds it open no longer', async () => {
  const doorman = doormanHere()
  const { relay } = await relayHere({ doorman, limits: { spaceIdleMs: 40 } })
  const replica = native(relay, 'acme', 'ada@acme')
  const note = await replica.open('note')
  note.doc.getText('body').insert(0, 'x')
  await note.whenSaved('relay')
  doorman.setPolicy(parsePolicy('{"version":1,"roles":{"operator":[{"allow":"all","space":"default","doc":"**"}]}}'))
  await vi.waitFor(() => expect(replica.status.get().peers[0]?.error?.code).toBe('access-denied'))
  await vi.waitFor(async () => expect(await asking(relay, 'operator@x')('/api/status')).toMatchObject([200, { spaces: { open: 1 } }]))
})

test('[SP-3] a y-sweet token of one space is none in another, and leads back to its own', async () => {
  const { relay } = await relayHere()
  const http = relay.url.replace('ws', 'http')
  const tokenOf = async (space: string): Promise<{ url: string; baseUrl: string; token: string }> => {
    const answer = await fetch(`${http}/s/${space}/doc/note/auth`, { method: 'POST', headers: { authorization: `Bearer ada@${space}` } })
    return (await answer.json()) as { url: string; baseUrl: string; token: string }
  }
  const [acme, bolt] = [await tokenOf('acme'), await tokenOf('bolt')]
  expect([acme.url, acme.baseUrl]).toEqual([`${relay.url}/s/acme/d/note/ws`, `${http}/s/acme/d/note`])
  await room(`${acme.url}/note?token=${acme.token}`)
  const stranger = new BareClient(`${bolt.url}/note?token=${acme.token}`)
  expect((await stranger.closed).code).toBe(4401)
  const read = await fetch(`${bolt.baseUrl}/as-update`, { headers: { authorization: `Bearer ${acme.token}` } })
  expect(read.status).toBe(401)
})

test('[SP-3] broadcasts and hooks stay in their space, and hooks are told which', async () => {
  const told: string[] = []
  const { relay } = await relayHere({
    hooks: {
      onStateless: ({ payload, broadcast }) => broadcast(payload),
      onLoadDocument: (_, { space }) => freshUpdate(`begun in ${space}`, 1),
      onChange: ({ doc }, { space }) => void told.push(`${space} ${doc}`),
    },
    hookLimits: { debounceMs: 5 },
  })
  const [ada, ben] = [hocuspocus(relay, 'acme', 'ada@acme'), hocuspocus(relay, 'bolt', 'ben@bolt')]
  await Promise.all([saved(ada), saved(ben)])
  expect([ada.text.toString(), ben.text.toString()]).toEqual(['begun in acme', 'begun in bolt'])
  ada.provider.sendStateless('to acme')
  ben.provider.sendStateless('to bolt')
  await Promise.all([ada, ben].map((one) => one.until(() => one.stateless.length > 0)))
  expect([ada.stateless, ben.stateless]).toEqual([['to acme'], ['to bolt']])
  await vi.waitFor(() => expect([...told].sort()).toEqual(['acme note', 'bolt note']))
})

test('[SP-1] a replica whose address names another space than itself is refused, and stays with what it has', async () => {
  const { relay } = await relayHere()
  const replica = createReplica({
    name: 'here',
    storage: { kind: 'memory' },
    space: 'acme',
    peers: [`${relay.url}/s/bolt`],
    auth: () => 'ada@acme',
  })
  cleanups.push(() => replica.close())
  await vi.waitFor(() => expect(replica.status.get().peers[0]?.error?.code).toBe('space-unknown'))
  const right = createReplica({
    name: 'there',
    storage: { kind: 'memory' },
    space: 'acme',
    peers: [`${relay.url}/s/acme`],
    auth: () => 'ada@acme',
  })
  cleanups.push(() => right.close())
  const note = await right.open('note')
  note.doc.getText('body').insert(0, 'x')
  await note.whenSaved('relay')
})

test('[SP-4] a space without a place is refused for a while, and served when another is no longer used', async () => {
  const { relay } = await relayHere({ limits: { spacesOpenMax: 2 } })
  const ada = await room(roomUrl(relay, 'acme', 'ada@acme'))
  expect(await refusedUpgrade(roomUrl(relay, 'bolt', 'ben@bolt'))).toEqual({ status: 503, words: expect.stringContaining('[relay-busy]') })
  expect(await asking(relay, 'ben@bolt')('/api/spaces/bolt/documents/note/maps/m', { method: 'PATCH', body: '{"a":1}' })).toMatchObject([
    503,
    { code: 'relay-busy' },
  ])
  const ben = native(relay, 'bolt', 'ben@bolt')
  await vi.waitFor(() => expect(ben.status.get().peers[0]?.error?.code).toBe('relay-busy'))
  const update = freshUpdate('kept')
  ada.send(codec.updateFrame(update))
  await ada.echoOf(update)
  ada.terminate()
  await ada.closed
  const note = await ben.open('note')
  note.doc.getText('body').insert(0, 'let in')
  await note.whenSaved('relay')
  await ben.close()
  await vi.waitFor(async () => expect(await textIn(relay, 'acme')).toBe('kept'))
})

test('[SP-5] a space that nobody uses closes by itself, counts are kept, and it is as it was when somebody comes back', async () => {
  const { relay } = await relayHere({ limits: { spaceIdleMs: 40 } })
  const metric = async (name: string): Promise<number> => {
    const text = await (await fetch(`${relay.adminUrl}/metrics`)).text()
    return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)![1])
  }
  const ada = await room(roomUrl(relay, 'acme', 'ada@acme'))
  const update = freshUpdate('kept')
  ada.send(codec.updateFrame(update))
  await ada.echoOf(update)
  expect([await metric('syncline_spaces_open'), await metric('syncline_spaces_stored'), await metric('syncline_guests')]).toEqual([2, 2, 1])
  const rows = await metric('syncline_commit_rows_total')
  ada.terminate()
  await vi.waitFor(async () => expect(await metric('syncline_spaces_open')).toBe(1))
  expect([await metric('syncline_spaces_stored'), await metric('syncline_commit_rows_total')]).toEqual([2, rows])
  const ask = asking(relay, 'operator@x')
  expect(await ask('/api/spaces')).toMatchObject([
    200,
    {
      spaces: [
        { name: 'acme', open: false },
        { name: 'default', open: true },
      ],
    },
  ])
  expect(await ask('/api/status')).toMatchObject([200, { space: 'default', spaces: { open: 1, stored: 2 } }])
  const back = stockClient(`${relay.url}/s/acme`, 'note', undefined, { params: { token: 'ada@acme' } })
  cleanups.push(() => back.destroy())
  await synced(back)
  expect(back.text.toString()).toBe('kept')
})

test('[SP-6] what concerns the relay takes rights in the default space, and what concerns one space takes rights there', async () => {
  const { relay } = await relayHere()
  await room(roomUrl(relay, 'acme', 'ada@acme'))
  const [tenant, operator] = [asking(relay, 'ada@acme'), asking(relay, 'operator@x')]
  for (const path of ['/api/status', '/api/history', '/api/spaces', '/api/events'])
    expect(await tenant(path)).toMatchObject([403, { code: 'access-denied' }])
  expect(await tenant('/api/spaces/acme/status')).toMatchObject([200, { space: 'acme' }])
  expect(await operator('/api/spaces/acme/status')).toMatchObject([404, { code: 'space-unknown' }])
})

test('[SP-5] draining commits and closes all spaces, and what a client calls saved is there after kill -9, in each of them', async () => {
  const folder = temporaryFolder()
  cleanups.push(folder.remove)
  const args = ['--space-prefix', '/s/', '--insecure', '--durability', 'process']
  const write = async (url: string, space: string, words: string): Promise<void> => {
    const page = new BareClient(`${url}/s/${space}/note`)
    await page.opened
    const update = freshUpdate(words)
    page.send(codec.updateFrame(update))
    await page.echoOf(update)
    page.terminate()
  }
  const first = await startRelay(folder.path, { args })
  await Promise.all(['acme', 'bolt', 'default'].map((space) => write(first.url, space, `${space} `)))
  await first.end('SIGKILL')
  const second = await startRelay(folder.path, { args })
  cleanups.push(() => second.end('SIGKILL'))
  for (const space of ['acme', 'bolt', 'default']) {
    const client = stockClient(`${second.url}/s/${space}`, 'note')
    await synced(client)
    expect(client.text.toString()).toBe(`${space} `)
    client.destroy()
  }
  // Another one on the folder says so and ends.
  await expect(startRelay(folder.path, { args })).rejects.toThrow(/"code":1.*store-locked/)
  await write(second.url, 'acme', 'more')
  expect(await second.end('SIGTERM')).toEqual({ code: 0, signal: null })
  for (const space of ['acme', 'bolt', 'default']) {
    expect(existsSync(join(folder.path, `${space}.db`))).toBe(true)
    expect(existsSync(join(folder.path, `${space}.db-wal`)), 'checkpointed').toBe(false)
    const { stdout } = await runCommand('ls', '--json', '--data', folder.path, '--space', space)
    expect(JSON.parse(stdout)).toMatchObject({ doc: 'note', lastSeq: space === 'acme' ? 2 : 1 })
  }
})

test('[SP-6] relays that peer keep the spaces of their list in step, and no other', async () => {
  const open = { insecure: true, doorman: openDoorman }
  const { relay: one } = await relayHere(open)
  const { relay: two } = await relayHere({ ...open, peers: [one.url], peerSpaces: ['default', 'acme'] })
  for (const space of ['default', 'acme', 'bolt']) {
    const page = stockClient(`${one.url}/s/${space}`, 'note')
    cleanups.push(() => page.destroy())
    await synced(page)
    page.text.insert(0, `of ${space}`)
  }
  for (const space of ['default', 'acme']) {
    const page = stockClient(`${two.url}/s/${space}`, 'note')
    cleanups.push(() => page.destroy())
    await docWhere(page.doc, () => page.text.toString() === `of ${space}`)
  }
  expect(await textIn(two, 'bolt')).toBe('')
  await expect(two.space('a b')).rejects.toMatchObject({ code: 'space-id-invalid' })
})

test('[SP-1] without a prefix there is only the default space, and several spaces take authentication', async () => {
  const { relay, files } = await relayHere({ spacePrefix: null })
  const ada = native(relay, 'acme', 'operator@x')
  await vi.waitFor(() => expect(ada.status.get().peers[0]?.error?.code).toBe('space-unknown'))
  expect(await asking(relay, 'operator@x')('/api/spaces/acme/documents')).toMatchObject([404, { code: 'space-unknown' }])
  await expect(relay.space('acme')).rejects.toMatchObject({ code: 'space-unknown' })
  // An address is then a room like any.
  await room(`${relay.url}/s/acme/note?token=operator@x`)
  expect(relay.replica.load().guests).toBe(1)
  expect(files()).toEqual(['default.db'])
  for (const options of [{ doorman: openDoorman }, { spacePrefix: 's/' }, { spacePrefix: '/s' }, { spacePrefix: '/' }])
    await expect(relayHere(options)).rejects.toMatchObject({ code: 'argument-invalid' })
})
