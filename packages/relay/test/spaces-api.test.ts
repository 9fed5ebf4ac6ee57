// What the HTTP API says of several spaces, over a real port and real files: who sees which, and that looking opens nothing and keeps nothing open.

import { afterEach, expect, test, vi } from 'vitest'
import type { SpaceId } from '@syncline/protocol'
import { createDoorman } from '../src/access/doorman.ts'
import { parsePolicy } from '../src/access/policy-file.ts'
import { API_LIMITS } from '../src/admin/api-limits.ts'
import { nodeClock } from '@syncline/replica/ws'
import { apiHere, textUpdate, type ApiHere } from './http-api-here.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

/** A token is the tenant that it administers; `default` is the operator's. */
async function here(spaceIdleMs = 1_000_000): Promise<ApiHere> {
  const own = { eq: [{ get: 'space' }, { get: 'subject' }] }
  const doorman = createDoorman({
    authenticator: ({ token }) =>
      Promise.resolve(token === null ? null : { subject: token, roles: ['owner'], claims: {}, expiresAtMs: null }),
    policy: parsePolicy(JSON.stringify({ version: 1, roles: { owner: [{ allow: 'all', space: '**', doc: '**', when: own }] } })),
    clock: nodeClock(),
    anonymous: false,
  })
  const one = await apiHere({ doorman, many: true, bounds: { spaceIdleMs } })
  cleanups.push(
    () => one.close(),
    () => doorman.close(),
  )
  for (const space of ['acme', 'bolt']) await write(one, space, `of ${space}`)
  return one
}

async function write({ ask }: ApiHere, space: string, words: string): Promise<void> {
  const { status } = await ask(`/api/spaces/${space}/documents/note/update`, { method: 'POST', body: textUpdate(words), token: space })
  expect(status).toBe(200)
}

async function closedWhenIdle({ ask }: ApiHere, space: string): Promise<void> {
  await vi.waitFor(async () => expect((await ask(`/api/spaces/${space}/status`, { token: space })).json.open).toBe(false))
}

test('[SP-8] the list of spaces has what each takes and who is there, in pages; closed ones stay closed', async () => {
  const one = await here(40)
  await closedWhenIdle(one, 'acme')
  const { ask } = one
  await closedWhenIdle(one, 'bolt')
  const first = await ask('/api/spaces?limit=2', { token: 'default' })
  expect([first.status, first.json]).toEqual([
    200,
    {
      spaces: [
        { name: 'acme', open: false, bytes: expect.any(Number), documents: null, links: null, guests: null, trouble: null },
        { name: 'bolt', open: false, bytes: expect.any(Number), documents: null, links: null, guests: null, trouble: null },
      ],
      next: 'bolt',
    },
  ])
  expect(first.json.spaces[0].bytes).toBeGreaterThan(4096)
  expect((await ask('/api/spaces?after=bolt', { token: 'default' })).json).toMatchObject({
    spaces: [{ name: 'default', open: true, documents: 0, links: 0, guests: 0 }],
    next: null,
  })
  expect((await ask('/api/spaces?prefix=bo', { token: 'default' })).json.spaces).toMatchObject([{ name: 'bolt' }])
  expect((await ask('/api/status', { token: 'default' })).json.spaces).toEqual({ many: true, open: 1, stored: 3 })
})

test('[SP-8] who administers one space sees its status, history and events, and of another not even that it is there', async () => {
  const one = await here()
  const { ask, url, api } = one
  expect((await ask('/api/spaces/acme/status', { token: 'acme' })).json).toMatchObject({
    ...{ name: 'acme', space: 'acme', open: true, documents: 1, links: 0, guests: 0, head: 1, storage: 'ok', peers: [], trouble: null },
  })
  await vi.waitFor(async () => {
    const { json } = await ask('/api/spaces/acme/history', { token: 'acme' })
    expect(json.samples.some(({ rowsPerS }: { rowsPerS: number }) => rowsPerS > 0)).toBe(true)
  }, 5_000)
  for (const route of ['status', 'history', 'events'])
    for (const space of ['bolt', 'ghost'])
      expect(await ask(`/api/spaces/${space}/${route}`, { token: 'acme' })).toMatchObject({ status: 404, json: { code: 'space-unknown' } })
  for (const path of ['/api/spaces', '/api/status', '/api/history', '/api/events'])
    expect(await ask(path, { token: 'acme' }), path).toMatchObject({ status: 403 })

  const headers = { authorization: 'Bearer acme' }
  const response = await fetch(`${url}/api/spaces/acme/events`, { headers })
  api.refused('in-bolt' as never, 'update-limit', 'not for acme', null, 'bolt' as SpaceId)
  api.refused('in-acme' as never, 'update-limit', 'for acme', null, 'acme' as SpaceId)
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  while (!(text.includes('in-acme') && text.includes('event: sample'))) text += (await reader.read()).value
  expect(text).not.toContain('bolt')
  const more = await Promise.all(
    Array.from({ length: API_LIMITS.streamsOfSpaceMax }, () => fetch(`${url}/api/spaces/acme/events`, { headers })),
  )
  expect(more.map(({ status }) => status).sort((a, b) => a - b)).toEqual([
    ...Array.from({ length: API_LIMITS.streamsOfSpaceMax - 1 }, () => 200),
    503,
  ])
  await Promise.all([reader.cancel(), ...more.map(({ body }) => body?.cancel())])
})

test('[SP-8] looking neither opens a space nor keeps it from closing', async () => {
  const one = await here(300)
  const { ask } = one
  const follow = (path: string): ReturnType<typeof ask> =>
    ask(`/api/spaces/acme/${path}${path.includes('?') ? '&' : '?'}follow`, { token: 'acme' })
  expect(await follow('documents')).toMatchObject({ status: 200, json: { documents: [{ name: 'note' }] } })
  // Whoever follows asks again and again, more often than the space would be idle.
  await vi.waitFor(async () => expect(await follow('documents')).toMatchObject({ status: 409, json: { code: 'space-closed' } }), {
    timeout: 10_000,
    interval: 20,
  })
  for (const path of ['documents/note', 'documents/note/log', 'changes']) expect(await follow(path), path).toMatchObject({ status: 409 })
  expect((await ask('/api/spaces/acme/history', { token: 'acme' })).json.samples).toEqual([])
  expect((await ask('/api/spaces/acme/status', { token: 'acme' })).json).toMatchObject({ space: 'acme', open: false })
  expect(await ask('/api/spaces/ghost/documents?follow', { token: 'ghost' })).toMatchObject({
    status: 404,
    json: { code: 'space-unknown' },
  })
  // Asking without it opens the space, for a while.
  expect(await ask('/api/spaces/acme/documents', { token: 'acme' })).toMatchObject({ status: 200 })
  expect(await follow('documents')).toMatchObject({ status: 200 })
  await closedWhenIdle(one, 'acme')
})
