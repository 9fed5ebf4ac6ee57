// A relay that is configured by file, environment and flag, in a process of its own: TLS, authentication and policy from files that change while it runs.

import { execFileSync, spawnSync } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { TLSSocket } from 'node:tls'
import { afterEach, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { nodeClock } from '@syncline/replica/ws'
import { spawnCommand, temporaryFolder } from './relay-process.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})
const openssl = spawnSync('openssl', ['version']).status === 0

interface Running {
  readonly url: string
  /** "" without an admin port. */
  readonly adminUrl: string
  /** The next line with this type, from those that came since the last one. */
  readonly told: (type: string) => Promise<Record<string, unknown>>
  readonly end: () => Promise<number | null>
}

async function serveFrom(config: string, args: readonly string[] = []): Promise<Running> {
  const child = spawnCommand(['serve', '--config', config, ...args])
  cleanups.push(() => child.kill('SIGKILL'))
  let stderr = ''
  child.stderr!.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]()
  const told = async (type: string): Promise<Record<string, unknown>> => {
    for (;;) {
      const line = await lines.next()
      if (line.done === true) throw new Error(`the relay ended before it told of ${type}: ${stderr}`)
      const event = JSON.parse(String(line.value)) as Record<string, unknown>
      if (event['type'] === type) return event
    }
  }
  const { url, adminUrl = '' } = await told('ready')
  return {
    url: String(url),
    adminUrl: String(adminUrl),
    told,
    end: () =>
      new Promise((resolve) => {
        child.on('close', resolve)
        child.kill('SIGTERM')
      }),
  }
}

function makeCertificate(folder: string, name: string): void {
  const args = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', `/CN=${name}`]
  const out = ['-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', join(folder, `${name}.key`), '-out', join(folder, `${name}.crt`)]
  execFileSync('openssl', [...args, ...out], { stdio: 'ignore' })
}

/** An HS256 token that is good for five minutes. */
function tokenOf(subject: string, secret: string): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const signed = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ sub: subject, exp: Math.floor(nodeClock().wallMs() / 1000) + 300 })}`
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`
}

/** How the relay answers a y-websocket client with this token, by its first message (0: sync, 2: permission denied), and the certificate it shows. */
async function knock(url: string, ca: Buffer, token: string): Promise<{ readonly first: number; readonly certificate: string }> {
  const ws = new WebSocket(`${url}/room?token=${token}`, { ca })
  cleanups.push(() => ws.terminate())
  let certificate = ''
  ws.on('upgrade', ({ socket }) => (certificate = String((socket as TLSSocket).getPeerCertificate().subject.CN)))
  ws.on('open', () => ws.send(Uint8Array.of(0, 0, 1, 0)))
  return new Promise((resolve, reject) => {
    ws.on('message', (data: Buffer) => resolve({ first: data[0]!, certificate }))
    ws.on('unexpected-response', (_, response) => resolve({ first: response.statusCode ?? 0, certificate }))
    ws.on('error', reject)
  })
}

