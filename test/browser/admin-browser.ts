// The admin page in a real browser: opens it, and finds what it shows. Skipped, with a word, where there is no Chromium. Read by admin-page.test.ts and admin-spaces.test.ts.

import { existsSync } from 'node:fs'
import { chromium, type Browser, type Locator, type Page } from 'playwright-core'
import { afterAll, beforeAll, expect, onTestFinished } from 'vitest'
import type * as Y from 'yjs'
import { startRelay, storeFolder, type AdminRelay, type Place } from './admin-relay.ts'

const browserPath = process.env['SYNCLINE_CHROMIUM'] ?? '/usr/bin/chromium'
export const isThere: boolean = existsSync(browserPath)
if (!isThere)
  console.log(`no browser at ${browserPath} (apt-get install chromium, or set SYNCLINE_CHROMIUM): the admin page is not tested in one`)

let browser: Browser

/** One browser for all tests of a file. */
export function useBrowser(): void {
  beforeAll(async () => {
    // A container has no user namespaces to sandbox with; the only page is ours.
    if (isThere) browser = await chromium.launch({ executablePath: browserPath, args: ['--no-sandbox'] })
  })
  afterAll(async () => {
    if (isThere) await browser.close()
  })
}

/** A machine that does other things as well may need a while. */
export function eventually<T>(ask: () => Promise<T>): ReturnType<typeof expect.poll<T>> {
  return expect.poll(ask, { timeout: 15_000 })
}

export async function relayHere(options: Partial<Place> = {}): Promise<AdminRelay> {
  const { folder, remove } = storeFolder()
  const relay = await startRelay({ folder, port: 0, ...options })
  onTestFinished(async () => {
    await relay.stop()
    remove()
  })
  return relay
}

export interface Opened {
  readonly page: Page
  /** Errors, dialogs, and requests for anything but the relay. */
  readonly problems: string[]
}

export async function open(url: string, colorScheme: 'light' | 'dark' = 'light'): Promise<Opened> {
  const context = await browser.newContext({ colorScheme, viewport: { width: 1280, height: 800 } })
  onTestFinished(() => context.close())
  const page = await context.newPage()
  const problems: string[] = []
  const { origin } = new URL(url)
  page.on('pageerror', (error) => problems.push(error.message))
  page.on('console', (message) => problems.push(message.text()))
  page.on('dialog', (dialog) => {
    problems.push(dialog.message())
    void dialog.dismiss()
  })
  page.on(
    'request',
    (request) =>
      new URL(request.url()).origin !== origin && !request.url().startsWith('data:') && problems.push(`asked for ${request.url()}`),
  )
  await page.goto(url)
  return { page, problems }
}

export function stateIs(page: Page, word: string): Promise<void> {
  return page.locator('#state').getByText(word, { exact: true }).waitFor()
}

/** The value of one of the figures. */
export function figure(page: Page, name: string): Locator {
  return page.locator('.figures > div', { has: page.getByText(name, { exact: true }) }).locator('dd')
}

export function row(page: Page, table: string, text: string): Locator {
  return page.getByRole('grid', { name: table, exact: true }).getByRole('row').filter({ hasText: text }).first()
}

export async function press(page: Page, ...keys: readonly string[]): Promise<void> {
  for (const key of keys) await page.keyboard.press(key)
}

/** What has the focus, in words. */
function focused(page: Page): Promise<string> {
  return page.evaluate(() => {
    const element = document.activeElement as HTMLElement
    return element.matches('tr')
      ? `row ${element.querySelector('td')!.textContent}`
      : element.id || element.querySelector('.key')!.textContent
  })
}

export async function focusIs(page: Page, what: string): Promise<void> {
  await eventually(() => focused(page)).toBe(what)
}

/** Writes the text of a document. */
export function body(text: string): (doc: Y.Doc) => void {
  return (doc) => doc.getText('body').insert(0, text)
}
