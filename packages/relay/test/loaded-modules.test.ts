// What a relay at its defaults loads, in a process of its own: memory that nobody uses is memory that everybody pays for.

import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { MessageChannel, Worker } from 'node:worker_threads'
import { afterAll, beforeAll, expect, test } from 'vitest'

const bin = fileURLToPath(new URL('../bin/syncline.js', import.meta.url))
const writerThread = new URL('../../store/src/sqlite/writer-thread.ts', import.meta.url)

let folder = ''
beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'syncline-modules-'))))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Arguments of Node that write the modules which were loaded to a file when the program ends: addresses, and names of Node's own. */
function telling(file: string): string[] {
  const program = `
    import { writeFileSync } from 'node:fs'
    import { registerHooks } from 'node:module'
    const loaded = []
    registerHooks({ load: (url, context, next) => (loaded.push(url), next(url, context)) })
    process.on('exit', () => writeFileSync(${JSON.stringify(file)}, JSON.stringify([...loaded, ...process.moduleLoadList])))
  `
  return ['--conditions=syncline-source', '--import', `data:text/javascript,${encodeURIComponent(program)}`]
}

async function loadedByRelay(...args: readonly string[]): Promise<readonly string[]> {
  const file = join(folder, 'relay.json')
  const data = join(folder, 'data')
  const child = spawn(process.execPath, [...telling(file), bin, 'serve', '--data', data, '--port', '0', ...args])
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve))
  let said = ''
  child.stderr.on('data', (text: Buffer) => (said += text.toString()))
  child.stdout.on('data', (text: Buffer) => {
    said += text.toString()
    if (said.includes('ready on')) child.kill('SIGTERM')
  })
  expect(await ended, said).toBe(0)
  return JSON.parse(readFileSync(file, 'utf8')) as string[]
}

/** Libraries and parts of the relay, each for something that is off until it is asked for. */
const ON_DEMAND = {
  'tokens and policies': [/\/jose\//, /\/zod\//, /\/access\/(doorman|policy|jwt|webhook|cedar)/, /cedar-wasm/],
  'the admin port': [/\/hono\//, /\/prom-client\//, /\/relay\/src\/metrics\/(?!metric-table)/, /\/admin\/(admin-server|api\.|page\/)/],
  workers: [/\/relay\/src\/workers\//],
  webhooks: [/\/relay\/src\/webhook/],
  'other commands': [/\/importers\//, /\/commands\/(?!serve)/],
  'clients of the web that come with Node': [/internal\/deps\/undici/, /^NativeModule http2$/],
} as const

test('[RS-7] a relay at its defaults loads nothing of what is off: no tokens, no policies, no metrics, no admin port, no workers, no other command', async () => {
  const loaded = await loadedByRelay()
  expect(loaded.filter((url) => url.includes('/relay/src/')).length).toBeGreaterThan(20)
  for (const [what, patterns] of Object.entries(ON_DEMAND))
    for (const pattern of patterns)
      expect(
        loaded.filter((url) => pattern.test(url)),
        what,
      ).toEqual([])
})

test('[RS-7] what is turned on is loaded: the same look finds the admin port', async () => {
  const loaded = await loadedByRelay('--admin-port', '0')
  for (const pattern of ON_DEMAND['the admin port'])
    expect(
      loaded.some((url) => pattern.test(url)),
      String(pattern),
    ).toBe(true)
})

test('[RS-7] the writer thread loads of the protocol what a store needs: no gate, no codec, no lib0 but its hash', async () => {
  const file = join(folder, 'writer.json')
  const { port1, port2 } = new MessageChannel()
  const workerData = { port: port2, answered: new Int32Array(new SharedArrayBuffer(4)) }
  const thread = new Worker(writerThread, { execArgv: telling(file), workerData, transferList: [port2] })
  const ended = new Promise((resolve, reject) => {
    thread.once('exit', resolve)
    thread.once('error', reject)
  })
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
  port1.postMessage({ kind: 'end' })
  await ended
  const loaded = JSON.parse(readFileSync(file, 'utf8')) as string[]
  const own = loaded.filter((url) => url.includes('/protocol/src/')).map((url) => url.slice(url.lastIndexOf('/') + 1))
  expect(own).toContain('stored.ts')
  expect(own.filter((name) => /walker|codec|knowledge|compactor|tree|machine|^index/.test(name))).toEqual([])
  expect(loaded.filter((url) => /\/lib0\//.test(url) && !/\/lib0\/(hash\/sha256(\.node)?|binary)\.js$/.test(url))).toEqual([])
  expect(loaded.filter((url) => /\/yjs\/|\/ws\//.test(url))).toEqual([])
})
