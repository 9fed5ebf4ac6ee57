// Policy files: what is read, what is refused and where, and real files that change under a running watch.

import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { DEFAULT_SPACE, parseDocId, SynclineError } from '@syncline/protocol'
import { nodeClock } from '@syncline/replica/ws'
import * as fc from 'fast-check'
import type { Claim, Identity } from '../src/access/access.ts'
import { ACCESS_LIMITS } from '../src/access/access-limits.ts'
import { createDoorman } from '../src/access/doorman.ts'
import { readJson } from '../src/access/json-places.ts'
import { decide, type Policy } from '../src/access/policy.ts'
import { parsePolicy, readPolicyFile, watchPolicyFile } from '../src/access/policy-file.ts'

let folder = ''
beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), 'syncline-policy-'))))
afterAll(() => rm(folder, { recursive: true }))
const stops: (() => void)[] = []
afterEach(() => {
  for (const stop of stops.splice(0)) stop()
})

function problemOf(text: string): string {
  try {
    parsePolicy(text)
  } catch (error) {
    if (error instanceof SynclineError && error.code === 'policy-invalid') return error.message
    throw error
  }
  return 'none'
}

function rules(...list: unknown[]): string {
  return JSON.stringify({ version: 1, roles: { editor: list } })
}

const anything = { space: '**', doc: '**' }

test('[AC-5] the policy of docs/access.md is read, and decides what the page says', async () => {
  const page = await readFile(new URL('../../../docs/access.md', import.meta.url), 'utf8')
  const [, text = ''] = /```json\n([^]*?)```/.exec(page) ?? []
  const policy = parsePolicy(text)
  const person = (subject: string | null, roles: readonly string[] = [], claims: Record<string, Claim> = {}): Identity => ({
    subject,
    roles,
    claims,
    expiresAtMs: null,
  })
  const may = (identity: Identity, action: 'read' | 'write' | 'delete' | 'admin', doc: string): boolean =>
    decide(policy, identity, action, DEFAULT_SPACE, parseDocId(doc))
  const table: readonly (readonly [Identity, 'read' | 'write' | 'delete' | 'admin', string, boolean])[] = [
    [person(null), 'read', 'public/a', true],
    [person(null), 'write', 'public/a', false],
    [person(null), 'read', 'note/1', false],
    [person('bob'), 'write', 'user/bob/x', true],
    [person('bob'), 'read', 'user/ada/x', false],
    [person('bob', [], { team: 'red' }), 'write', 'team/red/a', true],
    [person('bob', [], { team: 'red' }), 'write', 'team/blue/a', false],
    [person('bob', ['editor']), 'write', 'note/1', true],
    [person('bob', ['editor']), 'delete', 'note/1', false],
    [person('bob', ['editor'], { level: 3 }), 'delete', 'note/1', true],
    [person('bob', ['editor', 'contractor']), 'write', 'note/internal/1', false],
    [person('bob', ['editor', 'contractor']), 'write', 'note/1', true],
    [person('ada'), 'admin', 'user/bob/x', true],
    [person('mallory', ['editor']), 'read', 'public/a', false],
  ]
  for (const [identity, action, doc, expected] of table)
    expect(may(identity, action, doc), `${String(identity.subject)} ${identity.roles.join()} ${action} ${doc}`).toBe(expected)
})

