// Conditions on who asks and for what: a JSON tree, read once and evaluated without clock, regular expression, fraction or exception, so that every relay with
// the same policy says the same. Pure. Read by policy.ts and policy-file.ts. Rules: AC-3.
//
//   { "eq": [A, B] }        both are there and the same text, whole number, truth value or null
//   { "in": [A, LIST] }     one of the items is eq to A
//   { "prefix": [A, B] }    both are texts, and A begins with B
//   { "lt" | "le" | "gt" | "ge": [A, B] }   both are whole numbers up to 2^53 - 1
//   { "has": NAME }         there is such a value (null is one)
//   { "and": [...] }  { "or": [...] }  { "not": ... }
//
// A and B are a text, a whole number, true, false, null, or { "get": NAME }; LIST is a list of those, or a get that yields a list. NAME is subject, roles,
// claims.<name>.<name>, space, doc, collection, action, or ["claims", "a name with dots"]. What is not there makes its comparison false; `not` turns that
// into true, so a `not` that grants something stands beside a `has`.

import { collectionOf, type DocId, type SpaceId } from '@syncline/protocol'
import type { Action, Claim, Identity } from './access.ts'
import { ACCESS_LIMITS } from './access-limits.ts'

type Scalar = string | number | boolean | null
type Operand = { readonly value: Scalar | readonly Scalar[] } | { readonly get: readonly string[] }
type Comparison = 'eq' | 'in' | 'prefix' | 'lt' | 'le' | 'gt' | 'ge'

export type Condition =
  | { readonly op: Comparison; readonly left: Operand; readonly right: Operand }
  | { readonly op: 'has'; readonly get: readonly string[] }
  | { readonly op: 'and' | 'or'; readonly of: readonly Condition[] }
  | { readonly op: 'not'; readonly of: Condition }

/** What a condition may look at. Without a target (when roles are assigned) space, doc, collection and action are not there. */
export interface Facts {
  readonly identity: Identity
  readonly roles: readonly string[]
  readonly target: { readonly action: Action; readonly space: SpaceId; readonly doc: DocId } | null
}

/** Where a condition is wrong: keys and indexes from its root, and why in words. */
export interface ConditionProblem {
  readonly path: readonly (string | number)[]
  readonly problem: string
}

const COMPARISONS: ReadonlySet<string> = new Set<Comparison>(['eq', 'in', 'prefix', 'lt', 'le', 'gt', 'ge'])
const ALL_OPERATORS = 'eq, in, prefix, lt, le, gt, ge, has, and, or, not'
const IDENTITY_NAMES: readonly string[] = ['subject', 'roles', 'claims']
const TARGET_NAMES: readonly string[] = ['space', 'doc', 'collection', 'action']

/** Reads a condition from parsed JSON. `about`: 'identity' allows only what is known of the identity, 'request' also space, doc, collection and action. */
export function readCondition(
  json: unknown,
  about: 'identity' | 'request',
): { readonly condition: Condition } | { readonly problems: readonly ConditionProblem[] } {
  const reader = new ConditionReader(about === 'identity' ? IDENTITY_NAMES : [...IDENTITY_NAMES, ...TARGET_NAMES])
  const condition = reader.condition(json, [], 1)
  return condition === null || reader.problems.length > 0 ? { problems: reader.problems } : { condition }
}

type Path = readonly (string | number)[]

class ConditionReader {
  readonly problems: ConditionProblem[] = []
  readonly #names: readonly string[]
  #nodes = 0

  constructor(names: readonly string[]) {
    this.#names = names
  }

