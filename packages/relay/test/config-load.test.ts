// One configuration out of flags, environment, file and defaults: who wins, what is refused, and in which words.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import { SynclineError } from '@syncline/protocol'
import { readConfigText, withoutComments } from '../src/config/config-file.ts'
import { loadConfig, readConfig, type ConfigInputs, type RelayConfig } from '../src/config/load-config.ts'
import { nearestName } from '../src/config/nearest-name.ts'
import { toRelayOptions } from '../src/config/relay-options-of.ts'
import { flagOf, settingNames, settings, variableOf, type SettingName } from '../src/config/settings.ts'
import { RELAY_LIMITS } from '../src/relay-limits.ts'

const folder = mkdtempSync(join(tmpdir(), 'syncline-config-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
let files = 0

function fileWith(content: unknown): string {
  const path = join(folder, `${files++}.json`)
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content))
  return path
}

function load(flags: ConfigInputs['flags'], environment: ConfigInputs['environment'] = {}): RelayConfig {
  return loadConfig({ flags, environment })
}

function problemsOf(flags: ConfigInputs['flags'], environment: ConfigInputs['environment'] = {}): readonly string[] {
  return readConfig({ flags, environment }).problems
}

const inFile = (content: unknown): readonly string[] => problemsOf({ config: fileWith(content) })

test('[CF-1] a flag comes before a variable, a variable before the file, the file before the default, and each value says where it came from', () => {
  const config = fileWith({ port: 1, host: 'file', data: '/file', durability: 'process' })
  const { values, sources, file } = load({ config, port: '3' }, { SYNCLINE_PORT: '2', SYNCLINE_HOST: 'variable' })
  expect(values).toMatchObject({ port: 3, host: 'variable', data: '/file', durability: 'process', drainMs: RELAY_LIMITS.drainMs })
  expect(sources).toMatchObject({
    port: { from: 'flag', name: '--port' },
    host: { from: 'environment', name: 'SYNCLINE_HOST' },
    data: { from: 'file', name: config, place: expect.stringMatching(/^line 1, column \d+$/) },
    drainMs: { from: 'default' },
  })
  expect(file).toBe(config)
  expect(load({}, { SYNCLINE_CONFIG: config }).values.port).toBe(1)
})

test('[CF-1] every setting has a flag (but secrets), a variable and a place in the file, all different, and the same value comes out of each', () => {
  const samples: Partial<Record<SettingName, string>> = {
    peers: 'ws://a',
    origins: 'https://a',
    trustedProxies: '10.0.0.0/8',
    peerSpaces: 'acme',
    'hooks.events': 'load',
  }
  const names = new Set<string>()
  for (const name of settingNames) {
    const { kind, default: preset, secret } = settings[name]
    const text = samples[name] ?? sampleOf(name)
    const value = kind.list ? [text] : kind.fromText(text)
    expect(kind.accepts(value), name).toBe(true)
    const flag = flagOf(name)
    const variable = variableOf(name)
    expect(variable).toMatch(/^SYNCLINE_[A-Z0-9_]+$/)
    expect(names.has(variable) || (flag !== null && names.has(flag)), name).toBe(false)
    names.add(variable)
    if (flag !== null) names.add(flag)
    expect(flag === null, name).toBe(secret === true)
    if (preset !== undefined) expect(kind.accepts(preset), `default of ${name}`).toBe(true)
    const config = fileWith({ [name]: value })
    const nested = fileWith(name.split('.').reduceRight<unknown>((inner, part) => ({ [part]: inner }), value))
    const ways: ConfigInputs[] = [
      { flags: {}, environment: { [variable]: text } },
      ...(flag === null ? [] : [{ flags: { [flag]: kind.list ? [text] : value === true ? true : text }, environment: {} }]),
      ...(secret === true ? [] : [config, nested].map((path) => ({ flags: { config: path }, environment: {} }))),
    ]
    for (const way of ways) {
      const read = readConfig(way)
      // Alone it may break a rule about pairs; what is refused for itself says what the setting takes.
      expect(
        read.problems.filter((words) => / takes /.test(words) && !/which takes authentication/.test(words)),
        name,
      ).toEqual([])
      if (read.config !== null)
        expect(read.config.values[name], name).toEqual(kind.path && text === value ? expect.stringContaining(text) : value)
    }
  }
})