test('[AC-5] what cannot be used is refused with its path and its place in the file', () => {
  const table: readonly (readonly [string, string])[] = [
    ['', 'line 1, column 1: a value is expected, and the text ends'],
    ['{\n  "version": 1,\n}', 'line 3, column 1: a name in double quotes is expected, and "}" stands there'],
    ['{"version": 1, "roles": {}, "roles": {}}', 'line 1, column 29: "roles" is given twice'],
    ['{"version": 1, "roles": {"__proto__": []}}', '"__proto__" is no name'],
    ['[]', 'the policy (line 1, column 1)'],
    ['{"roles": {}}', 'version (line 1, column 1)'],
    ['{"version": 2, "roles": {}}', 'version (line 1, column 13)'],
    ['{"version": 1}', 'roles (line 1, column 1): it is missing'],
    ['{"version": 1, "roles": {}, "rules": []}', '"rules"'],
    ['{"version": 1, "roles": {"": []}}', 'a role has 1 to 128 characters'],
    [rules({ ...anything }), 'roles.editor[0] (line 1, column 33): a rule has either "allow" or "deny"'],
    [rules({ ...anything, allow: 'all', deny: ['read'] }), 'a rule has either "allow" or "deny"'],
    [rules({ ...anything, allow: [] }), 'roles.editor[0].allow'],
    [rules({ ...anything, allow: ['reed'] }), 'roles.editor[0].allow[0]'],
    [rules({ allow: 'all', doc: '**' }), 'roles.editor[0].space (line 1, column 33): it is missing'],
    [rules({ allow: 'all', space: '**' }), 'roles.editor[0].doc (line 1, column 33): it is missing'],
    [rules({ ...anything, allow: 'all', if: {} }), '"if"'],
    [
      rules({ allow: 'all', space: '**', doc: ['a', 'b{x}'] }),
      'roles.editor[0].doc[1] (line 1, column 72): braces stand only in {subject}',
    ],
    [rules({ ...anything, allow: 'all', when: { and: [{ has: 'doc' }, { like: [] }] } }), 'roles.editor[0].when.and[1].like'],
    [
      JSON.stringify({ version: 1, roles: {}, assign: [{ role: 'admin', when: { has: 'subject' } }] }),
      'assign[0].role (line 1, column 43): there is no role "admin"',
    ],
    [JSON.stringify({ version: 1, roles: { a: [] }, assign: [{ role: 'a', when: { has: 'doc' } }] }), 'assign[0].when.has'],
    [
      JSON.stringify({ version: 1, roles: { everyone: [] }, assign: [{ role: 'everyone', when: { has: 'subject' } }] }),
      'given by what an identity is',
    ],
    [rules(...Array.from({ length: ACCESS_LIMITS.rulesMax + 1 }, () => ({ ...anything, allow: ['read'] }))), 'rules, at most 4096'],
    [' '.repeat(ACCESS_LIMITS.policyBytesMax + 1), 'bytes, at most'],
    ['['.repeat(100_000), 'nest at most 64 deep'],
  ]
  for (const [text, words] of table) expect(problemOf(text), text.slice(0, 100)).toContain(words)
  expect(problemOf(rules({ ...anything, allow: ['read'] }))).toBe('none')
  expect(problemOf(`\uFEFF${rules({ ...anything, allow: ['read'] })}`)).toBe('none')
})

test('[AC-5] the reader of JSON takes and refuses the texts that JSON.parse does, with the same values', () => {
  // V8 13.6 (Node 24) gives JSON.parse a wrong key: after {"x\\\\":1} it reads {"x\\"":1} as the key x\\ again. So no key here ends with a backslash.
  const comparable = (text: string): boolean => !text.includes('__proto__') && !text.includes('\\\\"')
  const damaged = fc
    .tuple(fc.json({ maxDepth: 4 }), fc.nat(), fc.constantFrom('', ',', '"', '{', '}', ']', ' ', '0', '\\', '.', '\u0001'))
    .map(([text, at, put]) => {
      const place = at % (text.length + 1)
      return text.slice(0, place) + put + text.slice(place + (at % 2))
    })
  fc.assert(
    fc.property(fc.oneof(fc.json({ stringUnit: 'binary', maxDepth: 4 }), damaged).filter(comparable), (text) => {
      const read = readJson(text, 1_000)
      if ('problem' in read) {
        if (!read.problem.endsWith('is given twice')) expect(() => JSON.parse(text) as unknown).toThrow()
      } else expect(read.value).toEqual(JSON.parse(text))
    }),
    { numRuns: 700 },
  )
})