  condition(json: unknown, path: Path, depth: number): Condition | null {
    if (!this.#counted(path)) return null
    if (depth > ACCESS_LIMITS.conditionDepthMax)
      return this.#refuse(path, `conditions nest at most ${ACCESS_LIMITS.conditionDepthMax} deep`)
    const keys = isRecord(json) ? Object.keys(json) : []
    const [op] = keys
    if (!isRecord(json) || op === undefined || keys.length > 1)
      return this.#refuse(path, `a condition is an object with one operator: ${ALL_OPERATORS}`)
    const inside = json[op]
    const at = [...path, op]
    if (COMPARISONS.has(op)) return this.#comparison(op as Comparison, inside, at)
    if (op === 'has') {
      const get = this.#name(inside, at)
      return get === null ? null : { op, get }
    }
    if (op === 'not') {
      const of = this.condition(inside, at, depth + 1)
      return of === null ? null : { op, of }
    }
    if (op === 'and' || op === 'or') return this.#several(op, inside, at, depth)
    return this.#refuse(at, `there is no operator ${JSON.stringify(op.slice(0, 40))}; there are ${ALL_OPERATORS}`)
  }

  #several(op: 'and' | 'or', json: unknown, path: Path, depth: number): Condition | null {
    if (!Array.isArray(json) || json.length === 0) return this.#refuse(path, `"${op}" takes a list of one condition or more`)
    const of: Condition[] = []
    for (const [index, item] of json.entries()) {
      const condition = this.condition(item, [...path, index], depth + 1)
      if (condition === null) return null
      of.push(condition)
    }
    return { op, of }
  }

  #comparison(op: Comparison, json: unknown, path: Path): Condition | null {
    if (!Array.isArray(json) || json.length !== 2) return this.#refuse(path, `"${op}" takes a list of two values`)
    const left = this.#operand(json[0], [...path, 0], false)
    const right = this.#operand(json[1], [...path, 1], op === 'in')
    if (left === null || right === null) return null
    const kind = op === 'prefix' ? 'string' : op === 'eq' || op === 'in' ? null : 'number'
    for (const [index, side] of [left, right].entries())
      if (kind !== null && 'value' in side && typeof side.value !== kind)
        return this.#refuse([...path, index], `"${op}" compares ${kind === 'string' ? 'texts' : 'whole numbers'}`)
    return { op, left, right }
  }

  #operand(json: unknown, path: Path, list: boolean): Operand | null {
    if (!this.#counted(path)) return null
    if (isRecord(json)) {
      const keys = Object.keys(json)
      if (keys.length !== 1 || keys[0] !== 'get')
        return this.#refuse(path, 'a value is a text, a whole number, true, false, null or {"get": NAME}')
      const get = this.#name(json['get'], [...path, 'get'])
      return get === null ? null : { get }
    }
    if (!list) return this.#scalar(json, path) ? { value: json } : null
    if (!Array.isArray(json)) return this.#refuse(path, '"in" takes a list, or a get that yields one, as its second value')
    const items: Scalar[] = []
    for (const [index, item] of json.entries()) {
      if (!this.#counted([...path, index]) || !this.#scalar(item, [...path, index])) return null
      items.push(item)
    }
    return { value: items }
  }

  #scalar(json: unknown, path: Path): json is Scalar {
    if (isScalar(json)) return true
    this.#refuse(
      path,
      typeof json === 'number'
        ? 'numbers are whole and within 2^53 - 1'
        : 'a value is a text, a whole number, true, false, null or {"get": NAME}',
    )
    return false
  }

  #name(json: unknown, path: Path): readonly string[] | null {
    const name = typeof json === 'string' ? json.split('.') : json
    if (
      !Array.isArray(name) ||
      name.length > ACCESS_LIMITS.conditionDepthMax ||
      !name.every((part) => typeof part === 'string' && part !== '')
    )
      return this.#refuse(path, 'a name is a text such as claims.team, or a list of its parts')
    const [root, ...rest] = name as string[]
    if (root === undefined || !this.#names.includes(root))
      return this.#refuse(path, `there is no such name here; names begin with ${this.#names.join(', ')}`)
    if (root === 'claims' ? rest.length === 0 : rest.length > 0)
      return this.#refuse(path, root === 'claims' ? 'a claim is named, as in claims.team' : `"${root}" has no parts`)
    return name as string[]
  }

  /** Counts one node; false when they are too many, which is said once. */
  #counted(path: Path): boolean {
    this.#nodes++
    if (this.#nodes === ACCESS_LIMITS.conditionNodesMax + 1)
      this.#refuse(path, `a condition has at most ${ACCESS_LIMITS.conditionNodesMax} nodes`)
    return this.#nodes <= ACCESS_LIMITS.conditionNodesMax
  }

  #refuse(path: Path, problem: string): null {
    this.problems.push({ path, problem })
    return null
  }
}