test.skipIf(!openssl)(
  '[CF-9] certificate, secret and policy come from files, are followed while the relay runs, and a bad one is told and not taken',
  async () => {
    const folder = temporaryFolder()
    cleanups.push(folder.remove)
    const at = (name: string): string => join(folder.path, name)
    for (const name of ['first', 'second']) makeCertificate(folder.path, name)
    const ca = Buffer.concat(['first', 'second'].map((name) => readFileSync(at(`${name}.crt`))))
    const secrets = { old: 'o'.repeat(32), new: 'n'.repeat(32) }
    writeFileSync(at('secret'), `${secrets.old}\n`)
    for (const kind of ['crt', 'key']) writeFileSync(at(`live.${kind}`), readFileSync(at(`first.${kind}`)))
    const allow = (...subjects: readonly string[]): string =>
      JSON.stringify({
        version: 1,
        roles: { known: [{ allow: ['read', 'write', 'create'], space: '**', doc: '**' }] },
        assign: [{ role: 'known', when: { in: [{ get: 'subject' }, subjects] } }],
      })
    writeFileSync(at('policy.json'), allow('ada', 'grace'))
    const config = at('relay.json')
    const settings = {
      port: 0,
      data: 'data',
      tls: { cert: 'live.crt', key: 'live.key' },
      auth: { jwtSecretFile: 'secret' },
      policy: 'policy.json',
      log: { format: 'json' },
    }
    writeFileSync(config, `// of this test\n${JSON.stringify(settings)}`)
    const relay = await serveFrom(config)
    expect(relay.url).toMatch(/^wss:\/\/127\.0\.0\.1:/)
    const old = tokenOf('ada', secrets.old)
    expect(await knock(relay.url, ca, old)).toEqual({ first: 0, certificate: 'first' })
    expect((await knock(relay.url, ca, tokenOf('ada', secrets.new))).first).not.toBe(0)

    for (const kind of ['crt', 'key']) {
      writeFileSync(at('next'), readFileSync(at(`second.${kind}`)))
      renameSync(at('next'), at(`live.${kind}`))
    }
    await relay.told('certificate-renewed')
    expect(await knock(relay.url, ca, old)).toEqual({ first: 0, certificate: 'second' })

    writeFileSync(at('secret'), 'short')
    expect((await relay.told('config-kept'))['meaning']).toMatch(/The shared secret has 5 bytes/)
    expect((await knock(relay.url, ca, old)).first).toBe(0)
    // A good one again.
    writeFileSync(at('secret'), secrets.new)
    const renewed = tokenOf('grace', secrets.new)
    await until(async () => (await knock(relay.url, ca, renewed)).first === 0)
    expect((await knock(relay.url, ca, old)).first).not.toBe(0)

    writeFileSync(at('policy.json'), allow('ada'))
    await until(async () => (await knock(relay.url, ca, renewed)).first !== 0)
    expect((await knock(relay.url, ca, tokenOf('ada', secrets.new))).first).toBe(0)
    writeFileSync(at('policy.json'), '{ "version": 2 }')
    expect((await relay.told('config-kept'))['meaning']).toMatch(/policy\.json cannot be used: version/)
    expect(await relay.end()).toBe(0)
  },
)

test('[CF-9] the admin port of the configuration is told when the relay is ready, and answers there', async () => {
  const folder = temporaryFolder()
  cleanups.push(folder.remove)
  const config = join(folder.path, 'relay.json')
  writeFileSync(config, JSON.stringify({ port: 0, data: 'data', admin: { port: 0 }, log: { format: 'json' } }))
  const relay = await serveFrom(config)
  expect(relay.adminUrl).toMatch(/^http:\/\/127\.0\.0\.1:\d+/)
  for (const path of ['/livez', '/readyz']) expect((await fetch(new URL(path, relay.adminUrl))).status, path).toBe(200)
  expect(await relay.end()).toBe(0)
})

test('[CF-9] a configuration with problems keeps a relay from starting: all of them in words, exit code 2', async () => {
  const folder = temporaryFolder()
  cleanups.push(folder.remove)
  const config = join(folder.path, 'relay.json')
  writeFileSync(config, '{ "prot": 1, "tls": { "cert": "none.pem" } }')
  const child = spawnCommand(['serve', '--config', config, '--port', '0'])
  let stderr = ''
  child.stderr!.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  expect(await new Promise((resolve) => child.on('close', resolve))).toBe(2)
  expect(stderr).toContain('did you mean port?')
  expect(stderr).toContain('[config-invalid]')
})

/** Asks again, each answer after the one before, until it is true: the relay looks at its files twice a second. */
async function until(asked: () => Promise<boolean>): Promise<void> {
  const began = performance.now()
  while (!(await asked())) if (performance.now() - began > 10_000) throw new Error('it did not come true within 10 s')
}
