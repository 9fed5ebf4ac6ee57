// The HTTP API over a real port, a real replica and SQLite: what each route answers, to whom, and what is in the store afterwards.

import { readFileSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { parseDocId } from '@syncline/protocol'
import Database from 'better-sqlite3'
import * as Y from 'yjs'
import { API_LIMITS } from '../src/admin/api-limits.ts'
import { apiHere, doorman, folderHere, POLICY, textUpdate, updateOf, type ApiHere } from './http-api-here.ts'

const open: ApiHere[] = []
afterEach(async () => {
  for (const here of open.splice(0)) await here.close()
})

async function here(options: Parameters<typeof apiHere>[0] = {}): Promise<ApiHere> {
  const one = await apiHere(options)
  open.push(one)
  return one
}

const post = (body: Uint8Array<ArrayBuffer> | string): RequestInit => ({ method: 'POST', body })
const patch = (body: unknown): RequestInit => ({ method: 'PATCH', body: typeof body === 'string' ? body : JSON.stringify(body) })

test('[HA-4] a document is read as JSON, as one update, and as what a state vector lacks', async () => {
  const { ask } = await here()
  const update = updateOf((doc) => {
    doc.getText('body').insert(0, 'Hello 👋', { bold: true })
    doc.getMap('meta').set('title', 'T')
    doc.getMap('meta').set('tags', Y.Array.from(['a', { deep: [1, null, 2n ** 40n, new Uint8Array([1, 2])] }]))
    doc.getArray('list').push([1, 'two', new Y.Map([['k', new Y.Text('in')]])])
    const paragraph = new Y.XmlElement('p')
    doc.getXmlFragment('page').insert(0, [paragraph])
    paragraph.insert(0, [new Y.XmlText('<script>')])
    doc.getText('gone').insert(0, 'x')
    doc.getText('gone').delete(0, 1)
  })
  expect(await ask('/api/documents/note%2F42/update', post(update))).toMatchObject({ status: 200, json: { committed: true, seq: 1 } })
  const { status, json } = await ask('/api/documents/note%2F42')
  expect(status).toBe(200)
  expect(json).toMatchObject({
    name: 'note/42',
    lastSeq: 1,
    content: {
      body: 'Hello 👋',
      meta: { title: 'T', tags: ['a', { deep: [1, null, String(2n ** 40n), { base64: 'AQI=' }] }] },
      list: [1, 'two', { k: 'in' }],
      gone: null,
    },
    kinds: { body: 'text', meta: 'map', list: 'array', page: 'xml', gone: 'empty' },
  })
  expect(json.content.page).toContain('<p>')
  expect(json.writers).toHaveLength(1)

  const whole = await ask('/api/documents/note%2F42/update')
  expect(whole.response.headers.get('content-type')).toBe('application/octet-stream')
  const doc = new Y.Doc()
  Y.applyUpdate(doc, new Uint8Array(await whole.response.arrayBuffer()))
  expect(doc.getText('body').toString()).toBe('Hello 👋')
  expect(Buffer.from(Y.encodeStateVector(doc)).toString('base64')).toBe(json.stateVector)

  await ask('/api/documents/note%2F42/update', post(textUpdate('more', 'other')))
  for (const vector of [
    json.stateVector.replaceAll('+', '-').replaceAll('/', '_'),
    encodeURIComponent(json.stateVector),
    json.stateVector,
  ]) {
    const rest = await ask(`/api/documents/note%2F42/update?since=${vector}`)
    const lacking = Y.decodeUpdate(new Uint8Array(await rest.response.arrayBuffer()))
    expect(new Set(lacking.structs.map((struct) => struct.id.client)).size).toBe(1)
  }
  expect((await ask('/api/documents/note%2F42/update?since=!')).status).toBe(400)
  expect((await ask('/api/documents/note%2F42/log')).json.rows).toMatchObject([
    { seq: 2, kind: 'updates' },
    { seq: 1, kind: 'updates' },
  ])
})

test('[HA-8] a posted update is answered after its commit: committed, known, incomplete, refused', async () => {
  const { ask, replica } = await here()
  const source = new Y.Doc()
  const updates: Uint8Array<ArrayBuffer>[] = []
  source.on('update', (update: Uint8Array) => updates.push(new Uint8Array(update)))
  for (const text of ['a', 'b', 'c']) source.getText('body').insert(0, text)

  expect((await ask('/api/documents/d/update', post(updates[0]!))).json).toEqual({ committed: true, seq: 1 })
  expect(replica.reader.head()).toBe(1)
  expect((await ask('/api/documents/d/update', post(updates[0]!))).json).toEqual({ committed: true, known: true })
  expect(replica.reader.head()).toBe(1)

  const held = await ask('/api/documents/d/update', post(updates[2]!))
  expect(held).toMatchObject({ status: 409, json: { code: 'update-incomplete' } })
  const since = Y.encodeStateAsUpdate(source, new Uint8Array(Buffer.from(held.json.stateVector, 'base64')))
  expect(await ask('/api/documents/d/update', post(new Uint8Array(since)))).toMatchObject({ status: 200, json: { committed: true } })
  expect((await ask('/api/documents/d')).json.content).toEqual({ body: 'cba' })

  for (const bad of [new Uint8Array([1, 2, 3]), new Uint8Array(0), new Uint8Array(1000).fill(255)])
    expect(await ask('/api/documents/d/update', post(bad))).toMatchObject({ status: 422, json: { code: 'update-malformed' } })
  expect(await ask('/api/documents/new/update', post(new Uint8Array([0])))).toMatchObject({ status: 422 })
  expect(replica.has(parseDocId('new'))).toBe(false)
})

test('[HA-8] a patch sets and deletes keys in one commit, writes nothing twice, and keeps to one writer', async () => {
  const { ask, replica } = await here()
  const path = '/api/documents/task%2F1/maps/fields'
  expect((await ask(path, patch({ title: 'A', done: false, tags: ['x', { y: [1.5, null] }] }))).json).toEqual({ seq: 1 })
  expect((await ask(path, patch({ title: 'A', tags: ['x', { y: [1.5, null] }] }))).json).toEqual({ seq: 1 })
  expect((await ask(path, patch({ title: null, missing: null, done: true }))).json).toEqual({ seq: 2 })
  expect(replica.reader.head()).toBe(2)
  const { json } = await ask('/api/documents/task%2F1')
  expect(json.content).toEqual({ fields: { done: true, tags: ['x', { y: [1.5, null] }] } })
  expect(json.writers).toHaveLength(1)
})

test('[HA-8] a patch that no replica would take leaves the open document as it was', async () => {
  const { ask, replica, errors } = await here()
  const path = '/api/documents/d/maps/fields'
  await ask(path, patch({ kept: 1 }))
  await ask('/api/documents/d/update', post(textUpdate('text')))
  const document = replica.openDocument(parseDocId('d'))
  const deep = `{"a":${'['.repeat(API_LIMITS.valueDepthMax + 2)}${']'.repeat(API_LIMITS.valueDepthMax + 2)}}`
  const bad: [unknown, number, string][] = [
    ['{"a":{"__proto__":1}}', 422, 'update-forbidden'],
    ['{"__proto__":{"isAdmin":true}}', 422, 'update-forbidden'],
    ['{"a":"\\ud800"}', 400, 'argument-invalid'],
    ['{"\\ud800":1}', 400, 'argument-invalid'],
    [deep, 400, 'argument-invalid'],
    ['[1]', 400, 'argument-invalid'],
    ['null', 400, 'argument-invalid'],
    ['{', 400, 'argument-invalid'],
    ['', 400, 'argument-invalid'],
    [`{"a":"${'x'.repeat(API_LIMITS.patchBytesMax)}"}`, 413, 'update-limit'],
  ]
  for (const [body, status, code] of bad)
    expect(await ask(path, patch(body)), String(body).slice(0, 40)).toMatchObject({ status, json: { code } })
  expect(await ask('/api/documents/d/maps/body', patch({ a: 1 }))).toMatchObject({ status: 400, json: { code: 'argument-invalid' } })
  expect(document.rejection).toBeNull()
  expect(document.doc.getText('body').toString()).toBe('text')
  expect(document.doc.getMap('fields').toJSON()).toEqual({ kept: 1 })

  // An observer of somebody in this process that throws is told of, and the patch is in.
  document.doc.getMap('fields').observe(() => {
    throw new Error('observer')
  })
  expect((await ask(path, patch({ later: 2 }))).status).toBe(200)
  expect(errors).toHaveLength(1)
  expect((await ask('/api/documents/d')).json.content.fields).toEqual({ kept: 1, later: 2 })
  await document.release()
})

test('[HA-5] names are percent-encoded, and every failure has a code, words and a remedy', async () => {
  const { ask, url } = await here()
  for (const name of ['a/b/c', 'ü %41?#&', '100%', 'line\nbreak', '*', '👋']) {
    const path = `/api/documents/${encodeURIComponent(name)}`
    expect((await ask(`${path}/update`, post(textUpdate(name)))).status, name).toBe(200)
    expect((await ask(path)).json, name).toMatchObject({ name, content: { body: name } })
    const root = encodeURIComponent(`r ${name}`)
    expect((await ask(`${path}/maps/${root}`, patch({ a: 1 }))).status, name).toBe(200)
    expect((await ask(path)).json.content, name).toMatchObject({ [`r ${name}`]: { a: 1 } })
  }
  const failing: [string, RequestInit, number, string][] = [
    ['/api/documents/absent', {}, 404, 'doc-missing'],
    ['/api/documents/absent/log', {}, 404, 'doc-missing'],
    ['/api/documents/absent/update', {}, 404, 'doc-missing'],
    ['/api/documents/%ff', {}, 400, 'doc-id-invalid'],
    ['/api/documents/a%00b', {}, 400, 'doc-id-invalid'],
    [`/api/documents/${'x'.repeat(600)}`, {}, 400, 'doc-id-invalid'],
    ['/api/documents?limit=0', {}, 400, 'argument-invalid'],
    ['/api/documents?limit=1e3', {}, 400, 'argument-invalid'],
    ['/api/nothing', {}, 404, 'argument-invalid'],
    ['/api/documents/d', { method: 'PUT' }, 404, 'argument-invalid'],
  ]
  for (const [path, init, status, code] of failing) {
    const answer = await ask(path, init)
    expect(answer, path).toMatchObject({ status, json: { code } })
    expect(Object.keys(answer.json), path).toEqual(['code', 'message', 'todo'])
    expect(answer.json.message, path).not.toContain(`[${code}]`)
  }
  expect((await fetch(`${url}/api/documents/d`, { method: 'HEAD' })).status).toBe(404)
})

test('[HA-4] the list is paged in key order, complete and without repeats, for every prefix', async () => {
  const { ask } = await here()
  const names = Array.from({ length: 25 }, (_, index) => `${index % 2 === 0 ? 'even/' : 'odd'}${index}`)
  for (const name of names) await ask(`/api/documents/${encodeURIComponent(name)}/update`, post(textUpdate(name)))
  for (const [prefix, wanted] of [
    ['', names],
    ['even/', names.filter((name) => name.startsWith('even/'))],
    ['o', names.filter((name) => name.startsWith('odd'))],
    ['even/2', names.filter((name) => name.startsWith('even/2'))],
    ['none/', []],
  ] as const) {
    const seen: string[] = []
    let after: string | null = null
    do {
      const query: string = after === null ? '' : `&after=${encodeURIComponent(after)}`
      const { json } = await ask(`/api/documents?prefix=${encodeURIComponent(prefix)}&limit=4${query}`)
      expect(json.documents.length).toBeLessThanOrEqual(4)
      seen.push(...json.documents.map((row: { name: string }) => row.name))
      after = json.next
    } while (after !== null)
    expect(new Set(seen).size).toBe(seen.length)
    expect([...seen].sort()).toEqual([...wanted].sort())
  }
  const { json } = await ask('/api/documents?limit=1')
  expect(json.documents[0]).toMatchObject({ writers: 1, quarantined: false })
  expect(Date.now() - json.documents[0].updatedAtMs).toBeLessThan(60_000)
})

test('[HA-4] a damaged document answers 503 on every route, is listed as such, and leaves the others alone', async () => {
  const folder = folderHere()
  const { ask, errors } = await here({ folder })
  for (const name of ['damaged', 'whole']) await ask(`/api/documents/${name}/update`, post(textUpdate(name)))
  const file = new Database(join(folder, 'default.db'))
  file.prepare('UPDATE log SET data = ? WHERE seq = 1').run(Buffer.from(textUpdate('other bytes')))
  file.close()
  for (const path of ['', '/update', '/log'])
    expect(await ask(`/api/documents/damaged${path}`), path).toMatchObject({ status: 503, json: { code: 'doc-quarantined' } })
  expect(await ask('/api/documents/damaged/maps/m', patch({ a: 1 }))).toMatchObject({ status: 503, json: { code: 'doc-quarantined' } })
  const { json } = await ask('/api/documents')
  const listed = new Map<string, boolean>(json.documents.map((row: { name: string; quarantined: boolean }) => [row.name, row.quarantined]))
  expect(listed.get('damaged')).toBe(true)
  expect(listed.get('whole')).toBe(false)
  expect((await ask('/api/documents/whole')).json.content).toEqual({ body: 'whole' })
  expect((await ask('/api/changes')).status).toBe(200)
  // Whoever has it may bring it back.
  expect((await ask('/api/documents/damaged/update', post(textUpdate('brought back')))).status).toBe(200)
  expect((await ask('/api/documents/damaged')).json.content).toEqual({ body: 'brought back' })
  expect(errors).toEqual([])
})

test('[HA-7] whoever follows the changes from position to position has every document, over compaction too; another log answers 410', async () => {
  const one = await here()
  const copies = new Map<string, Y.Doc>()
  const follow = async (from: string | undefined): Promise<string> => {
    let position = from
    for (;;) {
      const { status, json } = await one.ask(`/api/changes?limit=3${position === undefined ? '' : `&after=${position}`}`)
      expect(status).toBe(200)
      for (const { name, update } of json.changes) {
        if (!copies.has(name)) copies.set(name, new Y.Doc())
        Y.applyUpdate(copies.get(name)!, new Uint8Array(Buffer.from(update, 'base64')))
      }
      position = json.position as string
      if (json.more === false) return position
    }
  }
  const start = await follow(undefined)
  const edit = async (name: string, count: number): Promise<void> => {
    for (let at = 0; at < count; at++) await one.ask(`/api/documents/${name}/maps/m`, patch({ [`k${at % 7}`]: at }))
  }
  await edit('a', 10)
  await edit('b', 3)
  const middle = await follow(start)
  expect(copies.get('a')!.getMap('m').size).toBe(7)
  // From 256 rows on a document is compacted at the next sweep.
  const sweep = swept(one)
  const document = one.replica.openDocument(parseDocId('a'))
  for (let at = 0; at < 300; at++) {
    document.doc.getMap('m').set(`k${at % 7}`, `later ${at}`)
    await document.saved()
  }
  await document.release()
  await sweep
  expect((await one.ask('/api/documents/a/log')).json.rows.at(-1)).toMatchObject({ kind: 'snapshot', origin: null })
  const late = await follow(middle)
  for (const name of ['a', 'b'])
    expect(copies.get(name)!.getMap('m').toJSON(), name).toEqual((await one.ask(`/api/documents/${name}`)).json.content.m)
  expect((await one.ask(`/api/changes?after=${late}`)).json).toMatchObject({ changes: [], more: false })

  const two = await here()
  for (const position of [late, 'x', '', Buffer.from(`${two.replica.reader.nonce()}.1`).toString('base64url')])
    expect(await two.ask(`/api/changes?after=${position}`), position).toMatchObject({ status: 410, json: { code: 'position-unknown' } })
})

/** Resolves after the next compaction. */
function swept({ replica }: ApiHere): Promise<void> {
  return new Promise((resolve) => {
    const stop = replica.onEvent((event) => {
      if (event.type !== 'swept') return
      stop()
      resolve()
    })
  })
}

test('[HA-2] who may do what, on every route: absent and forbidden look alike', async () => {
  const guard = doorman()
  const { ask } = await here({ doorman: guard })
  const [OPEN, SECRET, ABSENT, FORBIDDEN] = ['open%2Fa', 'secret%2Fa', 'open%2Fabsent', 'secret%2Fabsent']
  expect((await ask(`/api/documents/${OPEN}/update`, { ...post(textUpdate('o')), token: 'creator' })).status).toBe(200)
  guard.setPolicy(() => () => true)
  expect((await ask(`/api/documents/${SECRET}/update`, { ...post(textUpdate('s')), token: 'creator' })).status).toBe(200)
  guard.setPolicy(POLICY)

  const reads = ['', '/log', '/update']
  const known = textUpdate('k')
  const writes: [string, RequestInit][] = [
    ['/update', post(known)],
    ['/maps/m', patch({ a: 1 })],
  ]
  const relay = ['/api/status', '/api/history', '/api/events']
  // token, read, write and create in open/, administer
  const table: [string | undefined, number, number, number, number][] = [
    [undefined, 401, 401, 401, 401],
    ['forged', 401, 401, 401, 401],
    ['nobody', 404, 404, 404, 403],
    ['blind', 404, 404, 404, 403],
    ['operator', 404, 404, 404, 200],
    ['reader', 200, 403, 403, 403],
    ['writer', 200, 200, 404, 403],
    ['creator', 200, 200, 200, 403],
  ]
  for (const [token, read, write, create, admin] of table) {
    const asked = token === undefined ? {} : { token }
    const status = async (path: string, init: RequestInit = {}): Promise<number> => {
      const answer = await fetchStatus(ask, path, { ...init, ...asked })
      return answer
    }
    const outside = token === undefined || token === 'forged' ? 401 : 404
    for (const route of reads) {
      expect(await status(`/api/documents/${OPEN}${route}`), `${token} ${route}`).toBe(read)
      for (const name of [SECRET, ABSENT, FORBIDDEN])
        expect(await status(`/api/documents/${name}${route}`), `${token} ${name}${route}`).toBe(outside)
    }
    for (const [route, init] of writes) {
      expect(await status(`/api/documents/${OPEN}${route}`, init), `${token} ${init.method} ${route}`).toBe(write)
      for (const name of [SECRET, FORBIDDEN]) expect(await status(`/api/documents/${name}${route}`, init), `${token} ${name}`).toBe(outside)
      expect(await status(`/api/documents/${ABSENT}${token}${route.length}${route}`, init), `${token} creates`).toBe(create)
    }
    for (const path of relay) expect(await status(path), `${token} ${path}`).toBe(admin)
    if (read === 401) expect(await status('/api/documents')).toBe(401)
  }

  const absent = await ask(`/api/documents/${ABSENT}`, { token: 'nobody' })
  const forbidden = await ask(`/api/documents/${OPEN}`, { token: 'nobody' })
  expect({ ...forbidden.json, message: forbidden.json.message.replace('open/a', 'open/absent') }).toEqual(absent.json)
  for (const [token, names] of [
    ['nobody', []],
    ['reader', ['open/a']],
    ['operator', []],
  ] as const) {
    const listed = (await ask('/api/documents', { token })).json.documents.map((row: { name: string }) => row.name)
    expect(listed.filter((name: string) => !name.startsWith('open/absent'))).toEqual(names)
    const { json } = await ask('/api/changes', { token })
    expect(new Set(json.changes.map((change: { name: string }) => change.name)).has('secret/a')).toBe(false)
    expect(json.changes.length > 0).toBe(names.length > 0)
  }
  expect(guard.size).toBe(0)
  guard.close()
})

/** Of an event stream only the status is waited for. */
async function fetchStatus(ask: ApiHere['ask'], path: string, init: Parameters<ApiHere['ask']>[1]): Promise<number> {
  if (path !== '/api/events') return (await ask(path, init)).status
  const abort = new AbortController()
  const { url } = open.at(-1)!
  const headers: Record<string, string> = init?.token === undefined ? {} : { authorization: `Bearer ${init.token}` }
  const response = await fetch(`${url}${path}`, { headers, signal: abort.signal })
  await response.body?.cancel()
  return response.status
}

test('[HA-3] without authentication pages of other origins are turned away, those of this machine are not', async () => {
  const { ask } = await here()
  for (const [origin, status] of [
    ['http://localhost:5173', 200],
    ['http://127.0.0.1', 200],
    ['https://evil.example', 403],
    ['http://127.0.0.1.evil.example', 403],
    ['null', 403],
  ] as const) {
    expect((await ask('/api/documents', { headers: { origin } })).status, origin).toBe(status)
    expect((await ask('/api/documents/d/update', { ...post(textUpdate('x')), headers: { origin } })).status, origin).toBe(status)
  }
  expect((await ask('/api/documents', { headers: { authorization: 'Basic eDp5' } })).status).toBe(401)
})

test('[HA-6] bodies are bounded before they are read, and one that breaks off writes nothing', async () => {
  const { ask, url, replica, errors } = await here()
  const large = new Uint8Array(API_LIMITS.updateBytesMax + 1)
  expect(await ask('/api/documents/d/update', post(large))).toMatchObject({ status: 413, json: { code: 'update-limit' } })
  // Without a length it is counted as it comes, and whoever goes on sending may see the connection end before the answer.
  const answer = await new Promise<number | 'reset'>((resolve) => {
    const asked = httpRequest(
      `${url}/api/documents/d/maps/m`,
      { method: 'PATCH', headers: { 'transfer-encoding': 'chunked' } },
      ({ statusCode }) => {
        resolve(statusCode!)
        asked.destroy()
      },
    )
    asked.on('error', () => resolve('reset'))
    asked.write('{"a":"')
    const more = (): void => void (asked.destroyed || (asked.write('x'.repeat(64 * 1024)) ? setImmediate(more) : asked.once('drain', more)))
    more()
  })
  expect([413, 'reset']).toContain(answer)
  await new Promise<void>((resolve) => {
    const asked = httpRequest(`${url}/api/documents/d/update`, { method: 'POST', headers: { 'content-length': '100' } })
    asked.on('error', () => resolve())
    asked.write(textUpdate('x'))
    asked.on('socket', (socket) => socket.on('connect', () => asked.destroy()))
  })
  expect((await ask('/api/documents/d')).status).toBe(404)
  expect(replica.reader.head()).toBe(0)
  expect(errors).toEqual([])
})

test('[HA-5] docs/http-api.md describes every route, and no other', async () => {
  const { api } = await here()
  const routes = api.app.routes.filter(({ method }) => method !== 'ALL').map(({ method, path }) => `${method} ${path}`)
  const page = readFileSync(new URL('../../../docs/http-api.md', import.meta.url), 'utf8')
  const described = [...page.matchAll(/^### (\w+ \/api\/\S+)$/gm)].map((match) => match[1])
  expect(new Set(described)).toEqual(new Set(routes))
})
