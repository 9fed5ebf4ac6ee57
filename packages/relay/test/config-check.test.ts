// `syncline check-config`, as somebody who deploys meets it: every trouble in words, every value with its source, no secret anywhere.

import { generateKeyPairSync } from 'node:crypto'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, expect, test } from 'vitest'
import { z } from 'zod'
import { nodeClock } from '@syncline/replica/ws'
import { main } from '../src/cli.ts'
import { settingNames, settings } from '../src/config/settings.ts'

const folder = mkdtempSync(join(tmpdir(), 'syncline-check-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const variables: string[] = []
afterEach(() => {
  for (const name of variables.splice(0)) delete process.env[name]
})

let files = 0
function fileWith(content: string, mode = 0o600): string {
  const path = join(folder, `file-${files++}`)
  writeFileSync(path, content)
  chmodSync(path, mode)
  return path
}
const configWith = (content: unknown): string => fileWith(JSON.stringify({ data: join(folder, 'data'), ...(content as object) }))

function setVariable(name: string, value: string): void {
  process.env[name] = value
  variables.push(name)
}

async function check(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const written = { stdout: '', stderr: '' }
  const code = await main(['check-config', ...args], {
    clock: nodeClock(),
    print: (text) => void (written.stdout += `${text}\n`),
    note: (text) => void (written.stderr += `${text}\n`),
    progress: () => undefined,
    progressDone: () => undefined,
    onSignal: () => () => undefined,
  })
  return { code, ...written }
}

const { publicKey, privateKey } = generateKeyPairSync('ed25519')
const publicPem = publicKey.export({ type: 'spki', format: 'pem' }) as string
const privatePem = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
const secret = 'correct horse battery staple, long enough'

test('[CF-7] a good configuration is called good, with exit code 0 and without starting or writing anything', async () => {
  const config = configWith({
    auth: { jwtPublicKeyFile: fileWith(publicPem), jwtAlgorithm: 'EdDSA' },
    host: '0.0.0.0',
    trustedProxies: ['10.0.0.1'],
  })
  expect(await check('--config', config)).toEqual({ code: 0, stdout: '', stderr: 'The configuration is good.\n' })
  expect(await check()).toMatchObject({ code: 0 })
})

/** Without authentication a policy is refused before it is read. */
const withPolicy = (policy: string): unknown => ({ policy, auth: { jwtSecretFile: fileWith(secret) } })

const wrong: readonly { readonly what: string; readonly config: () => unknown; readonly words: RegExp }[] = [
  { what: 'no such file', config: () => withPolicy(join(folder, 'none')), words: /policy: .*none cannot be read: ENOENT/ },
  { what: 'a folder for a file', config: () => withPolicy(folder), words: /policy: .* is no file/ },
  { what: 'a policy that is none', config: () => withPolicy(fileWith('{}')), words: /policy: The policy file .*version/ },
  { what: 'a data folder that is a file', config: () => ({ data: join(fileWith(''), 'deep') }), words: /data: .* is no folder/ },
  {
    what: 'no certificate',
    config: () => ({ tls: { cert: fileWith('x'), key: fileWith(privatePem) } }),
    words: /tls\.cert: .*holds no certificate in PEM/,
  },
  {
    what: 'a private key in place of the public one',
    config: () => ({ auth: { jwtPublicKeyFile: fileWith(privatePem), jwtAlgorithm: 'EdDSA' } }),
    words: /holds a private key: give the relay only the public one/,
  },
  {
    what: 'a key of another kind',
    config: () => ({ auth: { jwtPublicKeyFile: fileWith(publicPem), jwtAlgorithm: 'RS256' } }),
    words: /a key of type ed25519, which does not sign with RS256/,
  },
  { what: 'a short secret', config: () => ({ auth: { jwtSecretFile: fileWith('short') } }), words: /The shared secret has 5 bytes/ },
  { what: 'an empty token', config: () => ({ peerTokenFile: fileWith('\n') }), words: /peerTokenFile: .* is empty/ },
  { what: 'a webhook without TLS', config: () => ({ auth: { webhookUrl: 'http://hook.example/' } }), words: /auth\.webhookUrl: / },
  {
    what: 'everybody without authentication',
    config: () => ({ host: '0.0.0.0' }),
    words: /host: a relay without authentication does not listen on 0\.0\.0\.0/,
  },
]

test.for(wrong)('[CF-7] what would keep a relay from starting is found before, with exit code 3: $what', async ({ config, words }) => {
  const { code, stdout } = await check('--config', configWith(config()))
  expect(stdout).toMatch(words)
  expect(stdout.trim().split('\n')).toHaveLength(1)
  expect(code).toBe(3)
  expect(stdout).not.toContain(' [config-invalid]')
})

test('[CF-7] what is allowed and worth a look is remarked on: a key for everybody to read, a port in the open', async () => {
  const config = configWith({ auth: { jwtSecretFile: fileWith(secret, 0o644) }, host: '0.0.0.0', admin: { port: 9090, host: '0.0.0.0' } })
  const { code, stderr, stdout } = await check('--config', config)
  expect({ code, stdout }).toEqual({ code: 0, stdout: '' })
  expect(stderr).toMatch(/note: .*auth\.jwtSecretFile: .* can be read by every user of this machine/)
  expect(stderr).toMatch(/note: .*host: 0\.0\.0\.0 is reached from other machines without TLS/)
  expect(stderr).toMatch(/note: .*admin\.host: 0\.0\.0\.0: let only those/)
})

test('[CF-7] all problems come at once, and it takes every option of serve', async () => {
  const config = configWith({ tsl: {}, durability: 'memory' })
  const { code, stdout, stderr } = await check('--config', config, '--port', 'x', '--limits-connections-max', '0')
  expect(code).toBe(3)
  expect(stdout.trim().split('\n')).toHaveLength(4)
  expect(stdout).toContain('did you mean tls?')
  expect(stdout).toContain('--limits-connections-max takes')
  expect(stderr).toBe('4 problems\n')
  expect(await check('--prot', '1')).toMatchObject({ code: 2, stderr: expect.stringContaining('--prot') })
})

test('[CF-8] --print shows every value with its source, and no secret, also not one inside an address', async () => {
  setVariable('SYNCLINE_AUTH_JWT_SECRET', secret)
  setVariable('SYNCLINE_DRAIN_MS', '1234')
  const config = configWith({ peers: ['wss://user:hunter2@a.example/x?token=hunter3&b=hunter4', 'wss://b.example/'], port: 4499 })
  const { code, stdout, stderr } = await check('--config', config, '--print', '--log-level', 'warn')
  expect(code).toBe(0)
  for (const hidden of ['hunter', secret]) expect(stdout + stderr).not.toContain(hidden)
  expect(stdout).toMatch(/^auth\.jwtSecret +\(not shown\) +SYNCLINE_AUTH_JWT_SECRET$/m)
  expect(stdout).toMatch(/^drainMs +1234 +SYNCLINE_DRAIN_MS$/m)
  expect(stdout).toMatch(/^log\.level +warn +--log-level$/m)
  expect(stdout).toMatch(/^port +4499 +.*file-\d+$/m)
  expect(stdout).toMatch(/^host +127\.0\.0\.1 +default$/m)
  expect(stdout).toContain('wss://not-shown@a.example/x?token=not-shown&b=not-shown, wss://b.example/')
  const json = JSON.parse((await check('--config', config, '--print', '--json')).stdout) as {
    problems: unknown[]
    settings: { name: string; value: unknown; source: string }[]
  }
  expect(json.problems).toEqual([])
  expect(json.settings).toContainEqual({ name: 'port', value: 4499, source: config })
  expect(JSON.stringify(json)).not.toMatch(/hunter|correct horse/)
})

test('[CF-7] a data folder that is there or can be made is no problem', async () => {
  mkdirSync(join(folder, 'there'))
  for (const data of [join(folder, 'there'), join(folder, 'not', 'yet')])
    expect(await check('--data', data)).toMatchObject({ code: 0, stdout: '' })
})

test('[CF-10] the JSON Schema takes what a file may hold, refuses what it may not, and has every setting but secrets', async () => {
  const { code, stdout } = await check('--schema')
  expect(code).toBe(0)
  const json = JSON.parse(stdout) as {
    properties: Record<string, { properties?: Record<string, { description: string; default?: unknown }> }>
  }
  const schema = z.fromJSONSchema(json)
  const good = [
    {
      $schema: './relay.schema.json',
      port: 0,
      tls: { cert: 'a', key: 'b' },
      peers: ['ws://a'],
      'auth.issuer': 'x',
      limits: { connectionsMax: 5 },
    },
    { doors: { hocuspocusPath: 'off' }, trustedProxies: ['10.0.0.0/8'], origins: ['*'], durability: 'process', insecure: true },
  ]
  for (const one of good) expect(schema.safeParse(one)).toMatchObject({ success: true })
  const bad = [
    { prot: 1 },
    { port: '1' },
    { port: 70_000 },
    { tls: { crt: 'a' } },
    { durability: 'memory' },
    { peerToken: 'x' },
    { peers: 'ws://a' },
    { limits: { connectionsMax: 0 } },
  ]
  for (const one of bad) expect(schema.safeParse(one).success, JSON.stringify(one)).toBe(false)
  for (const name of settingNames) {
    const [first = '', second] = name.split('.')
    const found = second === undefined ? json.properties[first] : json.properties[first]?.properties?.[second]
    expect(found === undefined, name).toBe(settings[name].secret === true)
    if (found !== undefined) expect(found).toMatchObject({ description: expect.stringContaining(settings[name].help) })
  }
})

test.for(['auth.jwksUrl', 'auth.webhookUrl'] as const)(
  '[CF-7] http to another machine is refused for %s, unless it is allowed',
  async (name) => {
    for (const [address, allowHttp, isGood] of [
      ['http://login.example.com/', undefined, false],
      ['http://login.example.com/', true, true],
      ['http://127.0.0.1:9/', undefined, true],
      ['https://login.example.com/', undefined, true],
    ] as const) {
      const auth = { [name.slice('auth.'.length)]: address, ...(allowHttp && { allowHttp }) }
      const { code, stdout } = await check('--config', configWith({ auth }))
      expect(code, address).toBe(isGood ? 0 : 3)
      if (!isGood) expect(stdout).toMatch(/is no https address .*allowHttp/)
    }
  },
)
