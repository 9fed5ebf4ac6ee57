// What the HTTP API says about the relay itself, over a real port: status, history, and events as they happen.

import { afterEach, expect, test } from 'vitest'
import { DEFAULT_SPACE, parseDocId } from '@syncline/protocol'
import { nodeClock } from '@syncline/replica/ws'
import { API_LIMITS } from '../src/admin/api-limits.ts'
import { EventsStream } from '../src/admin/events-stream.ts'
import { apiHere, doorman, textUpdate, type ApiHere } from './http-api-here.ts'

const open: ApiHere[] = []
afterEach(async () => {
  for (const here of open.splice(0)) await here.close()
})

async function here(options: Parameters<typeof apiHere>[0] = {}): Promise<ApiHere> {
  const one = await apiHere(options)
  open.push(one)
  return one
}

test('[HA-9] status, history and events tell what happens, as it happens', async () => {
  const { ask, url, api } = await here()
  await ask('/api/documents/d/update', { method: 'POST', body: textUpdate('x') })
  const status = await ask('/api/status')
  expect(status.json).toMatchObject({
    relay: { url: 'ws://127.0.0.1:4400', durability: 'process', draining: false },
    space: 'default',
    head: 1,
    documents: 1,
    storage: 'ok',
    storageError: null,
    connections: { native: 0, 'y-websocket': 2, hocuspocus: 0, 'y-sweet': 0, http: 1 },
    peers: [],
    rejected: [],
    eventLoop: { p50Ms: 1, p99Ms: 2 },
  })
  expect(status.json.memoryBytes).toBeGreaterThan(1_000_000)
  expect(status.json.rates).toMatchObject({ ackP99Ms: null })

  api.refused(parseDocId('d'), 'update-forbidden', 'a reason', 'y-websocket', DEFAULT_SPACE)
  const response = await fetch(`${url}/api/events`)
  expect(response.headers.get('content-type')).toBe('text/event-stream')
  const events = eventsOf(response)
  expect((await events.next()).value).toMatchObject({ event: 'refused', data: { doc: 'd', door: 'y-websocket', code: 'update-forbidden' } })
  await ask('/api/documents', { headers: { origin: 'https://evil.example' } })
  const seen: Record<string, unknown> = {}
  while (!('sample' in seen && 'turned-away' in seen)) {
    const { event, data } = (await events.next()).value as { event: string; data: unknown }
    seen[event] = data
  }
  expect(seen['turned-away']).toMatchObject({ door: 'http', code: 'access-denied' })
  expect(seen['sample']).toMatchObject({ rowsPerS: expect.any(Number), connections: 3, lagMax: 0 })
  const { json } = await ask('/api/history')
  expect(json.everyMs).toBe(1000)
  expect(json.samples).toContainEqual(expect.objectContaining({ commitsPerS: expect.any(Number), ackP50Ms: expect.any(Number) }))
  await events.return(undefined)
})

test('[HA-9] what is written and refused by this way is told, with who it was', async () => {
  const guard = doorman()
  const { ask, told, url } = await here({ doorman: guard })
  const path = '/api/documents/open%2Fa'
  await ask(`${path}/update`, { method: 'POST', body: textUpdate('x'), token: 'creator' })
  await ask(`${path}/update`, { method: 'POST', body: new Uint8Array([9]), token: 'writer' })
  await ask(`${path}/maps/m`, { method: 'PATCH', body: '{"a":1}', token: 'writer' })
  expect(told).toEqual(['open/a creator 1', 'open/a update-malformed', 'open/a writer 2'])
  const events = eventsOf(await fetch(`${url}/api/events`, { headers: { authorization: 'Bearer operator' } }))
  expect((await events.next()).value).toMatchObject({ event: 'refused', data: { doc: 'open/a', door: 'http', code: 'update-malformed' } })
  await events.return(undefined)
  guard.close()
})

test('[HA-9] an event stream ends with the right to it, holds no pass after that, and is not the only bound', async () => {
  const guard = doorman()
  const { url, api } = await here({ doorman: guard })
  const headers = { authorization: 'Bearer operator' }
  const streams = await Promise.all(Array.from({ length: API_LIMITS.streamsMax }, () => fetch(`${url}/api/events`, { headers })))
  expect(streams.every(({ status }) => status === 200)).toBe(true)
  const oneMore = await fetch(`${url}/api/events`, { headers })
  expect([oneMore.status, await oneMore.json()]).toMatchObject([503, { code: 'relay-busy' }])
  expect(guard.size).toBe(API_LIMITS.streamsMax)
  const ended = streams.map((response) => response.text())
  api.refused(parseDocId('d'), 'update-limit', 'before the end', null, DEFAULT_SPACE)
  guard.setPolicy(() => () => false)
  for (const text of await Promise.all(ended)) expect(text).toContain('before the end')
  expect(guard.size).toBe(0)
  guard.close()
})

test('[RS-1] a reader of events that does not read costs a bounded backlog and is dropped', async () => {
  const events = new EventsStream(nodeClock())
  let dropped = 0
  const stream = events.open(
    () => true,
    () => dropped++,
    () => () => undefined,
  )
  const words = 'x'.repeat(1000)
  let told = 0
  for (; dropped === 0; told++) events.refused(parseDocId('d'), 'update-limit', words, null, DEFAULT_SPACE)
  expect(told * words.length).toBeLessThan(API_LIMITS.streamBytesMax)
  expect(events.size).toBe(0)
  // What it had not read it may still read, then it ends.
  let bytes = 0
  for await (const chunk of stream) bytes += chunk.length
  expect(bytes).toBeLessThanOrEqual(API_LIMITS.streamBytesMax)
})

async function* eventsOf(response: Response): AsyncGenerator<{ event: string; data: unknown }, void, undefined> {
  let text = ''
  const decoder = new TextDecoder()
  for await (const chunk of response.body!) {
    text += decoder.decode(chunk, { stream: true })
    const frames = text.split('\n\n')
    text = frames.pop()!
    for (const frame of frames) {
      const event = /^event: (.*)$/m.exec(frame)?.[1]
      if (event !== undefined) yield { event, data: JSON.parse(/^data: (.*)$/m.exec(frame)![1]!) }
    }
  }
}
