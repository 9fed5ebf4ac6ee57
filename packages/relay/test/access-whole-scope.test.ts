// Whether an identity may read all of a scope: said only where it is so for every document, and said in the plain cases, since links pay for the doubt with a view of their own.

import { collectionOf, DEFAULT_SPACE, parseDocId, type Scope } from '@syncline/protocol'
import { nodeClock } from '@syncline/replica/ws'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { boundedDoorman } from '../src/access/bounded-doorman.ts'
import { createDoorman } from '../src/access/doorman.ts'
import { parsePolicy } from '../src/access/policy-file.ts'
import { decisionsOf, type Decisions } from '../src/access/policy.ts'

const space: Scope = { kind: 'space' }
const notes: Scope = { kind: 'collection', collection: 'note' }
const ada = { subject: 'ada', roles: [], claims: { team: 'red' }, expiresAtMs: null }

type Json = Record<string, unknown>

/** Decisions for ada, who holds these rules; their space is the default one where none is said. */
function decisions(...rules: readonly Json[]): Decisions {
  const everyone = rules.map((rule) => ({ space: 'default', doc: '**', ...rule }))
  return decisionsOf(parsePolicy(JSON.stringify({ version: 1, roles: { everyone } })), ada)
}

const all = (given: Decisions, scope: Scope): boolean => given.allowsAll!('read', DEFAULT_SPACE, scope)

test('[AC-9] a rule for everything and a rule for a whole collection are known to leave nothing out', () => {
  expect(all(decisions({ allow: 'all', space: '**' }), space)).toBe(true)
  expect(all(decisions({ allow: ['read'], doc: 'note/**' }), notes)).toBe(true)
  expect(all(decisions({ allow: ['read'], doc: ['task/**', 'note/**'] }), space)).toBe(false)
  expect(all(decisions({ allow: ['read'], doc: '*' }), space)).toBe(false)
  expect(all(decisions({ allow: ['write'] }), space)).toBe(false)
  expect(all(decisions({ allow: ['read'], when: { eq: [{ get: 'claims.team' }, 'red'] } }), space)).toBe(true)
  expect(all(decisions({ allow: ['read'], when: { prefix: [{ get: 'doc' }, 'note/'] } }), space)).toBe(false)
})

test('[AC-9] what may be denied anywhere in the scope is doubt; what is denied elsewhere, to others, or on other terms is none', () => {
  const allow = { allow: ['read'] }
  expect(all(decisions(allow, { deny: ['read'], doc: 'note/secret' }), notes)).toBe(false)
  expect(all(decisions(allow, { deny: ['read'], doc: '**/secret' }), notes)).toBe(false)
  expect(all(decisions(allow, { deny: ['read'], doc: 'task/**' }), notes)).toBe(true)
  expect(all(decisions(allow, { deny: ['read'], doc: 'note' }), notes)).toBe(true)
  expect(all(decisions(allow, { deny: ['write'], doc: 'note/**' }), notes)).toBe(true)
  expect(all(decisions(allow, { deny: ['read'], doc: 'note/**', when: { eq: [{ get: 'claims.team' }, 'blue'] } }), notes)).toBe(true)
})

test('[AC-9] whoever is said to read all of a scope may read each document of it', () => {
  const piece = fc.constantFrom('*', '**', 'note', 'note/', '/', 'a', '{subject}/')
  const doc = fc
    .array(piece, { minLength: 1, maxLength: 3 })
    .map((parts) => parts.join(''))
    .filter((text) => !text.includes('***') && !/[^/]\{|\}[^/]/.test(text))
  const when = fc.constantFrom(
    undefined,
    { eq: [{ get: 'subject' }, 'ada'] },
    { prefix: [{ get: 'doc' }, 'note'] },
    { not: { has: 'claims.none' } },
  )
  const rule = fc
    .record({ effect: fc.constantFrom('allow', 'allow', 'deny'), doc, when })
    .map((one) => ({ [one.effect]: ['read'], doc: one.doc, ...(one.when === undefined ? {} : { when: one.when }) }))
  const name = fc.array(fc.constantFrom('note', '/', 'a', 'ada', 'b'), { minLength: 1, maxLength: 4 }).map((parts) => parts.join(''))
  let said = 0
  fc.assert(
    fc.property(fc.array(rule, { maxLength: 4 }), fc.array(name, { maxLength: 20 }), (rules, names) => {
      const given = decisions(...rules)
      for (const scope of [space, notes, { kind: 'collection', collection: '' }] as const) {
        if (!all(given, scope)) continue
        said++
        for (const text of names) {
          if (scope.kind === 'space' || collectionOf(parseDocId(text)) === scope.collection)
            expect(given('read', DEFAULT_SPACE, parseDocId(text)), text).toBe(true)
        }
      }
    }),
    { numRuns: 2_000 },
  )
  expect(said).toBeGreaterThan(100)
})

test('[AC-9] a pass says it while it is good, through the count of connections too, and follows the policy', async () => {
  const reads = (doc: string) => parsePolicy(JSON.stringify({ version: 1, roles: { everyone: [{ allow: ['read'], space: '**', doc }] } }))
  const doorman = createDoorman({ authenticator: () => Promise.resolve(ada), policy: reads('**'), anonymous: false, clock: nodeClock() })
  const pass = await boundedDoorman(doorman, 3).admit({ token: 'ada', door: 'native', space: DEFAULT_SPACE, address: '127.0.0.1' })
  expect([space, notes].map((scope) => pass.mayAll!('read', scope))).toEqual([true, true])
  doorman.setPolicy(reads('note/**'))
  expect([space, notes].map((scope) => pass.mayAll!('read', scope))).toEqual([false, true])
  doorman.revoke(() => true)
  expect(pass.mayAll!('read', notes)).toBe(false)
  doorman.close()
})
