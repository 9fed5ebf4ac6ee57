// The timeline as a person uses it: opened from disk in a real browser. Skipped, with a word, where there is no Chromium. Its file as text is tested in
// packages/testing/test/timeline.test.ts.

import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { chromium, type Browser, type Page } from 'playwright-core'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import type { Recording } from '../../packages/testing/src/timeline/recording.ts'
import { timelinePage } from '../../packages/testing/src/timeline/timeline-page.ts'
import { timelineScript } from '../../packages/testing/src/timeline/timeline-script.ts'
import { bundlePage } from '../../scripts/timeline-script.ts'
import { brokenRun, longRun } from './timeline-recordings.ts'

const browserPath = process.env['SYNCLINE_CHROMIUM'] ?? '/usr/bin/chromium'
const isThere = existsSync(browserPath)
if (!isThere)
  console.log(`no browser at ${browserPath} (apt-get install chromium, or set SYNCLINE_CHROMIUM): the timeline is not tested in one`)

let browser: Browser
beforeAll(async () => {
  // A container has no user namespaces to sandbox with; the only page is ours.
  if (isThere) browser = await chromium.launch({ executablePath: browserPath, args: ['--no-sandbox'] })
})
afterAll(async () => {
  if (isThere) await browser.close()
})

interface Opened {
  readonly page: Page
  /** Errors, and requests for anything but the file. */
  readonly problems: string[]
}