/** True if the condition holds. Total: throws for no facts. Cost: linear in the nodes and in the lists that they name. */
export function holds(condition: Condition, facts: Facts): boolean {
  switch (condition.op) {
    case 'and':
      return condition.of.every((one) => holds(one, facts))
    case 'or':
      return condition.of.some((one) => holds(one, facts))
    case 'not':
      return !holds(condition.of, facts)
    case 'has':
      return valueOf(condition.get, facts) !== undefined
    default:
      return compare(condition.op, operandOf(condition.left, facts), operandOf(condition.right, facts))
  }
}

/** What a condition says while it is open which document of a space is asked for: true or false for each of them, or null: it depends. As holds otherwise. */
export function truthInSpace(condition: Condition, facts: Facts): boolean | null {
  switch (condition.op) {
    case 'and':
    case 'or': {
      const decisive = condition.op === 'or'
      const parts = condition.of.map((one) => truthInSpace(one, facts))
      if (parts.includes(decisive)) return decisive
      return parts.includes(null) ? null : !decisive
    }
    case 'not': {
      const inner = truthInSpace(condition.of, facts)
      return inner === null ? null : !inner
    }
    case 'has':
      return holds(condition, facts)
    default:
      return [condition.left, condition.right].some(namesDocument) ? null : holds(condition, facts)
  }
}

function namesDocument(operand: Operand): boolean {
  return 'get' in operand && (operand.get[0] === 'doc' || operand.get[0] === 'collection')
}

function compare(op: Comparison, left: Claim | undefined, right: Claim | undefined): boolean {
  if (op === 'in') return Array.isArray(right) && right.some((item: Claim) => same(left, item))
  if (op === 'eq') return same(left, right)
  if (op === 'prefix') return typeof left === 'string' && typeof right === 'string' && left.startsWith(right)
  if (!isWhole(left) || !isWhole(right)) return false
  return op === 'lt' ? left < right : op === 'le' ? left <= right : op === 'gt' ? left > right : left >= right
}

/** Lists, objects and fractions are the same as nothing, themselves included. */
function same(left: Claim | undefined, right: Claim | undefined): boolean {
  return isScalar(left) && left === right
}

function operandOf(operand: Operand, facts: Facts): Claim | undefined {
  return 'value' in operand ? operand.value : valueOf(operand.get, facts)
}

function valueOf([root, ...rest]: readonly string[], { identity, roles, target }: Facts): Claim | undefined {
  if (root === 'subject') return identity.subject ?? undefined
  if (root === 'roles') return roles
  if (root === 'claims') return claimAt(identity.claims, rest)
  if (target === null) return undefined
  if (root === 'collection') return collectionOf(target.doc)
  return root === 'space' ? target.space : root === 'doc' ? target.doc : root === 'action' ? target.action : undefined
}

/** A claim within claims: own properties of objects only. Undefined: not there. */
export function claimAt(claims: Claim, path: readonly string[]): Claim | undefined {
  let value: Claim | undefined = claims
  for (const part of path) {
    if (!isRecord(value) || !Object.hasOwn(value, part)) return undefined
    value = value[part]
  }
  return value
}

function isScalar(value: unknown): value is Scalar {
  return typeof value === 'string' || typeof value === 'boolean' || value === null || isWhole(value)
}

function isWhole(value: unknown): value is number {
  return Number.isSafeInteger(value)
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