/** Watches a file, and waits for what it says. */
async function watching(
  path: string,
): Promise<{ readonly first: Policy; readonly said: (Policy | SynclineError)[]; next(): Promise<Policy | SynclineError> }> {
  const said: (Policy | SynclineError)[] = []
  let wake = (): void => undefined
  const say = (what: Policy | SynclineError): void => {
    said.push(what)
    wake()
  }
  const watch = await watchPolicyFile(path, nodeClock(), say, say)
  stops.push(() => watch.stop())
  return {
    first: watch.policy,
    said,
    next() {
      const seen = said.length
      return new Promise((resolve) => (wake = () => resolve(said[seen]!)))
    },
  }
}

test('[AC-5] a changed policy file counts for live passes within 1 s, replaced or written in place', async () => {
  const path = join(folder, 'live.json')
  await writeFile(path, rules({ ...anything, allow: ['read', 'write'] }))
  const clock = nodeClock()
  const watch = await watchPolicyFile(
    path,
    clock,
    (policy) => doorman.setPolicy(policy),
    (error) => expect.fail(error.message),
  )
  const authenticator = (): Promise<Identity> => Promise.resolve({ subject: 'ada', roles: ['editor'], claims: {}, expiresAtMs: null })
  const doorman = createDoorman({ authenticator, policy: watch.policy, clock, anonymous: false })
  stops.push(
    () => watch.stop(),
    () => doorman.close(),
  )
  const pass = await doorman.admit({ token: 't', door: 'native', space: DEFAULT_SPACE, address: '127.0.0.1' })
  const doc = parseDocId('note/1')
  const untilTold = async (change: () => Promise<void>): Promise<number> => {
    const told = new Promise<void>((resolve) => {
      const stop = pass.onChange(() => {
        stop()
        resolve()
      })
    })
    await change()
    const beginMs = clock.now()
    await told
    return clock.now() - beginMs
  }
  expect(pass.may('write', doc)).toBe(true)
  const inPlace = await untilTold(() => writeFile(path, rules({ ...anything, allow: ['read'] })))
  expect([pass.may('write', doc), pass.may('read', doc)]).toEqual([false, true])
  const replaced = await untilTold(async () => {
    await writeFile(`${path}.new`, rules({ ...anything, allow: ['read', 'write'] }))
    await rename(`${path}.new`, path)
  })
  expect(pass.may('write', doc)).toBe(true)
  expect(Math.max(inPlace, replaced), 'ms until the change counted').toBeLessThan(1_000)
})

test('[AC-5] a file that cannot be used keeps the policy before it and is reported once; so does a file that is gone', async () => {
  const path = join(folder, 'broken.json')
  await writeFile(path, rules({ ...anything, allow: ['read'] }))
  const watch = await watching(path)
  expect(watch.first.roles.get('editor')).toHaveLength(1)
  let next = watch.next()
  await writeFile(path, '{"version": 1, ')
  expect(await next).toMatchObject({ code: 'policy-invalid' })
  next = watch.next()
  await rm(path)
  expect(await next).toMatchObject({ code: 'policy-invalid' })
  next = watch.next()
  await writeFile(path, rules({ ...anything, allow: ['read'] }, { ...anything, deny: ['write'] }))
  const policy = await next
  expect('roles' in policy && policy.roles.get('editor')).toHaveLength(2)
  expect(watch.said).toHaveLength(3)
})

test('[AC-5] a change that leaves size and time of the file as they were is taken too', async () => {
  const path = join(folder, 'quick.json')
  await writeFile(path, rules({ ...anything, allow: ['read'] }))
  const watch = await watching(path)
  const next = watch.next()
  // At once: within one step of the file system's time.
  const text = rules({ ...anything, deny: ['read'] })
  await writeFile(path, text.padEnd(rules({ ...anything, allow: ['read'] }).length))
  const policy = await next
  expect('roles' in policy && policy.roles.get('editor')![0]!.effect).toBe('deny')
})

test('[AC-5] a policy file that is not there or cannot be used is refused at the start', async () => {
  const missing = join(folder, 'missing.json')
  await expect(readPolicyFile(missing)).rejects.toMatchObject({ code: 'policy-invalid' })
  await expect(watching(missing)).rejects.toMatchObject({ code: 'policy-invalid' })
  await expect(readPolicyFile(folder)).rejects.toMatchObject({ code: 'policy-invalid' })
})
