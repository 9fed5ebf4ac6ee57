// `syncline token`: signs a token for trying a relay out, for scripts and for relays that dial others. Whoever serves people signs tokens where they log in. Rules: AC-7.

import { createPrivateKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { SynclineError } from '@syncline/protocol'
import { SignJWT } from 'jose'
import type { Claim } from '../access/access.ts'
import { identityOf } from '../access/identity.ts'
import { secretFromFile } from '../access/jwt-authenticator.ts'
import { command, EXIT, jsonOption } from '../cli-command.ts'
import { facts, printable } from '../terminal.ts'

/** Claims that other options set. */
const OWN_CLAIMS: readonly string[] = ['sub', 'roles', 'iss', 'aud', 'iat', 'exp']
const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 }

export const tokenCommand = command({
  name: 'token',
  summary: 'signs a token that a relay with authentication admits',
  usage: '--secret-file FILE --subject NAME [options]',
  positionals: [0, 0],
  options: {
    'secret-file': { type: 'string', value: 'FILE', help: 'shared secret, 32 bytes or more: signs HS256' },
    'key-file': { type: 'string', value: 'FILE', help: 'private Ed25519 key, PEM (PKCS 8): signs EdDSA' },
    subject: { type: 'string', value: 'NAME', short: 's', help: 'whom the token speaks for' },
    role: { type: 'string', value: 'NAME', short: 'r', multiple: true, help: 'a role' },
    ttl: { type: 'string', value: 'TIME', default: '15m', help: 'how long it is good: 90s, 15m, 8h, 30d' },
    claim: { type: 'string', value: 'NAME=VALUE', multiple: true, help: 'another claim; the value is JSON, or else a text' },
    issuer: { type: 'string', value: 'TEXT', help: 'claim iss' },
    audience: { type: 'string', value: 'TEXT', help: 'claim aud' },
    json: { ...jsonOption, help: 'write one JSON object: token, subject, roles, expiresAtMs' },
  },
  notes: ['A secret is made by: openssl rand -base64 32 > relay.secret', 'The line break at the end of the file is no part of it.'],
  examples: [
    'syncline token --secret-file relay.secret --subject ada --role editor',
    'syncline token --key-file relay.key --subject ci --ttl 1h --claim team=red --claim level=3',
  ],
  async run(values, _, terminal) {
    const signer = signerOf(values['secret-file'], values['key-file'])
    if (values.subject === undefined) throw usage('--subject is missing')
    const issuedS = Math.floor(terminal.clock.wallMs() / 1000)
    const expiresS = issuedS + secondsOf(values.ttl)
    const { subject, roles } = checked(values.subject, values.role)
    const token = new SignJWT({ ...claimsOf(values.claim), ...(roles.length > 0 && { roles: [...roles] }) })
      .setProtectedHeader({ alg: signer.algorithm, typ: 'JWT' })
      .setSubject(subject)
      .setIssuedAt(issuedS)
      .setExpirationTime(expiresS)
    if (values.issuer !== undefined) token.setIssuer(values.issuer)
    if (values.audience !== undefined) token.setAudience(values.audience)
    const text = await token.sign(signer.key)
    const expiresAtMs = expiresS * 1000
    if (values.json) terminal.print(JSON.stringify({ token: text, subject, roles, expiresAtMs }))
    else {
      terminal.print(text)
      terminal.note(
        facts([
          ['subject', printable(subject)],
          ['roles', roles.map(printable).join(', ') || 'none'],
          ['good until', new Date(expiresAtMs).toISOString()],
        ]),
      )
    }
    return EXIT.ok
  },
})

function signerOf(secretFile: string | undefined, keyFile: string | undefined): { algorithm: string; key: Parameters<SignJWT['sign']>[0] } {
  if ((secretFile === undefined) === (keyFile === undefined)) throw usage('give either --secret-file or --key-file')
  if (secretFile !== undefined) return { algorithm: 'HS256', key: secretFromFile(readFileSync(secretFile)) }
  const pem = readFileSync(keyFile!)
  const key = (() => {
    try {
      return createPrivateKey(pem)
    } catch (cause) {
      throw new SynclineError('config-invalid', `${keyFile} is no private key in PEM.`, { cause })
    }
  })()
  if (key.asymmetricKeyType !== 'ed25519')
    throw new SynclineError('config-invalid', `${keyFile} is a key of type ${key.asymmetricKeyType}; tokens are signed with ed25519.`)
  return { algorithm: 'EdDSA', key }
}

/** What no relay would take is not signed. */
function checked(subject: string, roles: readonly string[]): { subject: string; roles: readonly string[] } {
  try {
    identityOf({ subject, roles })
  } catch (error) {
    if (error instanceof SynclineError) throw usage(error.message.split(' [')[0]!.replace(/\.$/, ''))
    throw error
  }
  return { subject, roles: [...new Set(roles)] }
}

function secondsOf(ttl: string): number {
  const [, count = '', unit = ''] = /^([0-9]{1,6})([smhd])$/.exec(ttl) ?? []
  const seconds = Number(count) * (UNITS[unit] ?? 0)
  if (seconds === 0) throw usage(`--ttl takes a time such as 90s, 15m, 8h or 30d, not ${JSON.stringify(ttl)}`)
  return seconds
}

function claimsOf(pairs: readonly string[]): Record<string, Claim> {
  return Object.fromEntries(
    pairs.map((pair): [string, Claim] => {
      const at = pair.indexOf('=')
      const name = pair.slice(0, Math.max(at, 0))
      if (name === '') throw usage(`--claim takes NAME=VALUE, not ${JSON.stringify(pair)}`)
      if (OWN_CLAIMS.includes(name)) throw usage(`the claim ${name} has an option of its own, or is set by the command`)
      return [name, claimValue(pair.slice(at + 1))]
    }),
  )
}

function claimValue(text: string): Claim {
  try {
    return JSON.parse(text) as Claim
  } catch {
    return text
  }
}

function usage(problem: string): SynclineError {
  return new SynclineError('usage', `syncline token: ${problem}.`)
}
