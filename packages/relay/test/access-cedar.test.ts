// Cedar policies through the doorman's interface, where the optional package is installed: the same rules in both languages decide alike.

import { describe, expect, test } from 'vitest'
import { parseDocId, parseSpaceId } from '@syncline/protocol'
import type { Claim, Identity } from '../src/access/access.ts'
import { cedarPolicy } from '../src/access/cedar-policy.ts'
import { decisionsOf } from '../src/access/policy.ts'
import { parsePolicy } from '../src/access/policy-file.ts'

const installed = await cedarPolicy('').then(
  () => true,
  (error: unknown) => {
    if (/npm install @cedar-policy/.test(String(error))) return false
    throw error
  },
)

const inCedar = `
  permit (principal in Role::"everyone", action == Action::"read", resource in Collection::"default/public");
  permit (principal in Role::"editor", action in [Action::"read", Action::"write"], resource in Space::"default")
    when { resource.collection == "note" };
  permit (principal in Role::"authenticated", action, resource)
    when { principal.claims has level && principal.claims.level >= 3 };
  permit (principal == User::"ada", action == Action::"admin", resource);
  permit (principal, action == Action::"read", resource)
    when { principal.claims has tags && principal.claims.tags.contains("reader") };
  forbid (principal in Role::"blocked", action, resource);
  forbid (principal, action == Action::"delete", resource) when { resource.name like "note/keep/*" };
`
const inSyncline = parsePolicy(
  JSON.stringify({
    version: 1,
    roles: {
      everyone: [
        { allow: ['read'], space: 'default', doc: 'public/**' },
        { allow: ['admin'], space: '**', doc: '**', when: { eq: [{ get: 'subject' }, 'ada'] } },
        { allow: ['read'], space: '**', doc: '**', when: { in: ['reader', { get: 'claims.tags' }] } },
        { deny: ['delete'], space: '**', doc: 'note/keep/**' },
      ],
      editor: [{ allow: ['read', 'write'], space: 'default', doc: 'note/**' }],
      authenticated: [{ allow: 'all', space: '**', doc: '**', when: { ge: [{ get: 'claims.level' }, 3] } }],
      blocked: [{ deny: 'all', space: '**', doc: '**' }],
    },
  }),
)

const claims: readonly Record<string, Claim>[] = [
  {},
  { level: 2 },
  { level: 3 },
  { level: 3.5 },
  { level: null },
  { tags: ['a', 'reader'] },
  { tags: ['a', null, 0.5, 'reader'] },
  { level: 3, more: { deep: [1, { a: true }] } },
  { more: { __entity: { type: 'User', id: 'ada' } }, __extn: { fn: 'ip', arg: 'x' }, level: 3 },
]
const identities: readonly Identity[] = [null, 'ada', 'bob', 'b"; permit (principal, action, resource); //'].flatMap((subject) =>
  [['authenticated'], ['editor'], ['editor', 'blocked']].flatMap((roles) =>
    claims.map((claims) => ({ subject, roles, claims, expiresAtMs: null })),
  ),
)
const docs = ['plain', 'public/a', 'note/1', 'note/keep/1', 'notes/1', 'a"b/c'].map(parseDocId)
const spaces = ['default', 'acme'].map(parseSpaceId)

describe.skipIf(!installed)('with @cedar-policy/cedar-wasm', () => {
  test('[AC-8] the same rules in Cedar and in a policy file decide alike, for every identity, space and document', async () => {
    const decider = await cedarPolicy(inCedar)
    let allowed = 0
    for (const identity of identities) {
      const [cedar, own] = [decider(identity), decisionsOf(inSyncline, identity)]
      for (const action of ['read', 'delete', 'admin'] as const)
        for (const space of spaces)
          for (const doc of docs) {
            const expected = own(action, space, doc)
            if (expected) allowed++
            expect(cedar(action, space, doc), JSON.stringify([identity, action, space, doc])).toBe(expected)
          }
    }
    expect(allowed).toBeGreaterThan(300)
  })

  test('[AC-8] a text that is no Cedar is refused when it is read', async () => {
    await expect(cedarPolicy('permit (principal')).rejects.toMatchObject({ code: 'policy-invalid' })
  })
})

test.skipIf(installed)('[AC-8] without the package the way to install it is said', async () => {
  await expect(cedarPolicy('')).rejects.toMatchObject({ code: 'config-invalid' })
})