function sampleOf(name: SettingName): string {
  const { kind } = settings[name]
  const known = ['7', 'true', 'https://a.example', '/sync', '/s/', 'disk', 'EdDSA', 'warn', 'json', 'text']
  return known.find((text) => kind.accepts(kind.fromText(text)))!
}

test('[CF-1] a path in a file is taken from the folder of the file, one in a flag or variable from where the relay was started', () => {
  const config = fileWith({ data: 'store', policy: '/etc/policy.json', 'auth.jwtSecretFile': '../secret' })
  expect(load({ config }).values).toMatchObject({
    data: join(folder, 'store'),
    policy: '/etc/policy.json',
    'auth.jwtSecretFile': join(folder, '..', 'secret'),
  })
  expect(load({ config, data: 'here' }).values.data).toBe('here')
})

test('[CF-1] lists: a flag may be repeated, a variable has commas; an empty variable counts as none', () => {
  expect(load({ peer: ['ws://a', 'wss://b/x'] }).values.peers).toEqual(['ws://a', 'wss://b/x'])
  expect(load({ peer: [] }, { SYNCLINE_PEERS: ' ws://a , wss://b,' }).values.peers).toEqual(['ws://a', 'wss://b'])
  expect(load({ config: fileWith({ port: 9 }) }, { SYNCLINE_PORT: '', SYNCLINE_POLICY: '' }).values).toMatchObject({
    port: 9,
    policy: undefined,
  })
})

const wrong: readonly { readonly what: string; readonly given: unknown; readonly words: RegExp }[] = [
  { what: 'a port as text', given: { port: '4400' }, words: /: port takes a whole number from 0 to 65535, not "4400"\.$/ },
  { what: 'a fraction', given: { port: 1.5 }, words: /not 1\.5\.$/ },
  { what: 'a port out of range', given: { port: 65_536 }, words: /not 65536\.$/ },
  { what: 'yes for true', given: { insecure: 'yes' }, words: /insecure takes true or false, not "yes"/ },
  { what: 'null', given: { host: null }, words: /host takes text, not null/ },
  { what: 'empty text', given: { host: '' }, words: /host takes text, not ""/ },
  { what: 'one peer where a list belongs', given: { peers: 'ws://a' }, words: /peers takes a ws:\/\/ or wss:\/\/ address/ },
  { what: 'a peer that is a page', given: { peers: ['ws://a', 'http://b'] }, words: /not "http:\/\/b"\.$/ },
  { what: 'an origin with a path', given: { origins: ['https://a.example/app'] }, words: /origins takes an origin like/ },
  { what: 'a host name as a proxy', given: { trustedProxies: ['proxy'] }, words: /range like 10\.0\.0\.0\/8, not "proxy"/ },
  { what: 'a prefix without its slash', given: { pathPrefix: 'sync' }, words: /pathPrefix takes a path like \/sync/ },
  { what: 'a prefix with a slash too many', given: { pathPrefix: '/sync/' }, words: /without a slash at its end/ },
  { what: 'an algorithm that needs no key', given: { auth: { jwtAlgorithm: 'none' } }, words: /EdDSA, ES256, RS256 or PS256, not "none"/ },
  { what: 'a limit of nothing', given: { limits: { connectionsMax: 0 } }, words: /limits\.connectionsMax takes a whole number from 1/ },
  { what: 'a time at which timers overflow', given: { limits: { pingEveryMs: 2 ** 31 } }, words: /to 2147483647, not 2147483648/ },
  { what: 'a group that is no object', given: { tls: 'cert.pem' }, words: /tls takes an object, e\.g\. \{ "cert": \.\.\. \}/ },
  { what: 'the same setting nested and dotted', given: { tls: { cert: 'a' }, 'tls.cert': 'b' }, words: /tls\.cert stands there twice/ },
  { what: 'a key given twice', given: '{"port": 1, "port": 2}', words: /this is no JSON: .*port/ },
  { what: 'a list instead of settings', given: [], words: /must hold one object/ },
  { what: 'a name that means something else to JavaScript', given: '{"__proto__": 1}', words: /"__proto__" is no name/ },
  { what: 'no JSON', given: '{"port": 1,}', words: /line 1, column 12: this is no JSON/ },
  { what: 'an empty file', given: '', words: /this is no JSON/ },
]

