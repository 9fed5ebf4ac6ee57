// npm start as two people use it: the page in two windows of a real browser. Skipped, with a word, where there is no Chromium.

import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium, type Browser, type Page } from 'playwright-core'
import { expect, onTestFinished, test } from 'vitest'
import { repository } from '../integration/program.ts'

const browserPath = process.env['SYNCLINE_CHROMIUM'] ?? '/usr/bin/chromium'
const isThere = existsSync(browserPath)
if (!isThere)
  console.log(`no browser at ${browserPath} (apt-get install chromium, or set SYNCLINE_CHROMIUM): the page of npm start is not tested`)

interface Started {
  readonly process: ChildProcess
  readonly url: string
}

async function start(data: string): Promise<Started> {
  const args = [
    '--conditions=syncline-source',
    join(repository, 'examples/notes/start.ts'),
    '--port',
    '0',
    '--page-port',
    '0',
    '--data',
    data,
  ]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  let output = ''
  for await (const text of child.stdout.setEncoding('utf8')) {
    output += text
    const url = /^notes +(http:\S+)$/m.exec(output)?.[1]
    if (url !== undefined) return { process: child, url }
  }
  throw new Error(`the notes did not start: ${output}`)
}

function launch(): Promise<Browser> {
  // A container has no user namespaces to sandbox with; the only page is ours.
  return chromium.launch({ executablePath: browserPath, args: ['--no-sandbox'] })
}

async function openNote(browser: Browser, url: string, problems: string[]): Promise<Page> {
  const page = await (await browser.newContext()).newPage()
  page.on('pageerror', (error) => problems.push(error.message))
  page.on('console', (message) => message.type() === 'error' && problems.push(message.text()))
  page.on(
    'request',
    (request) =>
      new URL(request.url()).hostname !== '127.0.0.1' && !request.url().startsWith('data:') && problems.push(`asked for ${request.url()}`),
  )
  await page.goto(`${url}/#a note & more`)
  await showsText(page, '#connection', 'Connected')
  return page
}

async function showsText(page: Page, selector: string, text: string): Promise<void> {
  await page.locator(selector, { hasText: text }).first().waitFor()
}

test.skipIf(!isThere)(
  '[YW-1] two browser windows edit one note, see each other, and find it again after a reload',
  { timeout: 90_000 },
  async () => {
    const data = mkdtempSync(join(tmpdir(), 'syncline-notes-'))
    onTestFinished(() => rmSync(data, { recursive: true, force: true, maxRetries: 3 }))
    const { process: notes, url } = await start(data)
    const browser = await launch()
    onTestFinished(() => browser.close())
    const problems: string[] = []
    const [ada, ben] = [await openNote(browser, url, problems), await openNote(browser, url, problems)]

    await ada.locator('#my-name').fill('Ada L.')
    await showsText(ben, '#people', 'Ada L.')
    await ada.locator('.cm-content').click()
    await ada.keyboard.type('Ada writes the first line.')
    await showsText(ben, '.cm-content', 'Ada writes the first line.')
    await showsText(ben, '.cm-ySelectionInfo', 'Ada L.')
    await ben.locator('.cm-content').click()
    await ben.keyboard.press('Control+End')
    await ben.keyboard.press('Enter')
    await ben.keyboard.type('Ben adds 🌱 another.')
    await showsText(ada, '.cm-content', 'Ben adds 🌱 another.')
    await showsText(ada, '#saved', 'Every edit was sent to the relay.')

    await ben.reload()
    await showsText(ben, '.cm-content', 'Ada writes the first line.')
    await showsText(ben, '.cm-content', 'Ben adds 🌱 another.')
    expect(problems).toEqual([])

    // The relay goes away: the page says what is only here, and does not call it saved.
    const ended = once(notes, 'exit')
    notes.kill('SIGTERM')
    expect(await ended).toEqual([0, null])
    await ada.waitForFunction(() => document.querySelector<HTMLElement>('#connection')!.dataset['state'] !== 'connected')
    await ada.keyboard.type(' Offline.')
    await showsText(ada, '#saved', 'in this window only')
  },
)