async function open(recording: Recording, colorScheme: 'light' | 'dark' = 'light'): Promise<Opened> {
  const folder = mkdtempSync(join(tmpdir(), 'syncline-timeline-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }))
  const file = join(folder, 'timeline.html')
  writeFileSync(file, timelinePage(recording))
  const context = await browser.newContext({ colorScheme, viewport: { width: 1280, height: 800 } })
  onTestFinished(() => context.close())
  const page = await context.newPage()
  const url = pathToFileURL(file).href
  const problems: string[] = []
  page.on('pageerror', (error) => problems.push(error.message))
  page.on('console', (message) => problems.push(message.text()))
  page.on('dialog', (dialog) => {
    problems.push(dialog.message())
    void dialog.dismiss()
  })
  page.on(
    'request',
    (request) => request.url() !== url && !request.url().startsWith('data:') && problems.push(`asked for ${request.url()}`),
  )
  await page.goto(url)
  await page.locator('#chart[data-arrows]').waitFor()
  return { page, problems }
}

type Counts = Readonly<Record<'marks' | 'arrows' | 'crosses' | 'bands', number>>

/** What the frame after this one shows. */
function drawn(page: Page): Promise<Counts> {
  return page.evaluate(async () => {
    for (let frame = 0; frame < 3; frame++) await new Promise((resolve) => requestAnimationFrame(resolve))
    const chart = document.querySelector<HTMLElement>('#chart')!
    return Object.fromEntries(Object.entries(chart.dataset).map(([name, count]) => [name, Number(count)])) as unknown as Counts
  })
}

async function status(page: Page): Promise<string> {
  await drawn(page)
  return page.getByRole('status').innerText()
}

function scrollTop(page: Page): Promise<number> {
  return page.evaluate(() => document.querySelector('#scroller')!.scrollTop)
}

async function press(page: Page, ...keys: readonly string[]): Promise<void> {
  for (const key of keys) await page.keyboard.press(key)
}

/** How many pixels of the chart have one of the colours of the page. */
function pixels(page: Page, name: string): Promise<number> {
  return page.evaluate((name) => {
    const colour = getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim()
    const [red, green, blue] = [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16))
    const chart = document.querySelector<HTMLCanvasElement>('#chart')!
    const copy = new OffscreenCanvas(chart.width, chart.height).getContext('2d', { willReadFrequently: true })!
    copy.drawImage(chart, 0, 0)
    const { data } = copy.getImageData(0, 0, chart.width, chart.height)
    let count = 0
    for (let at = 0; at < data.length; at += 4) if (data[at] === red && data[at + 1] === green && data[at + 2] === blue) count++
    return count
  }, name)
}

test('[TL-2] the script in a timeline is what its source says', async () => {
  expect(timelineScript === (await bundlePage()), 'write it anew: pnpm exec node scripts/timeline-script.ts').toBe(true)
})

test.skipIf(!isThere)(
  '[TL-1] a timeline shows every replica, message, point and fault, and the violation',
  { timeout: 60_000 },
  async () => {
    const recording = brokenRun()
    const { page, problems } = await open(recording)
    const busy = recording.messages.filter(({ idle }) => !idle)

    // At first: the end, with what broke.
    expect(await page.getByRole('region', { name: 'Violation' }).innerText()).toContain('cleo lacks 1042:42-45 of notes/plan')
    expect(await pixels(page, 'violation')).toBeGreaterThan(1_000)
    const first = await drawn(page)
    expect(first.arrows).toBeGreaterThan(10)
    expect(first.arrows).toBeLessThan(100)

    await press(page, '0')
    expect(await page.getByRole('list', { name: 'Replicas' }).getByRole('listitem').allInnerTexts()).toEqual(recording.replicas)
    const whole = {
      marks: recording.points.length,
      arrows: busy.length,
      crosses: busy.filter(({ arrivedMs }) => arrivedMs === null).length,
      bands: 4,
    }
    expect(await drawn(page)).toEqual(whole)
    for (const colour of ['lost', 'stalled', 'crash', 'healed']) expect(await pixels(page, colour), colour).toBeGreaterThan(20)

    // Idle traffic only when asked for; kinds can be switched off.
    await press(page, 'i')
    await press(page, '0')
    expect((await drawn(page)).arrows).toBe(recording.messages.length)
    await press(page, 'i')
    await page.getByRole('button', { name: /^commit/ }).click()
    await page.getByRole('button', { name: /^lost/ }).click()
    await page.getByRole('button', { name: /^partition/ }).click()
    await press(page, '0')
    const commits = recording.points.filter(({ kind }) => kind === 'commit').length
    const lost = busy.filter(({ fate }) => fate === 'lost').length
    expect(await drawn(page)).toEqual({
      marks: whole.marks - commits,
      arrows: whole.arrows - lost,
      crosses: whole.crosses - lost,
      bands: 3,
    })
    await page.getByRole('button', { name: /^delivered/ }).click()
    await drawn(page)
    expect(await pixels(page, 'down'), 'the time in which ben is down').toBeGreaterThan(20)
    expect(problems).toEqual([])
  },
)

test.skipIf(!isThere)(
  '[TL-1] whoever has no mouse reads and searches a timeline too, in the dark as well',
  { timeout: 60_000 },
  async () => {
    const { page, problems } = await open(brokenRun(), 'dark')
    expect(await page.evaluate(() => getComputedStyle(document.body).backgroundColor)).toBe('rgb(21, 24, 29)')
    const detail = page.locator('#detail')

    // Walking from the top: the starts, one by one, and back.
    await press(page, '0', 'Home', 'n')
    await detail.getByText('start · hub').waitFor()
    await press(page, 'n', 'n', 'p')
    await detail.getByText('start · ada').waitFor()
    expect(await page.locator('#around [aria-current]').innerText()).toContain('starts as 4f0c1a21')
    await press(page, 'm')
    await detail.getByText('hello(replica:4f0c1a21').waitFor()
    await press(page, 'Escape')
    await detail.getByText('Nothing is chosen').waitFor()

    // Zooming and panning.
    const flat = (await drawn(page)).arrows
    await press(page, '+', '+', '+', '+', '+')
    expect((await drawn(page)).arrows).toBeLessThan(flat / 2)
    await press(page, 'End')
    const end = await scrollTop(page)
    await press(page, 'ArrowUp', 'PageUp')
    expect(await scrollTop(page)).toBeLessThan(end - 200)
    // A person meets a gap of half a minute: folded, and as long as it was once asked for.
    const height = (): Promise<number> => page.evaluate(() => document.querySelector('#scroller')!.scrollHeight)
    const folded = await height()
    await press(page, 'c')
    expect(await height()).toBeGreaterThan(2 * folded)
    await press(page, 'c')
    expect(await height()).toBe(folded)

    // Searching: the keys go into the field, Enter goes on; documents are found by the number that frames give them.
    await press(page, '/')
    await page.keyboard.type('in')
    await page.keyboard.type('g')
    expect(await status(page)).toContain('0 matches')
    await page.locator('#search').fill('dies quietly')
    await press(page, 'Enter')
    await detail.getByText('crash · ben').waitFor()
    expect(await status(page)).toContain('1 match')
    await page.locator('#search').fill('')
    await page.getByLabel('Document').selectOption('notes/diary')
    const matches = Number(/(\d+) matches/.exec(await status(page))![1])
    expect(matches).toBeGreaterThan(60)
    await page.getByLabel('only matches').check()
    await page.locator('#scroller').focus()
    await press(page, '0')
    const shown = await drawn(page)
    expect(shown.marks + shown.arrows).toBe(matches)

    await press(page, '?')
    await page.getByRole('dialog', { name: 'Keys' }).waitFor()
    await press(page, 'Enter')
    await page.getByRole('dialog').waitFor({ state: 'hidden' })
    expect(problems).toEqual([])
  },
)

test.skipIf(!isThere)('[TL-1] what lies under the pointer is told, and a click chooses it', { timeout: 60_000 }, async () => {
  const { page, problems } = await open(brokenRun())
  await press(page, '0', '+', '+', '+', '+', '+', 'Home')
  await drawn(page)
  const box = (await page.locator('#scroller').boundingBox())!
  const lane = (await page.getByRole('listitem').first().boundingBox())!
  await page.mouse.move(lane.x + 12, box.y + 22)
  await page.getByRole('tooltip').getByText('starts as 4f0c0a21').waitFor()
  await page.mouse.click(lane.x + 12, box.y + 22)
  await page.locator('#detail').getByText('start · hub').waitFor()
  await page.locator('#around button').nth(3).click()
  await page.locator('#detail').getByText('start · cleo').waitFor()
  // The overview: its lower end is the end of the run.
  const strip = (await page.locator('#overview').boundingBox())!
  await page.mouse.click(strip.x + strip.width / 2, strip.y + strip.height - 2)
  expect(await scrollTop(page)).toBeGreaterThan(100)
  expect(problems).toEqual([])
})

test.skipIf(!isThere)('[TL-2] a timeline runs no foreign text and asks the network for nothing', { timeout: 60_000 }, async () => {
  const evil = `</script><script>alert(1)</script><img src=x onerror="alert(2)"><!--<script>'"\`\${alert(3)}&lt;b&gt;`
  const named = { replica: evil, from: evil, to: 'b' }
  const { page, problems } = await open({
    title: evil,
    replicas: [evil, 'b'],
    points: [{ atMs: 1, replica: evil, kind: 'edit', text: `edits ${evil}` }],
    messages: [{ from: named.from, to: named.to, sentMs: 2, arrivedMs: 3, fate: evil, text: `entries(doc:1=${evil})`, idle: false }],
    bands: [{ fromMs: 0, toMs: 4, kind: evil, replicas: [evil], text: evil }],
    healedMs: null,
    endMs: 5,
    violation: { rule: evil, text: evil },
  })
  for (const heading of [page.locator('h1').first(), page.locator('#violation strong'), page.locator('#violation p')]) {
    expect(await heading.innerText()).toBe(evil)
  }
  expect(await page.title()).toBe(evil)
  expect(await page.getByRole('list', { name: 'Replicas' }).getByRole('listitem').first().textContent()).toBe(evil)
  await press(page, '0', 'Home', 'n', 'n')
  expect(await page.locator('#detail pre').textContent()).toBe(`edits ${evil}`)
  await press(page, 'm')
  expect(await page.locator('#detail pre').textContent()).toBe(`entries(doc:1=${evil})`)
  await page.mouse.move(300, 400)
  expect(await page.locator('img, script:not(#recording)').count()).toBe(1)
  expect(problems).toEqual([])

  // And if something did run: the policy of the page leaves it nothing to reach.
  let asked = 0
  const server = createServer((_, response) => response.end(String(++asked)))
  onTestFinished(() => void server.close())
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  const reached = await page.evaluate(async (address) => {
    const image = new Image()
    const loaded = new Promise((resolve) => {
      image.addEventListener('error', () => resolve(false))
      image.addEventListener('load', () => resolve(true))
    })
    image.src = `${address}pixel`
    const element = document.createElement('script')
    element.textContent = 'globalThis.didRun = true'
    document.body.append(element)
    const fetched = await fetch(address).then(
      () => true,
      () => false,
    )
    return { loaded: await loaded, fetched, ran: 'didRun' in globalThis }
  }, address)
  expect(reached).toEqual({ loaded: false, fetched: false, ran: false })
  expect(asked).toBe(0)
})

test.skipIf(!isThere)('[TL-3] a timeline of 20,000 messages opens and moves in bounded time', { timeout: 120_000 }, async () => {
  const openedAt = performance.now()
  const { page, problems } = await open(longRun(20_000))
  const openMs = performance.now() - openedAt
  await press(page, '0')
  expect((await drawn(page)).arrows).toBe(20_000)
  const frameMs = await page.evaluate(async () => {
    const scroller = document.querySelector('#scroller')!
    for (let press = 0; press < 8; press++) document.dispatchEvent(new KeyboardEvent('keydown', { key: '+' }))
    const startedAt = performance.now()
    for (let frame = 0; frame < 40; frame++) {
      scroller.scrollTop += 60
      await new Promise((resolve) => requestAnimationFrame(resolve))
    }
    return (performance.now() - startedAt) / 40
  })
  await page.locator('#search').fill('notes/plan')
  expect(await status(page)).toContain('matches')
  console.log(`20,000 messages: open in ${openMs.toFixed(0)} ms, ${frameMs.toFixed(1)} ms a frame while scrolling`)
  expect(openMs).toBeLessThan(20_000)
  expect(frameMs).toBeLessThan(250)
  expect(problems).toEqual([])
})