test.for(wrong)('[CF-2] a value that a setting does not take is refused in words that name it and its place: $what', ({ given, words }) => {
  const problems = inFile(given)
  expect(problems).toHaveLength(1)
  expect(problems[0]).toMatch(words)
  expect(problems[0]).toMatch(/\.json, line 1, column \d+: /)
})

test('[CF-2] a flag and a variable that make no sense are named as they were written', () => {
  expect(problemsOf({ port: 'http' })).toEqual(['--port takes a whole number from 0 to 65535, not "http".'])
  // What Kubernetes sets in every container beside a service that is called syncline.
  expect(problemsOf({}, { SYNCLINE_PORT: 'tcp://10.0.0.1:4400' })).toEqual([
    'SYNCLINE_PORT takes a whole number from 0 to 65535, not "tcp://10.0.0.1:4400".',
  ])
  expect(problemsOf({}, { SYNCLINE_INSECURE: 'yes' })).toEqual(['SYNCLINE_INSECURE takes true or false, not "yes".'])
  expect(problemsOf({ config: join(folder, 'none.json') })).toEqual([expect.stringMatching(/none\.json: the file cannot be read: ENOENT/)])
})

const mistyped: readonly { readonly key: string; readonly meant: string | null }[] = [
  { key: 'prot', meant: 'port' },
  { key: 'Port', meant: 'port' },
  { key: 'peer', meant: 'peers' },
  { key: 'tls-cert', meant: 'tls.cert' },
  { key: 'SYNCLINE_TLS_CERT', meant: 'tls.cert' },
  { key: 'tls.crt', meant: 'tls.cert' },
  { key: 'tsl', meant: 'tls' },
  { key: 'trustedProxys', meant: 'trustedProxies' },
  { key: 'limits.conectionsMax', meant: 'limits.connectionsMax' },
  { key: 'limits.drainMs', meant: 'drainMs' },
  { key: 'colour', meant: null },
  { key: 'toString', meant: null },
]

test.for(mistyped)('[CF-3] an unknown key is refused, with the known name that is near: $key', ({ key, meant }) => {
  const [problem, ...more] = inFile(`{ ${JSON.stringify(key)}: 1 }`)
  expect(more).toEqual([])
  expect(problem).toContain(`line 1, column`)
  expect(problem).toContain(`there is no setting ${JSON.stringify(key)}`)
  expect(problem!.endsWith(meant === null ? '.' : `; did you mean ${meant}?`), problem).toBe(true)
})

test('[CF-3] a variable that is nearly one of ours is remarked on, one of somebody else is not', () => {
  const { remarks, problems } = readConfig({ flags: {}, environment: { SYNCLINE_TLS_CRET: 'a', SYNCLINE_TRACES: 'x', PORT: '1' } })
  expect(problems).toEqual([])
  expect(remarks).toEqual(['There is no setting SYNCLINE_TLS_CRET; did you mean SYNCLINE_TLS_CERT?'])
})

test('[CF-4] every problem is told at once, each with where it came from', () => {
  const config = fileWith('{\n  "durability": "memory",\n  "tsl": {},\n  "admin": { "prot": 1 }\n}')
  const wrongAll = { flags: { config, port: 'x' }, environment: { SYNCLINE_LOG_LEVEL: 'loud' } }
  expect(() => loadConfig(wrongAll)).toThrow(SynclineError)
  const { problems } = readConfig(wrongAll)
  expect(problems).toHaveLength(5)
  for (const start of [
    `${config}, line 3, column`,
    `${config}, line 4, column`,
    '--port takes',
    `${config}, line 2, column`,
    'SYNCLINE_LOG_LEVEL takes',
  ])
    expect(
      problems.filter((words) => words.startsWith(start)),
      start,
    ).toHaveLength(1)
  expect(() => loadConfig(wrongAll)).toThrow(/has 5 problems:[\s\S]*\[config-invalid\]/)
})

