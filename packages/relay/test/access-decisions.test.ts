// Policies, conditions and patterns: golden vectors as data, and properties over arbitrary policies. A failing property prints its seed and path.

import { describe, expect, test } from 'vitest'
import { DEFAULT_SPACE, parseDocId, parseSpaceId, type DocId } from '@syncline/protocol'
import * as fc from 'fast-check'
import { ACTIONS, type Claim, type Identity } from '../src/access/access.ts'
import { ACCESS_LIMITS } from '../src/access/access-limits.ts'
import { holds, readCondition, type Condition } from '../src/access/condition.ts'
import { matches, readPattern, type Pattern } from '../src/access/pattern.ts'
import { decide, decisionsOf, decisionsReach, EMPTY_POLICY, rolesOf, type Policy, type Rule } from '../src/access/policy.ts'
import { parsePolicy } from '../src/access/policy-file.ts'
import { conditionVectors, faultyConditions, faultyPatterns, patternVectors } from './access-vectors.ts'

function pattern(source: string): Pattern {
  const read = readPattern(source)
  if ('problem' in read) throw new Error(read.problem)
  return read
}

function condition(json: unknown): Condition {
  const read = readCondition(json, 'request')
  if ('problems' in read) throw new Error(JSON.stringify(read.problems))
  return read.condition
}

function person(subject: string | null, roles: readonly string[] = [], claims: Record<string, Claim> = {}): Identity {
  return { subject, roles, claims, expiresAtMs: null }
}

describe('patterns', () => {
  test('[AC-2] patterns match what the table of vectors says', () => {
    for (const [source, text, subject, expected] of patternVectors)
      expect(matches(pattern(source), text, subject), `${source} on ${text} for ${String(subject)}`).toBe(expected)
  })

  test('[AC-2] what has no meaning as a pattern is refused in words', () => {
    for (const source of faultyPatterns) expect(readPattern(source), source.slice(0, 40)).toHaveProperty('problem')
  })

  test('[AC-2] patterns match what a plain backtracking matcher matches', () => {
    const source = fc
      .array(fc.oneof(fc.constantFrom('*', '**', '/', 'a', 'b', '{subject}', '\u{1F600}'), fc.string({ unit: 'grapheme', maxLength: 3 })), {
        minLength: 1,
        maxLength: 8,
      })
      .map((parts) => parts.join(''))
    const text = fc.array(fc.constantFrom('a', 'b', '/', '*', 'ada', '\u{1F600}'), { maxLength: 12 }).map((parts) => parts.join(''))
    let compared = 0
    fc.assert(
      fc.property(source, text, fc.constantFrom(null, 'ada', '', 'a/b', '*', 'a'), (source, text, subject) => {
        const read = readPattern(source)
        if ('problem' in read) return
        compared++
        expect(matches(read, text, subject)).toBe(matchesPlainly(source, text, subject))
      }),
      { numRuns: 15_000 },
    )
    expect(compared).toBeGreaterThan(5_000)
  })

  test('[AC-2] a name made to match slowly costs what any other costs', () => {
    const slow = pattern('*a'.repeat(30) + '*b*')
    const name = 'a'.repeat(512)
    const before = performance.now()
    for (let i = 0; i < 100; i++) expect(matches(slow, name, null)).toBe(false)
    expect(performance.now() - before, '100 matches').toBeLessThan(1_000)
  })
})

/** Tries every length for every wildcard. */
function matchesPlainly(source: string, text: string, subject: string | null): boolean {
  if (source === '') return text === ''
  if (source.startsWith('**')) return lengths(text.length).some((length) => matchesPlainly(source.slice(2), text.slice(length), subject))
  if (source.startsWith('*')) {
    const end = text.includes('/') ? text.indexOf('/') : text.length
    return lengths(end).some((length) => matchesPlainly(source.slice(1), text.slice(length), subject))
  }
  if (source.startsWith('{subject}')) {
    if (subject === null || subject === '' || subject.includes('/')) return false
    return text.startsWith(subject) && matchesPlainly(source.slice('{subject}'.length), text.slice(subject.length), subject)
  }
  return text !== '' && text[0] === source[0] && matchesPlainly(source.slice(1), text.slice(1), subject)
}

function lengths(max: number): number[] {
  return Array.from({ length: max + 1 }, (_, length) => length)
}

