// Policies written in Cedar, in place of a policy file: the doorman asks them through the same interface, and remembers their answers. The evaluator is the optional
// package @cedar-policy/cedar-wasm; it decides without a clock, so relays with the same text decide alike. Read by programs that embed a relay. Rules: AC-8.
//
//   principal  User::"ada", or Anonymous::"anonymous"; in Role::"editor" for each role, and in Role::"everyone" and Role::"authenticated" or Role::"anonymous".
//              principal.claims holds the claims, as far as Cedar has such values: no null, no fractions.
//   action     Action::"read" and its siblings
//   resource   Document::"default/note/1" with space, name and collection; in Space::"default" and, unless it is bare, in Collection::"default/note"

import { createHash } from 'node:crypto'
import { collectionOf, SynclineError } from '@syncline/protocol'
import type { Claim, Identity } from './access.ts'
import { EMPTY_POLICY, rolesOf, type Decider } from './policy.ts'

interface Uid {
  readonly type: string
  readonly id: string
}

type CedarValue = string | number | boolean | readonly CedarValue[] | { readonly [name: string]: CedarValue }

interface Entity {
  readonly uid: Uid
  readonly attrs: Readonly<Record<string, CedarValue>>
  readonly parents: readonly Uid[]
}

type Failure = { readonly type: 'failure'; readonly errors: readonly { readonly message: string }[] }

/** What is used of the package. */
interface Cedar {
  preparsePolicySet(name: string, policies: { readonly staticPolicies: string }): { readonly type: 'success' } | Failure
  statefulIsAuthorized(call: {
    readonly principal: Uid
    readonly action: Uid
    readonly resource: Uid
    readonly context: Readonly<Record<string, CedarValue>>
    readonly preparsedPolicySetId: string
    readonly entities: readonly Entity[]
  }): { readonly type: 'success'; readonly response: { readonly decision: 'allow' | 'deny' } } | Failure
}

/** Reads Cedar policies for createDoorman({ policy }) and setPolicy. Rejects with "policy-invalid" for a text that is none, and "config-invalid" without the package.
 *  What cannot be evaluated is denied. As Cedar has it, a `forbid` whose condition fails to evaluate forbids nothing: ask `principal.claims has x` first.
 *  Cost: some 0.3 ms for each decision that is not remembered; a policy set stays in memory until the process ends. */
export async function cedarPolicy(text: string): Promise<Decider> {
  const cedar = await loadCedar()
  const name = createHash('sha256').update(text).digest('hex')
  const read = cedar.preparsePolicySet(name, { staticPolicies: text })
  if (read.type === 'failure')
    throw new SynclineError('policy-invalid', `The Cedar policies cannot be used: ${read.errors.map(({ message }) => message).join('; ')}.`)
  return (identity) => {
    const principal = principalOf(identity)
    return (action, space, doc) => {
      const resource = resourceOf(space, doc, collectionOf(doc))
      const answer = cedar.statefulIsAuthorized({
        principal: principal.uid,
        action: { type: 'Action', id: action },
        resource: resource.uid,
        context: {},
        preparsedPolicySetId: name,
        entities: [principal, resource],
      })
      return answer.type === 'success' && answer.response.decision === 'allow'
    }
  }
}

async function loadCedar(): Promise<Cedar> {
  const name: string = '@cedar-policy/cedar-wasm/nodejs'
  try {
    return (await import(name)) as Cedar
  } catch (cause) {
    throw new SynclineError('config-invalid', 'Cedar policies need a package: npm install @cedar-policy/cedar-wasm', { cause })
  }
}

function principalOf(identity: Identity): Entity {
  const uid = identity.subject === null ? { type: 'Anonymous', id: 'anonymous' } : { type: 'User', id: identity.subject }
  const parents = rolesOf(EMPTY_POLICY, identity).map((id) => ({ type: 'Role', id }))
  return { uid, attrs: { claims: cedarValue(identity.claims) ?? {} }, parents }
}

function resourceOf(space: string, name: string, collection: string): Entity {
  const parents = [{ type: 'Space', id: space }]
  if (collection !== '') parents.push({ type: 'Collection', id: `${space}/${collection}` })
  return { uid: { type: 'Document', id: `${space}/${name}` }, attrs: { space, name, collection }, parents }
}

/** Undefined for what Cedar has no value for. Names that begin with two underscores would let a token pose as an entity or a function of Cedar: left out. */
function cedarValue(claim: Claim): CedarValue | undefined {
  if (claim === null || (typeof claim === 'number' && !Number.isSafeInteger(claim))) return undefined
  if (typeof claim !== 'object') return claim
  if (Array.isArray(claim)) return (claim as readonly Claim[]).map(cedarValue).filter((item) => item !== undefined)
  const entries = Object.entries(claim)
    .filter(([name]) => !name.startsWith('__'))
    .map(([name, value]): [string, CedarValue | undefined] => [name, cedarValue(value)])
  return Object.fromEntries(entries.filter((entry): entry is [string, CedarValue] => entry[1] !== undefined))
}
