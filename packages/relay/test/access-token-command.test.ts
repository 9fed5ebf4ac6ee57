// `syncline token` as a user runs it: its tokens are taken by a relay's authenticator, and what makes no sense is refused in words.

import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { DEFAULT_SPACE } from '@syncline/protocol'
import { nodeClock } from '@syncline/replica/ws'
import type { Credentials } from '../src/access/access.ts'
import { jwtAuthenticator, secretFromFile } from '../src/access/jwt-authenticator.ts'
import { main } from '../src/cli.ts'

const folder = mkdtempSync(join(tmpdir(), 'syncline-token-'))
afterAll(() => rmSync(folder, { recursive: true }))
const secretFile = join(folder, 'relay.secret')
const keyFile = join(folder, 'relay.key')
const secret = 'nothing that anybody would guess at all'
const pair = generateKeyPairSync('ed25519')
writeFileSync(secretFile, `${secret}\n`)
writeFileSync(keyFile, pair.privateKey.export({ format: 'pem', type: 'pkcs8' }))

const clock = nodeClock()

async function token(...args: string[]): Promise<{ code: number; out: string; note: string }> {
  let [out, note] = ['', '']
  const code = await main(['token', ...args], {
    clock,
    print: (text) => void (out += text),
    note: (text) => void (note += text),
    progress: () => undefined,
    progressDone: () => undefined,
    onSignal: () => () => undefined,
  })
  return { code, out, note }
}

function bearing(text: string): Credentials {
  return { token: text, door: 'native', space: DEFAULT_SPACE, address: '127.0.0.1' }
}

test('[AC-7] a token of the command is taken with all that it was given', async () => {
  const { code, out, note } = await token(
    ...['--secret-file', secretFile, '--subject', 'ada', '--role', 'editor', '--role', 'reader', '--ttl', '2h'],
    ...[
      '--claim',
      'level=3',
      '--claim',
      'team=red',
      '--claim',
      'list=["a"]',
      '--claim',
      'odd=a=b',
      '--issuer',
      'here',
      '--audience',
      'notes',
    ],
  )
  expect(code).toBe(0)
  expect(note).toContain('ada')
  expect(note).not.toContain(out)
  const authenticator = await jwtAuthenticator({
    key: { secret: secretFromFile(Buffer.from(`${secret}\n`)) },
    clock,
    issuer: 'here',
    audience: 'notes',
  })
  const identity = await authenticator(bearing(out))
  expect(identity).toMatchObject({
    subject: 'ada',
    roles: ['editor', 'reader'],
    claims: { level: 3, team: 'red', list: ['a'], odd: 'a=b' },
  })
  expect(identity!.expiresAtMs! - clock.wallMs()).toBeGreaterThan(7_190_000)
})

test('[AC-7] a private key signs for its public key, and --json is for machines', async () => {
  const { out } = await token('--key-file', keyFile, '--subject', 'ci', '--json')
  const written = JSON.parse(out) as { token: string; subject: string; roles: string[]; expiresAtMs: number }
  expect(written).toMatchObject({ subject: 'ci', roles: [] })
  const publicKey = pair.publicKey.export({ format: 'pem', type: 'spki' }).toString()
  const authenticator = await jwtAuthenticator({ key: { publicKey, algorithm: 'EdDSA' }, clock, clockToleranceMs: 0 })
  expect(await authenticator(bearing(written.token))).toMatchObject({ subject: 'ci', expiresAtMs: written.expiresAtMs })
})

test('[AC-7] arguments and keys that make no sense end with 2, a file that cannot be read with 1, each in words', async () => {
  const rsa = join(folder, 'rsa.key')
  writeFileSync(rsa, generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'pem', type: 'pkcs8' }))
  const short = join(folder, 'short.secret')
  writeFileSync(short, 'short\n')
  const table: readonly (readonly [readonly string[], number, string])[] = [
    [['--subject', 'ada'], 2, 'either --secret-file or --key-file'],
    [['--subject', 'ada', '--secret-file', secretFile, '--key-file', keyFile], 2, 'either --secret-file or --key-file'],
    [['--secret-file', secretFile], 2, '--subject'],
    [['--secret-file', secretFile, '--subject', ''], 2, 'subject'],
    [['--secret-file', secretFile, '--subject', 'a', '--ttl', 'soon'], 2, '--ttl'],
    [['--secret-file', secretFile, '--subject', 'a', '--ttl', '0m'], 2, '--ttl'],
    [['--secret-file', secretFile, '--subject', 'a', '--claim', 'level'], 2, 'NAME=VALUE'],
    [['--secret-file', secretFile, '--subject', 'a', '--claim', 'exp=1'], 2, 'exp'],
    [['--secret-file', secretFile, '--subject', 'a', '--role', 'a\nb'], 2, 'roles'],
    [['--secret-file', short, '--subject', 'a'], 2, '5 bytes'],
    [['--secret-file', join(folder, 'none'), '--subject', 'a'], 1, 'none'],
    [['--secret-file', keyFile, '--subject', 'a'], 2, 'PEM'],
    [['--key-file', secretFile, '--subject', 'a'], 2, 'no private key'],
    [['--key-file', rsa, '--subject', 'a'], 2, 'rsa'],
  ]
  for (const [args, code, words] of table) {
    const found = await token(...args)
    expect([found.code, found.out], args.join(' ')).toEqual([code, ''])
    expect(found.note, args.join(' ')).toContain(words)
    expect(found.note).not.toContain(secret)
  }
})
