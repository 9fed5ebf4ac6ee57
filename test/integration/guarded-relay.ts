// A relay as it is deployed with authentication: a policy file that is followed, JSON Web Tokens, all doors and the admin port, on a SQLite folder. It runs in the
// process of the test, which can look at its replica without asking through a door. Read by the access tests and the cases of bad tokens.

import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { SignJWT } from 'jose'
import { parseDocId, type SynclineError } from '@syncline/protocol'
import { createDoorman, createRelay, jwtAuthenticator, type PolicyDoorman, type Relay, type RelayOptions } from '@syncline/relay'
import { nodeClock } from '@syncline/replica/ws'
import * as Y from 'yjs'
import type { Authenticator } from '../../packages/relay/src/access/authenticator.ts'
import { parsePolicy, watchPolicyFile } from '../../packages/relay/src/access/policy-file.ts'
import { asGuest, deafPort, EMPTY_STATE_VECTOR } from '../../packages/relay/src/deaf-guest.ts'
import { temporaryFolder } from './relay-process.ts'

const SECRET = 'a secret of these tests, long enough for HS256'
const ISSUER = 'https://issuer.example'
const AUDIENCE = 'the relay of these tests'

export interface TokenOptions {
  readonly roles?: readonly string[]
  /** Default ten minutes; negative: it is over. Whole seconds: the time of a token has no finer steps. */
  readonly expiresInS?: number
  readonly secret?: string
  readonly issuer?: string
  readonly audience?: string
  /** More claims. */
  readonly claims?: Readonly<Record<string, unknown>>
}

const clock = nodeClock()

/** A token that the relay takes, unless an option makes it another one. */
export function tokenFor(subject: string, options: TokenOptions = {}): Promise<string> {
  const { roles = [], expiresInS = 600, secret = SECRET, issuer = ISSUER, audience = AUDIENCE, claims = {} } = options
  return new SignJWT({ roles: [...roles], ...claims })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(subject)
    .setIssuer(issuer)
    .setAudience(audience)
    .setExpirationTime(Math.floor(clock.wallMs() / 1000) + expiresInS)
    .sign(new TextEncoder().encode(secret))
}

/** A document in a path. */
export function encoded(doc: string): string {
  return encodeURIComponent(doc)
}

/** `roles` of a policy file. */
export type Roles = Readonly<Record<string, readonly object[]>>

export interface GuardedRelay {
  readonly relay: Relay
  readonly doorman: PolicyDoorman
  readonly port: number
  /** e.g. http://127.0.0.1:9464 */
  readonly adminUrl: string
  /** Payloads that reached the application's hook, as `document payload`. */
  readonly stateless: string[]
  /** Policy files that were not taken. */
  readonly policyProblems: SynclineError[]
  /** Puts another policy in the place of the file; the relay finds it by itself. */
  writePolicy(roles: Roles | string): void
  /** Takes all rights from a subject in this turn, past the file, until allowAgain(). */
  denyNow(subject: string): void
  allowAgain(): void
  /** Who tokens are asked of. */
  authenticator(): Promise<Authenticator>
  /** Stores an update past all doors. */
  seed(doc: string, update: Uint8Array): Promise<void>
  /** Deletes a document past all doors. */
  remove(doc: string): Promise<unknown>
  has(doc: string): boolean
  /** The text `body` of what is committed. */
  textOf(doc: string): string
  /** A key of the map `fields` of what is committed. */
  fieldOf(doc: string, key: string): unknown
  close(): Promise<void>
}

export async function guardedRelay(roles: Roles, more: Partial<RelayOptions> = {}): Promise<GuardedRelay> {
  const folder = temporaryFolder()
  const policyFile = join(folder.path, 'policy.json')
  const writePolicy = (changed: Roles | string): void => {
    const text = typeof changed === 'string' ? changed : JSON.stringify({ version: 1, roles: changed })
    writeFileSync(`${policyFile}.next`, text)
    renameSync(`${policyFile}.next`, policyFile)
  }
  writePolicy(roles)
  const stateless: string[] = []
  const policyProblems: SynclineError[] = []
  const authenticator = await jwtAuthenticator({ key: { secret: SECRET }, issuer: ISSUER, audience: AUDIENCE, clock, clockToleranceMs: 0 })
  let renew: (...policy: Parameters<PolicyDoorman['setPolicy']>) => void = () => undefined
  const watch = await watchPolicyFile(
    policyFile,
    clock,
    (policy) => renew(policy),
    (error) => policyProblems.push(error),
  )
  const doorman = createDoorman({ authenticator, policy: watch.policy, clock, anonymous: false })
  renew = (policy) => doorman.setPolicy(policy)
  const relay = await createRelay({
    data: join(folder.path, 'data'),
    port: 0,
    durability: 'process',
    doorman,
    ySweet: true,
    admin: { port: 0 },
    hooks: { onStateless: ({ doc, payload }) => void stateless.push(`${doc} ${payload}`) },
    ...more,
  })
  const { replica } = relay
  return {
    relay,
    doorman,
    port: relay.port,
    adminUrl: relay.adminUrl!,
    stateless,
    policyProblems,
    writePolicy,
    denyNow(subject) {
      const shut = { version: 1, roles: { ...roles, shut: [{ deny: 'all', space: '**', doc: '**' }] } }
      const assign = [{ role: 'shut', when: { eq: [{ get: 'subject' }, subject] } }]
      doorman.setPolicy(parsePolicy(JSON.stringify({ ...shut, assign })))
    },
    allowAgain: () => doorman.setPolicy(watch.policy),
    authenticator: () => Promise.resolve(authenticator),
    async seed(doc, update) {
      const guest = replica.attachGuest(parseDocId(doc), deafPort)
      const { kind } = await guest.write(update)
      guest.detach()
      if (kind !== 'committed') throw new Error(`the update for ${doc} was ${kind}`)
    },
    remove: (doc) => replica.deleteDocument(parseDocId(doc)),
    has: (doc) => replica.has(parseDocId(doc)),
    textOf: (doc) => shown(replica, doc).getText('body').toString(),
    fieldOf: (doc, key) => shown(replica, doc).getMap('fields').get(key),
    async close() {
      watch.stop()
      await relay.close()
      doorman.close()
      folder.remove()
    },
  }
}

function shown(replica: Relay['replica'], doc: string): Y.Doc {
  const update = asGuest(replica, parseDocId(doc), (guest) => guest.diff(EMPTY_STATE_VECTOR))
  const copy = new Y.Doc()
  Y.applyUpdate(copy, update)
  return copy
}
