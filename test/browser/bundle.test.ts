// The protocol and the engine import nothing of Node: they are bundled for the browser, and two replicas over memory stores sync in headless Chromium, or in a bare
// JavaScript context where no Chromium is installed. Prints the size.

import { existsSync } from 'node:fs'
import { webcrypto } from 'node:crypto'
import { createContext, runInContext } from 'node:vm'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import { chromium } from 'playwright-core'
import { expect, test } from 'vitest'

const CHROMIUM = process.env['SYNCLINE_CHROMIUM'] ?? '/usr/bin/chromium'
const GZIP_BYTES_MAX = 72_500
const SIZED = `import { Replica } from '@syncline/replica'; import { createMemoryStore } from '@syncline/store/memory'; globalThis.syncline = { Replica, createMemoryStore }`

async function bundle(contents: string, external: string[]): Promise<string> {
  const result = await build({
    stdin: { contents, resolveDir: import.meta.dirname, loader: 'ts' },
    bundle: true,
    minify: true,
    format: external.length > 0 ? 'esm' : 'iife',
    platform: 'browser',
    conditions: ['syncline-source', 'browser'],
    target: 'es2022',
    external,
    write: false,
  })
  return result.outputFiles[0]!.text
}

test('[BR-1] protocol and replica run where there is no Node: two replicas in a page end equal', { timeout: 60_000 }, async () => {
  const code = await bundle(`import './page-replicas.ts'`, [])
  const text = existsSync(CHROMIUM) ? await inChromium(code) : await inBareContext(code)
  expect(text).toMatch(/^(left right |right left )$/)
  const sized = await bundle(SIZED, ['yjs', 'lib0', 'lib0/*', 'y-protocols/*'])
  const gzipBytes = gzipSync(sized, { level: 9 }).length
  console.log(
    `engine, host and memory store without yjs, lib0 and y-protocols: ${kib(sized.length)} minified, ${kib(gzipBytes)} gzip (the design asked for 14 KB: ADR 0008)`,
  )
  expect(gzipBytes, 'grows by decision only: ADR 0008').toBeLessThan(GZIP_BYTES_MAX)
})

function kib(bytes: number): string {
  return `${(bytes / 1024).toFixed(1)} KiB`
}

async function inChromium(code: string): Promise<string> {
  const browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
  try {
    const page = await browser.newPage()
    await page.addScriptTag({ content: code })
    return await page.evaluate<string>('runReplicas()')
  } finally {
    await browser.close()
  }
}

async function inBareContext(code: string): Promise<string> {
  console.log(`no Chromium at ${CHROMIUM}: running in a bare JavaScript context instead`)
  const given = {
    crypto: webcrypto,
    performance,
    setTimeout,
    clearTimeout,
    setInterval,
    clearInterval,
    TextEncoder,
    TextDecoder,
    queueMicrotask,
    console,
  }
  const context = createContext({ ...given })
  runInContext('globalThis.self = globalThis', context)
  runInContext(code, context)
  return (await runInContext('runReplicas()', context)) as string
}