describe('conditions', () => {
  const identity = person('ada', ['editor'], {
    team: 'red',
    level: 3,
    half: 0.5,
    nothing: null,
    tags: ['a', 'b', 7],
    org: { name: 'acme', 'a.b': true },
    'https://example.com/team': 'blue',
    prefix: 'note/',
  })
  const facts = {
    identity,
    roles: ['editor', 'everyone', 'authenticated'],
    target: { action: 'write', space: DEFAULT_SPACE, doc: parseDocId('note/42') },
  } as const

  test('[AC-3] conditions hold when the table of vectors says so', () => {
    for (const [json, expected] of conditionVectors) expect(holds(condition(json), facts), JSON.stringify(json)).toBe(expected)
  })

  test('[AC-3] what is no condition is refused with its place in it', () => {
    for (const [json, path] of faultyConditions) {
      const read = readCondition(json, 'request')
      expect(read, JSON.stringify(json).slice(0, 80)).toHaveProperty('problems')
      if ('problems' in read) expect(read.problems[0]!.path).toEqual(path)
    }
  })

  test('[AC-3] where roles are assigned, a condition cannot look at the request', () => {
    for (const name of ['space', 'doc', 'collection', 'action'])
      expect(readCondition({ eq: [{ get: name }, 'x'] }, 'identity')).toHaveProperty('problems')
    const there = condition({ has: 'doc' })
    expect(holds(there, { ...facts, target: null })).toBe(false)
  })

  test('[AC-3] conditions are bounded in nodes and depth, and those at the bound are evaluated', () => {
    const many = (count: number): unknown => ({ in: [{ get: 'subject' }, Array.from({ length: count }, (_, i) => `name ${i}`)] })
    const deep = (depth: number): unknown => (depth === 1 ? { has: 'subject' } : { not: deep(depth - 1) })
    expect(readCondition(many(ACCESS_LIMITS.conditionNodesMax - 2), 'request')).toHaveProperty('problems')
    expect(holds(condition(many(ACCESS_LIMITS.conditionNodesMax - 3)), facts)).toBe(false)
    expect(readCondition(deep(ACCESS_LIMITS.conditionDepthMax + 1), 'request')).toHaveProperty('problems')
    expect(holds(condition(deep(ACCESS_LIMITS.conditionDepthMax)), facts)).toBe(false)
  })

  test('[AC-3] no JSON makes reading a condition throw, and none that is read makes its evaluation throw', () => {
    const arbitrary = fc.oneof(fc.jsonValue(), conditionJson())
    let evaluated = 0
    fc.assert(
      fc.property(arbitrary, fc.dictionary(fc.string(), fc.jsonValue()), (json, claims) => {
        const read = readCondition(json, 'request')
        if ('problems' in read) return
        evaluated++
        const found = holds(read.condition, { ...facts, identity: person('ada', [], claims as Record<string, Claim>) })
        expect(typeof found).toBe('boolean')
      }),
      { numRuns: 2_000 },
    )
    expect(evaluated).toBeGreaterThan(300)
  })
})

/** Conditions as JSON, most of them well-formed. */
function conditionJson(): fc.Arbitrary<unknown> {
  const name = fc.constantFrom('subject', 'roles', 'claims.team', 'claims.org.name', 'space', 'doc', 'collection', 'action')
  const scalar = fc.oneof(fc.constantFrom('ada', 'red', 'note/', 'write', 'default'), fc.integer(), fc.boolean(), fc.constant(null))
  const operand = fc.oneof(
    scalar,
    name.map((get) => ({ get })),
  )
  const pair = fc.tuple(operand, operand)
  return fc.letrec((tie) => ({
    tree: fc.oneof(
      { depthSize: 'small' },
      pair.map((eq) => ({ eq })),
      fc.tuple(operand, fc.array(scalar, { maxLength: 4 })).map((found) => ({ in: found })),
      fc.tuple(name, name).map(([a, b]) => ({ prefix: [{ get: a }, { get: b }] })),
      fc.tuple(fc.constantFrom('lt', 'le', 'gt', 'ge'), name, fc.integer()).map(([op, a, b]) => ({ [op]: [{ get: a }, b] })),
      name.map((has) => ({ has })),
      tie('tree').map((not) => ({ not })),
      fc.tuple(fc.constantFrom('and', 'or'), fc.array(tie('tree'), { minLength: 1, maxLength: 3 })).map(([op, of]) => ({ [op]: of })),
    ),
  })).tree
}

