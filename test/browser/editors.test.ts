// The editors that people use, through their unmodified bindings, against a relay, in a real browser: two people type in one document at the same time, the relay is
// killed, and a third finds what both see. Skipped, with a word, where there is no Chromium.

import { existsSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { build } from 'esbuild'
import { chromium, type Browser, type Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startRelay, temporaryFolder, type RelayProcess } from '../integration/relay-process.ts'
import type { EditorPage } from './editor-page.ts'

const browserPath = process.env['SYNCLINE_CHROMIUM'] ?? '/usr/bin/chromium'
const isThere = existsSync(browserPath)
if (!isThere)
  console.log(`no browser at ${browserPath} (apt-get install chromium, or set SYNCLINE_CHROMIUM): the editors are not tested in one`)

const HTML = '<!doctype html><meta charset="utf-8"><title>An editor</title><div id="editor"></div><script src="/page.js"></script>'

let browser: Browser
let server: Server
let pageUrl: string
let relay: RelayProcess
const folder = temporaryFolder()
/** Errors of pages. */
const problems: string[] = []

beforeAll(async () => {
  if (!isThere) return
  relay = await startRelay(folder.path)
  const script = await bundle()
  server = createServer((request, response) => {
    const isScript = request.url === '/page.js'
    response.writeHead(200, { 'content-type': isScript ? 'text/javascript; charset=utf-8' : 'text/html; charset=utf-8' })
    response.end(isScript ? script : HTML)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  pageUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  // A container has no user namespaces to sandbox with; the only page is ours.
  browser = await chromium.launch({ executablePath: browserPath, args: ['--no-sandbox'] })
})
afterAll(async () => {
  await browser?.close()
  server?.closeAllConnections()
  server?.close()
  await relay?.end('SIGKILL')
  folder.remove()
})

async function bundle(): Promise<string> {
  const result = await build({
    entryPoints: [`${import.meta.dirname}/editor-page.ts`],
    bundle: true,
    minify: true,
    format: 'iife',
    platform: 'browser',
    target: 'es2022',
    define: { 'process.env.NODE_ENV': '"production"' },
    write: false,
    logLevel: 'silent',
  })
  return result.outputFiles[0]!.text
}

declare const editorPage: EditorPage

/** One person in a window of their own. */
class Person {
  readonly page: Page

  constructor(page: Page) {
    this.page = page
  }

  content(): Promise<string> {
    return this.page.evaluate(() => editorPage.content())
  }

  carets(): Promise<string[]> {
    return this.page.evaluate(() => editorPage.carets().sort())
  }

  /** What is undone next begins here. */
  cutUndo(): Promise<void> {
    return this.page.evaluate(() => editorPage.cutUndo())
  }

  async press(...keys: readonly string[]): Promise<void> {
    for (const key of keys) await this.page.keyboard.press(key)
  }

  type(text: string): Promise<void> {
    return this.page.keyboard.type(text)
  }

  /** In one step. */
  paste(text: string): Promise<void> {
    return this.page.keyboard.insertText(text)
  }

  /** Resolves when the editor holds all of these words. */
  async shows(...words: readonly string[]): Promise<void> {
    await this.page.waitForFunction((all) => all.every((word) => editorPage.content().includes(word)), words)
  }

  /** Resolves when the editor does not hold this word. */
  async showsNo(word: string): Promise<void> {
    await this.page.waitForFunction((one) => !editorPage.content().includes(one), word)
  }
}

async function join(editor: string, user: string): Promise<Person> {
  const context = await browser.newContext()
  const page = await context.newPage()
  page.on('pageerror', (error) => problems.push(`${user}: ${error.message}`))
  await page.goto(`${pageUrl}?${new URLSearchParams({ editor, relay: relay.url, user }).toString()}`)
  await page.locator('[contenteditable=true]').first().click()
  return new Person(page)
}

/** Everybody's editor comes to hold the same, which is returned. */
async function agreed(...people: readonly Person[]): Promise<string> {
  const contents = (): Promise<string[]> => Promise.all(people.map((one) => one.content()))
  await expect.poll(async () => new Set(await contents()).size, { timeout: 20_000 }).toBe(1)
  return people[0]!.content()
}

async function caretsAre(person: Person, ...names: readonly string[]): Promise<void> {
  await expect.poll(() => person.carets(), { timeout: 20_000 }).toEqual(names)
}

/** How an editor holds a bold word. */
const kinds = [
  { editor: 'prosemirror', bold: '{"type":"text","marks":[{"type":"strong"}],"text":"bold"}' },
  { editor: 'tiptap', bold: '{"type":"text","marks":[{"type":"bold"}],"text":"bold"}' },
  { editor: 'quill', bold: '{"attributes":{"bold":true},"insert":"bold"}' },
  { editor: 'codemirror', bold: null },
] as const

/** Who is still there for the second test, and what they saw. */
interface Writers {
  readonly editor: string
  readonly ada: Person
  readonly ben: Person
  readonly content: string
}
const writers: Writers[] = []

test.skipIf(!isThere).each(kinds)(
  '[ED-1] $editor: two people type at the same time, with emoji, formats and undo, and end equal; each sees one caret of the other',
  { timeout: 60_000 },
  async ({ editor, bold }) => {
    const [ada, ben] = await Promise.all([join(editor, 'Ada'), join(editor, 'Ben')])
    await ada.type('Ada begins 🌱. ')
    await ben.shows('Ada begins 🌱.')
    await ben.press('Control+Home')
    await Promise.all([ada.type('Then Ada goes on 🎉, and on.'), ben.type('Ben writes 👩‍👩‍👧 before her. ')])
    await Promise.all([ada, ben].map((one) => one.shows('Then Ada goes on 🎉, and on.', 'Ben writes 👩‍👩‍👧 before her. ')))
    await agreed(ada, ben)

    if (bold !== null) {
      await ada.press('Control+b')
      await ada.type('bold')
      await ada.press('Control+b')
      await Promise.all([ada, ben].map((one) => one.shows(bold)))
    }
    await ben.cutUndo()
    await Promise.all([ada.type(' Ada stays.'), ben.paste('oops 🙈 ')])
    await ada.shows('oops 🙈', 'Ada stays.')
    await ben.press('Control+z')
    await Promise.all([ada, ben].map((one) => one.showsNo('oops')))
    await Promise.all([ada, ben].map((one) => one.shows('Ada stays.', 'Ben writes 👩‍👩‍👧 before her. ')))
    const content = await agreed(ada, ben)
    await Promise.all([caretsAre(ada, 'Ben'), caretsAre(ben, 'Ada')])
    expect(problems).toEqual([])
    writers.push({ editor, ada, ben, content })
  },
)

test.skipIf(!isThere)(
  '[ED-2] after kill -9 of the relay a third person finds in each editor what the two saw, and the two come back by themselves',
  { timeout: 60_000 },
  async () => {
    expect(writers.map(({ editor }) => editor)).toEqual(kinds.map(({ editor }) => editor))
    // Each saw what the other wrote, so all of it is committed.
    await relay.end('SIGKILL')
    relay = await startRelay(folder.path, { port: relay.port })
    await Promise.all(
      writers.map(async ({ editor, ada, ben, content }) => {
        const cas = await join(editor, 'Cas')
        await cas.shows('Ada stays.')
        expect(await cas.content()).toBe(content)
        await Promise.all([ada.type(' Ada is back.'), ben.type('Ben is back. ')])
        await cas.shows('Ada is back.', 'Ben is back.')
        await agreed(ada, ben, cas)
        await caretsAre(cas, 'Ada', 'Ben')
      }),
    )
    expect(problems).toEqual([])
  },
)