const auth = { jwtSecretFile: '/secret' }
const pairs: readonly { readonly what: string; readonly given: Record<string, unknown>; readonly words: RegExp | null }[] = [
  { what: 'certificate without key', given: { 'tls.cert': 'a' }, words: /tls\.cert needs tls\.key/ },
  { what: 'key without certificate', given: { 'tls.key': 'a' }, words: /tls\.key needs tls\.cert/ },
  { what: 'any origin without authentication', given: { origins: ['*'] }, words: /takes authentication/ },
  { what: 'any origin with authentication', given: { origins: ['*'], auth }, words: null },
  { what: 'two ways to know somebody', given: { auth: { ...auth, jwksUrl: 'https://a' } }, words: /exclude each other/ },
  { what: 'a public key without an algorithm', given: { auth: { jwtPublicKeyFile: 'a' } }, words: /needs auth\.jwtAlgorithm/ },
  { what: 'a secret with an algorithm', given: { auth: { ...auth, jwtAlgorithm: 'RS256' } }, words: /a secret means HS256/ },
  { what: 'a policy without authentication', given: { policy: 'a' }, words: /policy needs auth/ },
  { what: 'anonymous without a policy', given: { auth: { ...auth, anonymous: true } }, words: /auth\.anonymous needs policy/ },
  { what: 'anonymous with a policy', given: { auth: { ...auth, anonymous: true }, policy: 'a' }, words: null },
  { what: 'insecure with authentication', given: { auth, insecure: true }, words: /remove one of them/ },
  { what: 'an issuer for a webhook', given: { auth: { webhookUrl: 'https://a', issuer: 'b' } }, words: /it is read from tokens/ },
  {
    what: 'an age of tokens for a webhook',
    given: { auth: { webhookUrl: 'https://a', tokenAgeMsMax: 1 } },
    words: /tokenAgeMsMax needs .*: it is read from tokens/,
  },
  { what: 'a webhook token without a webhook', given: { auth: { ...auth, webhookTokenFile: 'b' } }, words: /needs auth\.webhookUrl/ },
  {
    what: 'http where nothing is asked over it',
    given: { auth: { ...auth, allowHttp: true } },
    words: /needs auth\.jwksUrl or auth\.webhookUrl/,
  },
  { what: 'http to a webhook', given: { auth: { webhookUrl: 'http://login', allowHttp: true } }, words: null },
  { what: 'one port for all and for those who administer', given: { port: 80, admin: { port: 80 } }, words: /the same port/ },
  { what: 'any free port, twice', given: { port: 0, admin: { port: 0 } }, words: null },
  { what: 'spaces without authentication', given: { doors: { spacePrefix: '/s/' } }, words: /anybody could make spaces/ },
  { what: 'spaces with authentication', given: { doors: { spacePrefix: '/s/' }, auth, peerSpaces: ['acme'] }, words: null },
  { what: 'spaces for everybody', given: { doors: { spacePrefix: '/s/' }, insecure: true }, words: null },
  { what: 'peers in a space that is not served', given: { peerSpaces: ['default', 'acme'] }, words: /needs doors\.spacePrefix/ },
  { what: 'hooks without a secret', given: { hooks: { url: 'https://a' } }, words: /hooks\.url needs hooks\.secret/ },
  { what: 'events without an address', given: { hooks: { events: ['load'] } }, words: /needs hooks\.url/ },
  { what: 'hooks', given: { hooks: { url: 'https://a', secretFile: 'a', events: ['load', 'change'] } }, words: null },
]

test.for(pairs)('[CF-5] settings that need or exclude each other: $what', ({ given, words }) => {
  const problems = inFile(given)
  if (words === null) expect(problems).toEqual([])
  else {
    expect(problems).toHaveLength(1)
    expect(problems[0]).toMatch(words)
  }
})

