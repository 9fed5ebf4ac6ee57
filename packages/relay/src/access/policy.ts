// Who may do what: roles hold rules, rules allow or deny actions on patterns of spaces and documents under conditions. Nothing is allowed by default, and what
// one rule denies no other allows. Pure and deterministic: the same policy, identity and request give the same answer on every relay; the order of rules has no
// meaning. Read from a file by policy-file.ts, asked by doorman.ts. Rules: AC-1.

import { parseDocId, type DocId, type Scope, type SpaceId } from '@syncline/protocol'
import type { Action, Identity } from './access.ts'
import { holds, truthInSpace, type Condition, type Facts } from './condition.ts'
import { canMatch, coversAll, matches, mayTouch, type Pattern } from './pattern.ts'

export interface Rule {
  readonly effect: 'allow' | 'deny'
  readonly actions: ReadonlySet<Action>
  /** One of them matches. */
  readonly spaces: readonly Pattern[]
  readonly docs: readonly Pattern[]
  /** Null: always. */
  readonly when: Condition | null
}

/** Gives a role to the identities that the condition holds for. The condition sees what the token says, not what was assigned. */
export interface Assignment {
  readonly role: string
  readonly when: Condition
}

export interface Policy {
  readonly roles: ReadonlyMap<string, readonly Rule[]>
  readonly assign: readonly Assignment[]
}

/** Answers for one identity. Total. */
export interface Decisions {
  (action: Action, space: SpaceId, doc: DocId): boolean
  /** Whether there may be a document of the space for which the answer is yes; false only when there is none. Without it the document `*` is asked for. */
  readonly reaches?: (action: Action, space: SpaceId) => boolean
  /** True only when the answer is yes for every document of the scope. Without it that is not known. */
  readonly allowsAll?: (action: Action, space: SpaceId, scope: Scope) => boolean
}

/** Stands for all documents of a space where one is asked for. */
const ANY_DOCUMENT: DocId = parseDocId('*')

/** What a doorman asks in place of a policy: gives the answers for an identity. Both are total, and depend on nothing but their arguments. */
export type Decider = (identity: Identity) => Decisions

/** Roles that an identity has by what it is; a token cannot claim them and a policy cannot assign them. */
export const BUILT_IN_ROLES = ['everyone', 'authenticated', 'anonymous'] as const

export const EMPTY_POLICY: Policy = { roles: new Map(), assign: [] }

/** All roles of an identity: what the token says, what the policy assigns, and `everyone` with `authenticated` or `anonymous`. Each once. */
export function rolesOf(policy: Policy, identity: Identity): readonly string[] {
  const roles = new Set<string>(identity.roles)
  const facts: Facts = { identity, roles: identity.roles, target: null }
  for (const { role, when } of policy.assign) if (holds(when, facts)) roles.add(role)
  for (const name of BUILT_IN_ROLES) roles.delete(name)
  return [...roles, 'everyone', identity.subject === null ? 'anonymous' : 'authenticated']
}

/** May this identity do this? Total. Cost: one look at each rule of its roles. */
export function decide(policy: Policy, identity: Identity, action: Action, space: SpaceId, doc: DocId): boolean {
  return decisionsOf(policy, identity)(action, space, doc)
}

/** As decide, for many questions of one identity: its roles are found once. */
export function decisionsOf(policy: Policy, identity: Identity): Decisions {
  const roles = rolesOf(policy, identity)
  const rules = roles.flatMap((role) => policy.roles.get(role) ?? [])
  const decided = (action: Action, space: SpaceId, doc: DocId): boolean => {
    const facts: Facts = { identity, roles, target: { action, space, doc } }
    let allowed = false
    for (const rule of rules) {
      if ((rule.effect === 'allow' && allowed) || !applies(rule, facts, action, space, doc)) continue
      if (rule.effect === 'deny') return false
      allowed = true
    }
    return allowed
  }
  const who = { identity, roles }
  return Object.assign(decided, {
    reaches: (action: Action, space: SpaceId) => reaches(rules, who, action, space),
    allowsAll: (action: Action, space: SpaceId, scope: Scope) =>
      scope.kind === 'document' ? decided(action, space, scope.doc) : allowsAll(rules, who, action, space, prefixOf(scope)),
  })
}

/** The answer of decisions that were made by somebody else, too. */
export function decisionsReach(decisions: Decisions, action: Action, space: SpaceId): boolean {
  return decisions.reaches?.(action, space) ?? decisions(action, space, ANY_DOCUMENT)
}

/** False when no rule allows it for any document, or one denies it for all. */
function reaches(rules: readonly Rule[], who: Pick<Facts, 'identity' | 'roles'>, action: Action, space: SpaceId): boolean {
  const facts: Facts = { ...who, target: { action, space, doc: ANY_DOCUMENT } }
  const { subject } = who.identity
  let allowed = false
  for (const { effect, actions, spaces, docs, when } of rules) {
    if (!actions.has(action) || !spaces.some((pattern) => matches(pattern, space, subject))) continue
    if (!docs.some((pattern) => canMatch(pattern, subject))) continue
    const truth = when === null ? true : truthInSpace(when, facts)
    if (effect === 'allow') allowed ||= truth !== false
    else if (truth === true && docs.some(({ source }) => source === '**')) return false
  }
  return allowed
}

/** What the names of all documents of a scope begin with. */
function prefixOf(scope: Exclude<Scope, { kind: 'document' }>): string {
  return scope.kind === 'space' || scope.collection === '' ? '' : `${scope.collection}/`
}

/** True when one rule allows it for every name that begins with the prefix, and none may deny it for any of them. */
function allowsAll(
  rules: readonly Rule[],
  who: Pick<Facts, 'identity' | 'roles'>,
  action: Action,
  space: SpaceId,
  prefix: string,
): boolean {
  const facts: Facts = { ...who, target: { action, space, doc: ANY_DOCUMENT } }
  const { subject } = who.identity
  let allowed = false
  for (const { effect, actions, spaces, docs, when } of rules) {
    if (!actions.has(action) || !spaces.some((pattern) => matches(pattern, space, subject))) continue
    const truth = when === null ? true : truthInSpace(when, facts)
    if (effect === 'allow') allowed ||= truth === true && docs.some((pattern) => coversAll(pattern, prefix))
    else if (truth !== false && docs.some((pattern) => canMatch(pattern, subject) && mayTouch(pattern, prefix))) return false
  }
  return allowed
}

function applies(rule: Rule, facts: Facts, action: Action, space: SpaceId, doc: DocId): boolean {
  const { subject } = facts.identity
  return (
    rule.actions.has(action) &&
    rule.spaces.some((pattern) => matches(pattern, space, subject)) &&
    rule.docs.some((pattern) => matches(pattern, doc, subject)) &&
    (rule.when === null || holds(rule.when, facts))
  )
}
