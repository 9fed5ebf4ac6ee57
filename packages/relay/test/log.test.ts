// The log of a relay: lines for machines and for people, and what never stands in them.

import { parseDocId, type ReplicaId } from '@syncline/protocol'
import type { Clock } from '@syncline/replica'
import { nodeClock } from '@syncline/replica/ws'
import { expect, test } from 'vitest'
import { createLog, type LogOptions, type RelayLog } from '../src/log.ts'

const peer = '00112233445566778899aabbccddeeff' as ReplicaId

function logged(options: Partial<LogOptions> = {}): { log: RelayLog; lines: string[]; elapse: () => void } {
  const lines: string[] = []
  let due: (() => void) | null = null
  const clock: Clock = {
    ...nodeClock(),
    wallMs: () => Date.UTC(2026, 0, 2, 3, 4, 5, 6),
    after: (_, fn) => {
      due = fn
      return () => (due = null)
    },
  }
  return { log: createLog({ format: 'json', clock, write: (line) => lines.push(line), ...options }), lines, elapse: () => due?.() }
}

test('[LG-1] a line is one JSON object with level, time and type, or words that a person reads', () => {
  const json = logged()
  json.log.info('ready', { url: 'ws://127.0.0.1:4400', durability: 'disk', pid: 12 })
  json.log.event({ type: 'link-ended', link: 3, peer, code: 'link-silent' })
  expect(json.lines.map((line) => JSON.parse(line) as unknown)).toEqual([
    { level: 'info', time: '2026-01-02T03:04:05.006Z', type: 'ready', url: 'ws://127.0.0.1:4400/', durability: 'disk', pid: 12 },
    { level: 'info', time: '2026-01-02T03:04:05.006Z', type: 'link-ended', link: 3, peer, code: 'link-silent' },
  ])
  const person = logged({ format: 'words' })
  person.log.warn('refused', { doc: 'note/1', code: 'update-malformed', reason: 'unknown content 12' })
  person.log.info('draining')
  expect(person.lines).toEqual(['refused: doc note/1, code update-malformed, reason unknown content 12', 'draining'])
})

test('[LG-1] levels: what is below the chosen one is not written, and each event has the level that it deserves', () => {
  const { log, lines } = logged({ level: 'warn' })
  log.event({ type: 'acked', peer, scope: '*', seq: 4, durability: 'disk' })
  log.event({ type: 'storage-recovered' })
  log.event({ type: 'storage-failed', code: 'store-full', reason: 'The disk is full.' })
  log.event({ type: 'divergence', doc: parseDocId('a'), peer, range: { client: 5, from: 1, to: 9 } })
  expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
    { level: 'error', type: 'storage-failed', code: 'store-full' },
    { level: 'error', type: 'divergence', range: { client: 5, from: 1, to: 9 } },
  ])
})

test('[LG-2] content, tokens and claims do not get into a line, whatever it is given', () => {
  const token = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl'
  for (const format of ['json', 'words'] as const) {
    const { log, lines } = logged({ format, level: 'debug' })
    log.warn('access-refused', {
      token,
      claims: { sub: 'ada', email: 'ada@example.com' },
      subject: 'ada@example.com',
      update: new TextEncoder().encode('ada@example.com'),
      content: 'ada@example.com',
      headers: { authorization: `Bearer ${token}` },
      code: 'auth-invalid',
      reason: `the token ${token} is not for here, nor is Bearer s3cr3t-value, nor ?access_token=s3cr3t-value&x=1`,
      url: `wss://ada:s3cr3t-value@relay.example/room?token=s3cr3t-value`,
      path: '/room?auth=s3cr3t-value',
      range: { client: 4, state: 'ada@example.com', update: 'ada@example.com' },
      setting: [{ token: 's3cr3t-value', code: 'kept' }],
      of: new Error('s3cr3t-value'),
    })
    expect(lines).toHaveLength(1)
    for (const secret of [token, 'eyJ', 's3cr3t-value', 'ada', 'example.com/x', 'claims', 'authorization'])
      expect(lines[0], `${format}: ${secret}`).not.toContain(secret)
    expect(lines[0]).toContain('auth-invalid')
    expect(lines[0]).toContain('wss://relay.example/room')
    expect(lines[0]).toContain('kept')
  }
})

test('[LG-3] a text from outside is one short printable line', () => {
  for (const format of ['json', 'words'] as const) {
    const { log, lines } = logged({ format })
    log.warn('refused', { doc: 'a\n{"level":"error"}\u001b[31m', reason: 'x'.repeat(100_000) })
    expect(lines).toHaveLength(1)
    for (const control of ['\n', '\u001b']) expect(lines[0]).not.toContain(control)
    expect(lines[0]!.length).toBeLessThan(600)
  }
})

test('[LG-4] a flood of one type of line is counted, others are not held back, and the count is told', () => {
  const { log, lines, elapse } = logged({ format: 'words' })
  for (let n = 0; n < 5_000; n++) log.warn('refused', { doc: `note/${n}` })
  log.error('storage-failed', { code: 'store-io' })
  expect(lines).toHaveLength(101)
  expect(lines.at(-1)).toBe('storage-failed: code store-io')
  elapse()
  expect(lines.at(-1)).toBe('lines-left-out: of refused, count 4900')
  log.warn('refused', { doc: 'again' })
  expect(lines.at(-1)).toBe('refused: doc again')
})