test('[CF-6] a configuration is the options of a relay: nothing given is nothing asked for, and what is given arrives', async () => {
  const none = toRelayOptions(load({}).values, { certificate: null, doorman: null })
  expect(none).toEqual({
    data: './syncline-data',
    host: '127.0.0.1',
    port: 4400,
    durability: 'disk',
    peers: [],
    insecure: false,
    hocuspocusPath: '/',
    ySweet: false,
    peerSpaces: ['default'],
    trustedProxies: [],
    limits: { ...RELAY_LIMITS },
  })
  const certificate = { cert: 'c', key: 'k' }
  const tokenFile = fileWith('first\n')
  const config = fileWith({
    origins: ['https://a.example'],
    doors: { hocuspocusPath: 'off', ySweet: true, spacePrefix: '/s/' },
    peerSpaces: ['acme'],
    auth: { jwtSecretFile: tokenFile },
    pathPrefix: '/sync',
    trustedProxies: ['::1'],
    admin: { port: 9 },
    drainMs: 5,
    limits: { connectionsMax: 7 },
    peerTokenFile: tokenFile,
  })
  const all = toRelayOptions(load({ config }).values, { certificate, doorman: null })
  expect(all).toMatchObject({
    origins: ['https://a.example'],
    hocuspocusPath: null,
    ySweet: true,
    spacePrefix: '/s/',
    peerSpaces: ['acme'],
    pathPrefix: '/sync',
    trustedProxies: ['::1'],
    admin: { port: 9, host: '127.0.0.1' },
    tls: certificate,
    limits: { connectionsMax: 7, drainMs: 5 },
  })
  expect(await all.peerToken!()).toBe('first')
  writeFileSync(tokenFile, 'second')
  expect(await all.peerToken!()).toBe('second')
  writeFileSync(tokenFile, '\n')
  await expect((async () => all.peerToken!())()).rejects.toMatchObject({ code: 'config-invalid' })
  const { peerToken } = toRelayOptions(load({}, { SYNCLINE_PEER_TOKEN: 't' }).values, { certificate: null, doorman: null })
  expect(await peerToken!()).toBe('t')
})

test('[CF-8] a secret is taken from the environment only, and its value stands in no message', () => {
  const [problem] = inFile({ auth: { jwtSecret: 'hunter2' } })
  expect(problem).toMatch(/put it in the environment as SYNCLINE_AUTH_JWT_SECRET, or in a file that auth\.jwtSecretFile names\.$/)
  expect(problem).not.toContain('hunter2')
  expect(flagOf('auth.jwtSecret')).toBeNull()
  expect(load({}, { SYNCLINE_AUTH_JWT_SECRET: 'hunter2' }).values['auth.jwtSecret']).toBe('hunter2')
  expect(JSON.stringify(problemsOf({ port: 'x' }, { SYNCLINE_AUTH_JWT_SECRET: 'hunter2', SYNCLINE_POLICY: 'p' }))).not.toContain('hunter2')
})

test('[CF-1] comments of a file are passed over, in strings they are text, and places stay what they were', () => {
  const text = '{ // first\n  /* a\n b */ "host": "a//b/*c*/", "data": "\\"//x" /**/ }'
  expect(withoutComments(text)).toHaveLength(text.length)
  const { given, problems } = readConfigText(text)
  expect(problems).toEqual([])
  expect([...given].map(([name, { value, place }]) => [name, value, place])).toEqual([
    ['host', 'a//b/*c*/', 'line 3, column 15'],
    ['data', '"//x', 'line 3, column 36'],
  ])
  expect(readConfigText('{ "$schema": "./x.json", "port": 1 }').problems).toEqual([])
})

test('[CF-2] no text makes the reading of a file throw, and comments change nothing of what JSON means', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('{', '}', '"', '\\', '/', '*', '\n', 'a', ':', ',', '[', '1') }), (text) => {
      readConfigText(text)
    }),
  )
  fc.assert(
    fc.property(fc.json(), fc.string(), (json, comment) => {
      const around = `//${comment.replaceAll('\n', '')}\n${json}/*${comment.replaceAll('*/', '')}*/`
      expect(JSON.parse(withoutComments(around))).toEqual(JSON.parse(json))
    }),
  )
})

test('[CF-3] the nearest name is the one with the fewest changes, and none when all are far', () => {
  expect(nearestName('prot', ['host', 'port'])).toBe('port')
  expect(nearestName('x', ['port', 'y'])).toBe('y')
  expect(nearestName('xyz123', ['port', 'host'])).toBeNull()
  expect(nearestName('', [])).toBeNull()
})