describe('policies', () => {
  const roleNames = ['editor', 'reader', 'everyone', 'authenticated', 'anonymous']
  const docs = ['note/1', 'note/2', 'user/ada/x', 'user/bob/x', 'plain'].map(parseDocId)
  const spaces = ['default', 'acme'].map(parseSpaceId)

  const patterns = fc.array(
    fc.constantFrom('**', '*', 'note/**', 'note/1', 'user/{subject}/**', 'default', 'acme', '{subject}').map(pattern),
    {
      minLength: 1,
      maxLength: 3,
    },
  )
  const rule = (effect: fc.Arbitrary<Rule['effect']>): fc.Arbitrary<Rule> =>
    fc.record({
      effect,
      actions: fc.subarray([...ACTIONS], { minLength: 1 }).map((actions) => new Set(actions)),
      spaces: patterns,
      docs: patterns,
      when: fc.option(conditionJson().map(condition), { freq: 2 }),
    })
  const policies: fc.Arbitrary<Policy> = fc.record({
    roles: fc
      .array(fc.tuple(fc.constantFrom(...roleNames), fc.array(rule(fc.constantFrom('allow', 'allow', 'deny')), { maxLength: 4 })))
      .map((entries) => new Map(entries)),
    assign: fc.array(fc.record({ role: fc.constantFrom('editor', 'reader'), when: aboutIdentity() }), { maxLength: 2 }),
  })
  const identities = fc.record({
    subject: fc.constantFrom(null, 'ada', 'bob', 'acme'),
    roles: fc.subarray(['editor', 'reader', 'anonymous', 'stranger']),
    claims: fc.record({ team: fc.constantFrom('red', 'blue') }),
    expiresAtMs: fc.constant(null),
  })
  const requests = fc.record({ action: fc.constantFrom(...ACTIONS), space: fc.constantFrom(...spaces), doc: fc.constantFrom(...docs) })
  type Request = typeof requests extends fc.Arbitrary<infer R> ? R : never
  const ask = (policy: Policy, identity: Identity, { action, space, doc }: Request): boolean => decide(policy, identity, action, space, doc)

  function withRule(policy: Policy, role: string, added: Rule): Policy {
    return { ...policy, roles: new Map([...policy.roles, [role, [...(policy.roles.get(role) ?? []), added]]]) }
  }

  test('[AC-1] nobody may do anything without a rule that allows it', () => {
    fc.assert(fc.property(identities, requests, (identity, request) => !ask(EMPTY_POLICY, identity, request)))
    fc.assert(
      fc.property(policies, identities, requests, (policy, identity, request) => {
        const denials = new Map([...policy.roles].map(([role, rules]) => [role, rules.filter(({ effect }) => effect === 'deny')]))
        return !ask({ ...policy, roles: denials }, identity, request)
      }),
    )
  })

  test('[AC-1] adding a deny never grants, adding an allow never takes away', () => {
    let allowed = 0
    fc.assert(
      fc.property(
        policies,
        identities,
        requests,
        fc.constantFrom(...roleNames),
        rule(fc.constantFrom('allow', 'deny')),
        (policy, identity, request, role, added) => {
          const before = ask(policy, identity, request)
          const after = ask(withRule(policy, role, added), identity, request)
          if (before) allowed++
          return added.effect === 'deny' ? before || !after : !before || after
        },
      ),
      { numRuns: 2_000 },
    )
    expect(allowed, 'runs that began with a permission').toBeGreaterThan(100)
  })

  test('[AC-1] what a rule of one role denies, no rule of any role allows', () => {
    const everything: Rule = { effect: 'deny', actions: new Set(ACTIONS), spaces: [pattern('**')], docs: [pattern('**')], when: null }
    fc.assert(
      fc.property(
        policies,
        identities,
        requests,
        (policy, identity, request) => !ask(withRule(policy, 'everyone', everything), identity, request),
      ),
      { numRuns: 1_000 },
    )
  })

  test('[AC-1] the order of roles, rules, patterns and assignments has no meaning', () => {
    fc.assert(
      fc.property(policies, identities, requests, (policy, identity, request) => {
        const turned: Policy = {
          roles: new Map(
            [...policy.roles]
              .toReversed()
              .map(([role, rules]) => [
                role,
                rules.toReversed().map((one) => ({ ...one, spaces: one.spaces.toReversed(), docs: one.docs.toReversed() })),
              ]),
          ),
          assign: policy.assign.toReversed(),
        }
        const other = { ...identity, roles: identity.roles.toReversed() }
        return ask(policy, identity, request) === ask(turned, other, request)
      }),
      { numRuns: 700 },
    )
  })

  test('[SP-3] what is out of reach in a space is allowed for none of its documents', () => {
    let [allowed, outOfReach] = [0, 0]
    fc.assert(
      fc.property(policies, identities, requests, (policy, identity, request) => {
        const reached = decisionsReach(decisionsOf(policy, identity), request.action, request.space)
        const may = ask(policy, identity, request)
        if (may) allowed++
        if (!reached) outOfReach++
        return reached || !may
      }),
      { numRuns: 3_000 },
    )
    expect([allowed > 100, outOfReach > 100], 'both answers were met').toEqual([true, true])
  })

  test('[SP-3] a rule for the own tenant, for a folder of nobody, or under a denial of everything reaches no further', () => {
    const reach = (rules: readonly object[], identity: Identity, space: string): boolean => {
      const policy = parsePolicy(JSON.stringify({ version: 1, roles: { everyone: rules } }))
      return decisionsReach(decisionsOf(policy, identity), 'read', parseSpaceId(space))
    }
    const allow = { allow: ['read'], space: '**', doc: '**' }
    const ofAcme = person('ada', [], { tenant: 'acme' })
    const own = { eq: [{ get: 'space' }, { get: 'claims.tenant' }] }
    const red = { prefix: [{ get: 'doc' }, 'red/'] }
    for (const [rules, expected] of [
      [[{ ...allow, when: own }], [true, false]],
      [[{ ...allow, when: { and: [own, red] } }], [true, false]],
      [[{ ...allow, when: { or: [own, red] } }], [true, true]],
      [[{ ...allow, when: { not: own } }], [false, true]],
      [[{ ...allow, space: 'bolt' }], [false, true]],
      [
        [allow, { deny: ['read'], space: 'acme', doc: '**' }],
        [false, true],
      ],
      [
        [allow, { deny: ['read'], space: 'acme', doc: '**', when: red }],
        [true, true],
      ],
      [
        [allow, { deny: ['read'], space: 'acme', doc: 'note/**' }],
        [true, true],
      ],
      [[{ ...allow, allow: ['write'] }], [false, false]],
    ] as const)
      expect([reach(rules, ofAcme, 'acme'), reach(rules, ofAcme, 'bolt')], JSON.stringify(rules)).toEqual(expected)
    const folder = { ...allow, doc: 'user/{subject}/**' }
    expect([reach([folder], ofAcme, 'acme'), reach([folder], person(null), 'acme')]).toEqual([true, false])
    // A decider that says nothing about spaces is asked for the document *.
    const cedarlike = (_: string, space: string, doc: string): boolean => space === 'acme' && doc === '*'
    expect([decisionsReach(cedarlike, 'read', parseSpaceId('acme')), decisionsReach(cedarlike, 'read', parseSpaceId('bolt'))]).toEqual([
      true,
      false,
    ])
  })

  test('[AC-1] roles that say what an identity is are neither claimed nor assigned', () => {
    const assign = [{ role: 'authenticated', when: condition({ has: 'claims.guest' }) }]
    const guest = person(null, ['authenticated', 'everyone', 'editor'], { guest: true })
    expect([...rolesOf({ ...EMPTY_POLICY, assign }, guest)].toSorted()).toEqual(['anonymous', 'editor', 'everyone'])
    expect([...rolesOf(EMPTY_POLICY, person('ada', ['anonymous']))].toSorted()).toEqual(['authenticated', 'everyone'])
  })

  test('[AC-1] a folder by {subject} is for its owner alone, whatever names people have', () => {
    const own: Rule = {
      effect: 'allow',
      actions: new Set(ACTIONS),
      spaces: [pattern('**')],
      docs: [pattern('user/{subject}/**')],
      when: null,
    }
    const policy = withRule(EMPTY_POLICY, 'everyone', own)
    const names = fc.constantFrom('ada', 'ada/x', 'a*', '*', '**', '{subject}', 'bob', 'user', '.', '\u{1F600}')
    fc.assert(
      fc.property(names, names, (one, other) => {
        const doc = `user/${other}/note` as DocId
        expect(decide(policy, person(one), 'read', DEFAULT_SPACE, doc)).toBe(one === other.split('/')[0])
      }),
    )
    expect(decide(policy, person(null), 'read', DEFAULT_SPACE, parseDocId('user//note'))).toBe(false)
  })
})

function aboutIdentity(): fc.Arbitrary<Condition> {
  return fc
    .constantFrom<unknown>(
      { eq: [{ get: 'subject' }, 'ada'] },
      { eq: [{ get: 'claims.team' }, 'red'] },
      { has: 'subject' },
      { in: ['stranger', { get: 'roles' }] },
    )
    .map(condition)
}
