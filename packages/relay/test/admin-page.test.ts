// The admin page as it is served, and the parts of it that need no browser. In a browser: test/browser/admin-page.test.ts.

import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { adminPage, pageApp } from '../src/admin/page/admin-page.ts'
import { EventLines, type StreamEvent } from '../src/admin/page/browser/event-lines.ts'
import { roundAbove } from '../src/admin/page/browser/nice-scale.ts'
import { bytesText, millisecondsText, nameText, rateText, spanText } from '../src/admin/page/browser/shown-text.ts'

test('[PG-4] the page is one document, and its policy lets its own script and style run and nothing else', async () => {
  const { html, headers } = adminPage()
  const policy = headers['content-security-policy']!
  const [, script] = /<script>(.*)<\/script>/s.exec(html)!
  const [, style] = /<style>(.*)<\/style>/s.exec(html)!
  for (const text of [script!, style!]) expect(policy).toContain(`'sha256-${createHash('sha256').update(text).digest('base64')}'`)
  expect(policy).toMatch(/^default-src 'none';/)
  expect(policy).not.toMatch(/unsafe|\*|https?:/)
  // Nothing is fetched to show it, and no attribute runs anything.
  expect(html.match(/<(script|style|link|img|iframe|object)\b[^>]*>/g)).toEqual(['<link rel="icon" href="data:,">', '<style>', '<script>'])
  expect(html.replace(script!, '')).not.toMatch(/\son[a-z]+=|javascript:|https?:/)
  expect(headers).toMatchObject({ 'x-content-type-options': 'nosniff', 'x-frame-options': 'DENY', 'referrer-policy': 'no-referrer' })

  const answer = await pageApp().request('/')
  expect([answer.status, await answer.text()]).toEqual([200, html])
  for (const [name, value] of Object.entries(headers)) expect(answer.headers.get(name)).toBe(value)
})

test('[PG-1] events are read alike, however the stream is cut', () => {
  const events: StreamEvent[] = [
    { name: 'sample', data: '{"atMs":1}' },
    { name: 'refused', data: '{"doc":"a: b\\n","reason":" two"}' },
    { name: 'message', data: 'one\ntwo' },
  ]
  const stream = (end: string): string =>
    [
      ': still here',
      '',
      'event: sample',
      'data: {"atMs":1}',
      '',
      'event:refused',
      'data: {"doc":"a: b\\n","reason":" two"}',
      '',
      'event: nothing',
      '',
      'id: 7',
      'data: one',
      'data:two',
      '',
      'data: unfinished',
    ].join(end)
  const property = fc.property(fc.constantFrom('\n', '\r\n', '\r'), fc.array(fc.nat({ max: 200 })), (end, cuts) => {
    const text = stream(end)
    const lines = new EventLines()
    const places = [0, ...cuts.map((cut) => cut % text.length).sort((a, b) => a - b), text.length]
    const read = places.slice(1).flatMap((place, index) => lines.take(text.slice(places[index], place)))
    expect(read).toEqual(events)
  })
  fc.assert(property, { numRuns: 300 })
  expect(() => new EventLines().take('x'.repeat(4 * 1024 * 1024 + 1))).toThrow(RangeError)
})

test('[PG-3] characters that cannot be seen, or move what stands beside them, are written out', () => {
  expect(nameText('plan\u202Egnp.exe')).toBe('plan\\u{202E}gnp.exe')
  expect(nameText('a\u0000b\nc\u200Bd\u2028e\uFEFF\u{E0041}')).toBe('a\\u{0}b\\u{A}c\\u{200B}d\\u{2028}e\\u{FEFF}\\u{E0041}')
  for (const plain of ['note/42', '日本語', 'مرحبا', '👩\u200D🚀', ' <b>&amp;']) expect(nameText(plain)).toBe(plain)
})

test('[PG-1] figures have few digits and a unit', () => {
  expect([0, 999, 1000, 1536, 5_242_880, 3e12].map(bytesText)).toEqual(['0 B', '999 B', '1.0 KiB', '1.5 KiB', '5.0 MiB', '2.7 TiB'])
  expect([0.123, 12.34, 123.4, 1500, 60_000, null].map(millisecondsText)).toEqual(['0.12 ms', '12.3 ms', '123 ms', '1.5 s', '60 s', '–'])
  expect([0, 0.34, 7, 1204.4].map(rateText)).toEqual(['0', '0.3', '7', '1,204'])
  expect([0, 59_000, 61_000, 3_600_000, 90_000_000].map(spanText)).toEqual(['0 s', '59 s', '1 min 1 s', '1 h 0 min', '1 d 1 h'])
  for (const [max, top] of [
    [0, 2],
    [3, 5],
    [5, 5],
    [51, 100],
    [0.3, 2],
  ] as const)
    expect(roundAbove(max, 2, false)).toBe(top)
  expect([0, 700, 5000].map((bytes) => roundAbove(bytes, 512, true))).toEqual([512, 1024, 8192])
})
