// Hooks over a real replica on SQLite; the pauses between calls pass on a clock of the test's own, and the webhook is a real HTTP server.

import { rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { parseDocId, SynclineError, type DocId } from '@syncline/protocol'
import type { Clock, Replica } from '@syncline/replica'
import { nodeClock } from '@syncline/replica/ws'
import * as Y from 'yjs'
import type { Identity } from '../src/access/access.ts'
import { asGuest } from '../src/deaf-guest.ts'
import { deafPort } from '../src/deaf-guest.ts'
import type { HookLimits } from '../src/hook-calls.ts'
import { HookRunner, type ChangeEvent, type RelayHooks } from '../src/hooks.ts'
import { createWebhook, isSigned } from '../src/webhook.ts'
import { folderHere, replicaHere, textUpdate, updateOf } from './http-api-here.ts'

const NOTE = parseDocId('note')
const ADA: Identity = { subject: 'ada', roles: [], claims: {}, expiresAtMs: null }
const BEN: Identity = { ...ADA, subject: 'ben' }
const by = (doc: DocId, identity: Identity = ADA) => ({ doc, identity, door: 'y-websocket' as const })

const cleanups: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

/** Timers fire only by pass(); what is due soon is. */
class HeldClock implements Clock {
  private ms = 0
  private timers: { atMs: number; fn: () => void }[] = []
  now = (): number => this.ms
  wallMs = (): number => 1_800_000_000_000 + this.ms
  every = (): never => {
    throw new Error('not needed')
  }
  soon = (fn: () => void): void => void setImmediate(fn)
  after(ms: number, fn: () => void): () => void {
    const timer = { atMs: this.ms + ms, fn }
    this.timers.push(timer)
    return () => void (this.timers = this.timers.filter((other) => other !== timer))
  }
  /** Pauses that are set, from now, ascending. */
  get pending(): number[] {
    return this.timers.map(({ atMs }) => atMs - this.ms).sort((a, b) => a - b)
  }
  async pass(ms: number): Promise<void> {
    const untilMs = this.ms + ms
    for (;;) {
      const next = this.timers.filter(({ atMs }) => atMs <= untilMs).sort((a, b) => a.atMs - b.atMs)[0]
      if (next === undefined) break
      this.ms = next.atMs
      this.timers = this.timers.filter((other) => other !== next)
      next.fn()
      await turns()
    }
    this.ms = untilMs
    await turns()
  }
}

/** Everything that was begun and waits for nobody is done. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve))
}

interface Here {
  readonly replica: Replica
  readonly runner: HookRunner
  readonly clock: HeldClock
  readonly errors: { code: string; hook: string; doc: string; message: string }[]
  write(doc: DocId, update: Uint8Array, identity?: Identity): Promise<number>
}

async function hooksHere(hooks: RelayHooks, limits: Partial<HookLimits> = {}): Promise<Here> {
  const clock = new HeldClock()
  const errors: Here['errors'] = []
  const onHookError: RelayHooks['onHookError'] = ({ code, message }, hook, doc) => errors.push({ code, hook, doc, message })
  const runner = new HookRunner({ ...hooks, onHookError }, clock, limits)
  const folder = folderHere()
  const replica = await replicaHere(folder, nodeClock(), runner)
  runner.start(replica)
  cleanups.push(async () => {
    await replica.close()
    rmSync(folder, { recursive: true })
  })
  const write: Here['write'] = async (doc, update, identity) => {
    const guest = replica.attachGuest(doc, deafPort)
    const outcome = await guest.write(update)
    guest.detach()
    if (outcome.kind !== 'committed') throw new Error(outcome.kind)
    if (identity !== undefined) runner.wrote(doc, identity, outcome.seq)
    await turns()
    return outcome.seq
  }
  return { replica, runner, clock, errors, write }
}

function textOf(replica: Replica, doc: DocId): string {
  const loaded = new Y.Doc()
  Y.applyUpdate(
    loaded,
    asGuest(replica, doc, (guest) => guest.diff(new Uint8Array([0]))),
  )
  return loaded.getText('body').toString()
}

test('[HK-1] a document that is not stored is loaded once for all who ask, and is committed before anybody is served', async () => {
  const asked: string[] = []
  const { replica, runner } = await hooksHere({
    onLoadDocument: async (doc) => {
      asked.push(doc)
      await turns()
      return doc === NOTE ? textUpdate('from the database') : null
    },
  })
  const loaded = await Promise.all([runner.connected(by(NOTE)), runner.connected(by(NOTE, BEN)), runner.connected(by(parseDocId('empty')))])
  expect(loaded).toEqual(['stored', 'stored', 'empty'])
  expect(asked).toEqual(['note', 'empty'])
  expect(textOf(replica, NOTE)).toBe('from the database')
  expect(await runner.connected(by(NOTE))).toBe('stored')
  // While somebody is connected, "nothing" is remembered; afterwards it is asked again.
  expect(await runner.connected(by(parseDocId('empty')))).toBe('empty')
  expect(asked).toHaveLength(2)
  runner.disconnected(by(parseDocId('empty')))
  runner.disconnected(by(parseDocId('empty')))
  expect(await runner.connected(by(parseDocId('empty')))).toBe('empty')
  expect(asked).toEqual(['note', 'empty', 'empty'])
})

test('[HK-1] an initial update passes the gate or is not stored, and the next connection asks again', async () => {
  const edited = new Y.Doc()
  edited.getText('body').insert(0, 'a')
  const before = Y.encodeStateVector(edited)
  // Of two writers, one of whom builds on what is not there: nothing of it is stored.
  edited.getText('body').insert(1, 'b')
  Y.applyUpdate(edited, textUpdate('stands alone', 'other'))
  const bad: (() => Uint8Array | null | Promise<Uint8Array>)[] = [
    () => new Uint8Array([1, 2, 3]),
    () => updateOf((doc) => doc.getMap('m').set('__proto__', 1)),
    () => Y.encodeStateAsUpdate(edited, before),
    () => 'text' as unknown as Uint8Array,
    () => {
      throw new Error('no database')
    },
    () => Promise.reject(new SynclineError('auth-unavailable', 'Elsewhere.')),
    () => textUpdate('good at last'),
  ]
  const left = [...bad]
  const { replica, runner, errors } = await hooksHere({ onLoadDocument: () => left.shift()!() })
  for (let at = 1; at < bad.length; at++) {
    expect(await runner.connected(by(NOTE))).toBe('failed')
    expect(replica.has(NOTE)).toBe(false)
  }
  expect(errors.map(({ code }) => code)).toEqual([
    'update-malformed',
    'update-forbidden',
    'update-incomplete',
    'hook-failed',
    'hook-failed',
    'auth-unavailable',
  ])
  expect(await runner.connected(by(NOTE))).toBe('stored')
  expect(textOf(replica, NOTE)).toBe('good at last')
})

test('[HK-1] a load that takes too long fails, and its late answer changes nothing', async () => {
  let answer: (update: Uint8Array) => void = () => undefined
  let signal: AbortSignal | null = null
  const { replica, runner, clock, errors } = await hooksHere({
    onLoadDocument: (_, call) => {
      signal = call.signal
      return new Promise((resolve) => (answer = resolve))
    },
  })
  const loading = runner.connected(by(NOTE))
  await turns()
  await clock.pass(10_000)
  expect(await loading).toBe('failed')
  expect(signal!.aborted).toBe(true)
  expect(errors).toMatchObject([{ code: 'hook-failed', hook: 'onLoadDocument', doc: 'note' }])
  answer(textUpdate('late'))
  await turns()
  expect(replica.has(NOTE)).toBe(false)
})

test('[HK-2] changes are told after the commit, one call for all of them when the document was quiet or has waited long enough', async () => {
  const told: ChangeEvent[] = []
  const { runner, clock, write, replica } = await hooksHere({
    onChange: (event) => {
      expect(replica.reader.head()).toBeGreaterThanOrEqual(event.seq)
      told.push(event)
    },
  })
  await write(NOTE, textUpdate('a'), ADA)
  await clock.pass(1_999)
  const second = await write(NOTE, textUpdate('b'), BEN)
  await clock.pass(1_999)
  expect(told).toEqual([])
  await clock.pass(1)
  expect(told).toEqual([{ doc: NOTE, identity: BEN, seq: second, deleted: false }])

  // Never quiet: told ten seconds after the first change.
  for (let at = 0; at < 10; at++) {
    await write(NOTE, textUpdate(String(at)))
    await clock.pass(1_000)
  }
  expect(told).toHaveLength(2)
  expect(told[1]!.identity).toBeNull()
  await clock.pass(2_000)
  expect(told).toHaveLength(2)

  // What this process writes itself counts, too, and so does every other document.
  const opened = replica.openDocument(parseDocId('other'))
  opened.doc.getMap('m').set('k', 1)
  const seq = await opened.saved()
  await opened.release()
  await turns()
  await clock.pass(2_000)
  expect(told[2]).toEqual({ doc: 'other', identity: null, seq, deleted: false })
  await runner.close()
})

test('[HK-3] a hook that fails is called again with growing pauses, then given up with one report; nothing else waits for it', async () => {
  const attempts: number[] = []
  const { clock, write, errors, runner } = await hooksHere({
    onChange: ({ doc }, { attempt }) => {
      if (doc === NOTE) attempts.push(attempt)
      if (doc === NOTE) throw new Error('receiver is down')
    },
  })
  await write(NOTE, textUpdate('a'))
  await clock.pass(2_000)
  expect(attempts).toEqual([1])
  for (const [pause, count] of [
    [1_000, 2],
    [2_000, 3],
    [4_000, 4],
  ] as const) {
    await clock.pass(pause - 1)
    expect(attempts).toHaveLength(count - 1)
    await clock.pass(1)
    expect(attempts).toHaveLength(count)
  }
  expect(attempts).toEqual([1, 2, 3, 4])
  expect(errors).toMatchObject([{ code: 'hook-failed', hook: 'onChange', doc: 'note' }])
  expect(errors[0]!.message).toContain('receiver is down')
  expect(clock.pending).toEqual([])
  await runner.close()
})

test('[HK-3] while a hook hangs the relay writes on, and the document is told again after it, once', async () => {
  const told: number[] = []
  const { clock, write, errors, runner } = await hooksHere(
    {
      onChange: ({ seq }) => {
        told.push(seq)
        return told.length === 1 ? new Promise<void>(() => undefined) : undefined
      },
    },
    { attemptsMax: 1 },
  )
  await write(NOTE, textUpdate('a'))
  await clock.pass(2_000)
  let last = 0
  for (let at = 0; at < 5; at++) {
    last = await write(NOTE, textUpdate(String(at)))
    await clock.pass(1_500)
  }
  await clock.pass(500)
  expect(told).toEqual([1])
  await clock.pass(2_000)
  expect(errors).toMatchObject([{ code: 'hook-failed' }])
  expect(told).toEqual([1, last])
  await runner.close()
})

test('[HK-4] connections and their ends are told, with who and by which door', async () => {
  const told: unknown[] = []
  const { runner } = await hooksHere({
    onConnect: (event) => void told.push(['in', event]),
    onDisconnect: (event) => void told.push(['out', event]),
  })
  await runner.connected(by(NOTE, BEN))
  runner.disconnected(by(NOTE, BEN))
  await turns()
  const event = { doc: NOTE, identity: BEN, door: 'y-websocket' }
  expect(told).toEqual([
    ['in', event],
    ['out', event],
  ])
})

test('[HK-6] calls under way and events that wait are bounded; the oldest is given up with a report', async () => {
  let running = 0
  let most = 0
  const release: (() => void)[] = []
  const { runner, errors } = await hooksHere(
    {
      onConnect: async () => {
        most = Math.max(most, ++running)
        await new Promise<void>((resolve) => release.push(resolve))
        running--
      },
    },
    { callsMax: 2, waitingMax: 3 },
  )
  for (let at = 0; at < 10; at++) {
    void runner.connected(by(parseDocId(`d${at}`)))
    await turns()
  }
  expect(most).toBe(2)
  expect(errors.map(({ code, doc }) => `${code} ${doc}`)).toEqual([
    'relay-busy d2',
    'relay-busy d3',
    'relay-busy d4',
    'relay-busy d5',
    'relay-busy d6',
  ])
  while (running > 0) {
    release.splice(0).forEach((go) => go())
    await turns()
  }
  expect(most).toBe(2)
})

test('[HK-6] close tells at once what was not told yet, and waits no longer than its bound', async () => {
  const told: DocId[] = []
  const { runner, write } = await hooksHere({ onChange: ({ doc }) => void told.push(doc) })
  await write(NOTE, textUpdate('a'))
  await write(parseDocId('other'), textUpdate('a'))
  await runner.close()
  expect([...told].sort()).toEqual(['note', 'other'])

  const hanging = await hooksHere({ onChange: () => new Promise(() => undefined) })
  await hanging.write(NOTE, textUpdate('a'))
  let closed = false
  const closing = hanging.runner.close().then(() => (closed = true))
  await hanging.clock.pass(4_999)
  expect(closed).toBe(false)
  await hanging.clock.pass(1)
  await closing
})

test('[HK-5] a webhook is signed, repeated until it is taken, and can give a document its beginning', async () => {
  const secret = 'a secret of at least thirty-two bytes'
  const received: { signed: boolean; event: Record<string, unknown> }[] = []
  let fail = 2
  const url = await serverHere(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const body = Buffer.concat(chunks)
    const event = JSON.parse(body.toString()) as Record<string, unknown>
    received.push({ signed: isSigned(secret, body, request.headers['syncline-signature'] as string), event })
    if (event['event'] === 'load') return void response.end(textUpdate('begun'))
    response.writeHead(fail-- > 0 ? 503 : 204).end()
  })
  const webhookClock = new HeldClock()
  const hooks = createWebhook(url, secret, { clock: webhookClock, events: ['load', 'change', 'connect', 'disconnect'] })
  const here = await hooksHere(hooks, { attemptsMax: 3 })
  expect(await here.runner.connected(by(NOTE))).toBe('stored')
  expect(textOf(here.replica, NOTE)).toBe('begun')
  await until(() => received.length === 2)
  await until(() => here.clock.pending.includes(1_000))
  await here.clock.pass(1_000)
  await until(() => received.length === 3 && here.clock.pending.includes(2_000))
  await here.clock.pass(2_000)
  await until(
    () =>
      received.filter(({ event }) => event['event'] === 'connect').length === 3 &&
      received.some(({ event }) => event['event'] === 'change'),
  )
  here.runner.disconnected(by(NOTE))
  await until(() => received.some(({ event }) => event['event'] === 'disconnect'))
  expect(received.every(({ signed }) => signed)).toBe(true)
  expect(received.find(({ event }) => event['event'] === 'change')!.event).toEqual({
    event: 'change',
    space: 'default',
    doc: 'note',
    seq: 1,
    subject: null,
    deleted: false,
    atMs: expect.any(Number),
  })
  expect(received.at(-1)!.event).toMatchObject({ doc: 'note', door: 'y-websocket', subject: 'ada' })
  expect(here.errors).toEqual([])
  expect(isSigned(secret, 'a', undefined)).toBe(false)
  expect(isSigned(`${secret}.`, 'a', `sha256=${'0'.repeat(64)}`)).toBe(false)
  for (const [bad, key] of [
    ['http://hooks.example/', secret],
    ['https://user:word@hooks.example/', secret],
    ['https://hooks.example/', 'short'],
  ] as const)
    expect(() => createWebhook(bad, key, { clock: webhookClock })).toThrow(/config-invalid/)
  await here.runner.close()
})

async function serverHere(answer: (request: IncomingMessage, response: ServerResponse) => Promise<void>): Promise<string> {
  const server = createServer((request, response) => void answer(request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  cleanups.push(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`
}

/** What comes over a real socket comes some turns later. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await turns()
}
