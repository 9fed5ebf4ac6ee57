// A timeline as a file, without a browser: what stands in it, what it may do, how it reads a recording and lays out time. In a browser: test/browser/.

import { createHash } from 'node:crypto'
import { Script } from 'node:vm'
import { expect, test } from 'vitest'
import { Story } from '../src/timeline/page/story.ts'
import { TimeScale, formatTime } from '../src/timeline/page/time-scale.ts'
import { Recorder, type Recording } from '../src/timeline/recording.ts'
import { timelinePage } from '../src/timeline/timeline-page.ts'

function smallRun(): Recording {
  const recorder = new Recorder()
  recorder.point(0, 'a', 'start', 'starts')
  recorder.point(1, 'b', 'start', 'starts')
  recorder.point(5, 'a', 'edit', 'edits notes/plan')
  recorder.message({ from: 'a', to: 'b', sentMs: 6, arrivedMs: 9, fate: '', text: 'entries(rows:[doc 4=notes/plan 7:0-3])', idle: false })
  recorder.message({ from: 'a', to: 'b', sentMs: 7, arrivedMs: null, fate: 'lost', text: 'entries(rows:[doc 4 7:4-5])', idle: false })
  recorder.message({ from: 'b', to: 'a', sentMs: 8, arrivedMs: null, fate: '', text: 'need(doc:4)', idle: false })
  recorder.message({ from: 'b', to: 'a', sentMs: 8, arrivedMs: 9, fate: '', text: 'ping(nonce:1)', idle: true })
  recorder.point(20, 'b', 'crash', 'dies')
  recorder.point(30, 'b', 'start', 'starts')
  recorder.point(40, 'a', 'crash', 'dies')
  recorder.band({ fromMs: 6, toMs: 8, kind: 'partition', replicas: ['b', 'late'], text: 'partition' })
  recorder.healed(35)
  return recorder.end('small </title><script>alert(1)</script>', 50, { rule: 'CV-2', text: 'a & b <differ>' })
}

test('[TL-1] a recording becomes lanes, messages with their fates, and times in which a replica is down', () => {
  const story = new Story(smallRun())
  expect(story.lanes, 'a lane that only a fault names is there too').toEqual(['a', 'b', 'late'])
  const messages = story.items.filter(({ type }) => type === 'message')
  expect(messages.map(({ kind }) => kind)).toEqual(['delivered', 'lost', 'unarrived', 'delivered'])
  expect(story.gaps).toEqual([
    { lane: 0, fromMs: 40, toMs: 50 },
    { lane: 1, fromMs: 0, toMs: 1 },
    { lane: 1, fromMs: 20, toMs: 30 },
  ])
  expect(story.shown.length, 'idle traffic is hidden at first').toBe(story.items.length - 1)
})

test('[TL-1] a search finds text, kinds, replicas, and documents by the number that a frame gave them in its direction', () => {
  const story = new Story(smallRun())
  const found = (query: string, document = ''): string[] => {
    Object.assign(story, { query, document })
    story.refresh()
    return [...(story.found ?? [])].map(({ text }) => text)
  }
  expect(story.documents).toEqual(['notes/plan'])
  expect(found('', 'notes/plan')).toEqual(['edits notes/plan', 'entries(rows:[doc 4=notes/plan 7:0-3])', 'entries(rows:[doc 4 7:4-5])'])
  expect(found('LOST')).toEqual(['entries(rows:[doc 4 7:4-5])'])
  expect(found('b → a')).toEqual(['need(doc:4)'])
  expect(found('crash')).toEqual(['dies', 'dies'])
})

test('[TL-1] time keeps its order on the page, folded or not, and every height has its moment', () => {
  const moments = Float64Array.of(0, 1, 1.5, 900, 901, 60_000)
  for (const foldPx of [64, Infinity]) {
    const scale = new TimeScale(moments, TimeScale.fit(moments, 0, 400, foldPx), foldPx)
    expect(scale.heightPx).toBeCloseTo(foldPx === Infinity ? 400 : 320, 0)
    let last = -1
    for (const ms of [0, 0.5, 1, 1.2, 1.5, 300, 900, 900.5, 901, 30_000, 60_000]) {
      expect(scale.y(ms)).toBeGreaterThan(last)
      last = scale.y(ms)
      expect(scale.ms(last)).toBeCloseTo(ms, 6)
    }
  }
  const pieces = [...new TimeScale(moments, 1, 64).pieces(0, 1_000)]
  expect(pieces.filter(({ folded }) => folded).map(({ fromMs }) => fromMs)).toEqual([1.5, 901])
  expect([formatTime(1_234, 1), formatTime(62_346, 10), formatTime(600_000, 1_000)]).toEqual(['1.234 s', '1:02.35', '10:00'])
  expect([formatTime(59_999, 100), formatTime(119_999, 1_000)], 'never 60 seconds').toEqual(['1:00.0', '2:00'])
})

test('[TL-2] the file of a timeline holds the recording as data, its own script by hash, and no other', () => {
  const recording = smallRun()
  const html = timelinePage(recording)
  const scripts = [...html.matchAll(/<script([^>]*)>([\s\S]*?)<\/script>/g)].map(([, attributes, text]) => ({ attributes, text: text! }))
  expect(scripts.map(({ attributes }) => attributes)).toEqual([' type="application/json" id="recording"', ''])
  expect(JSON.parse(scripts[0]!.text)).toEqual(JSON.parse(JSON.stringify(recording)))
  expect(scripts[0]!.text).not.toContain('<')

  const script = scripts[1]!.text
  expect(() => new Script(script)).not.toThrow()
  expect(script).not.toMatch(/\bimport\b|<!--/)
  const policy = /http-equiv="Content-Security-Policy" content="([^"]+)"/.exec(html)![1]!
  expect(policy).toContain(`default-src 'none'`)
  expect(policy).toContain(`'sha256-${createHash('sha256').update(script).digest('base64')}'`)
  expect(policy).not.toContain('unsafe')
  expect(html, 'no address of anything outside').not.toMatch(/https?:|src=|@import|url\(/)
  expect(html).toContain('a &amp; b &lt;differ&gt;')
})
