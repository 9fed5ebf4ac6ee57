// A policy as people write it: a JSON file of `version: 1`, checked whole, with errors that name the path in the policy and the place in the file; and the watch
// that takes a changed file within 1 s. A file that cannot be used changes nothing: the policy before it stays. docs/access.md describes the format. Read by the
// relay and `syncline check-config`. Rules: AC-5.

import { readFile, stat } from 'node:fs/promises'
import { SynclineError } from '@syncline/protocol'
import type { Clock } from '@syncline/replica'
import { z } from 'zod'
import { ACTIONS } from './access.ts'
import { ACCESS_LIMITS } from './access-limits.ts'
import { readCondition, type Condition } from './condition.ts'
import { isRoleName } from './identity.ts'
import { readJson, type JsonPlaces } from './json-places.ts'
import { readPattern, type Pattern } from './pattern.ts'
import { BUILT_IN_ROLES, type Policy, type Rule } from './policy.ts'

const roleSchema = z
  .string()
  .refine(isRoleName, `a role has 1 to ${ACCESS_LIMITS.roleCharactersMax} characters, none of them a control character`)

const actionsSchema = z.preprocess((value) => (value === 'all' ? ACTIONS : value), z.array(z.enum(ACTIONS)).min(1))

const patternsSchema = z.preprocess(
  (value) => (typeof value === 'string' ? [value] : value),
  z.array(z.string().transform(patternFrom)).min(1).max(ACCESS_LIMITS.patternsPerRuleMax),
)

const ruleSchema = z
  .strictObject({
    allow: actionsSchema.optional(),
    deny: actionsSchema.optional(),
    space: patternsSchema,
    doc: patternsSchema,
    when: z.unknown().transform(conditionAbout('request')).optional(),
    note: z.string().optional(),
  })
  .transform(({ allow, deny, space, doc, when }, context): Rule => {
    const actions = allow ?? deny
    if (actions === undefined || (allow !== undefined && deny !== undefined)) {
      context.issues.push({ code: 'custom', message: 'a rule has either "allow" or "deny"', input: undefined })
      return z.NEVER
    }
    return { effect: allow === undefined ? 'deny' : 'allow', actions: new Set(actions), spaces: space, docs: doc, when: when ?? null }
  })

const policySchema = z.strictObject({
  $schema: z.string().optional(),
  version: z.literal(1),
  roles: z.record(roleSchema, z.array(ruleSchema)),
  assign: z
    .array(
      z.strictObject({
        role: roleSchema.refine((name) => !isBuiltIn(name), `${BUILT_IN_ROLES.join(', ')} are given by what an identity is`),
        when: z.unknown().transform(conditionAbout('identity')),
        note: z.string().optional(),
      }),
    )
    .max(ACCESS_LIMITS.rulesMax)
    .optional(),
  note: z.string().optional(),
})

/** Reads the text of a policy file. `source` names it in errors. Throws "policy-invalid" with the first problems, each with its path and place. */
export function parsePolicy(text: string, source = 'The policy'): Policy {
  const bytes = Buffer.byteLength(text)
  if (bytes > ACCESS_LIMITS.policyBytesMax)
    throw refused(source, [`it has ${bytes} bytes, at most ${ACCESS_LIMITS.policyBytesMax} are read`])
  const json = readJson(text.replace(/^\uFEFF/, ''), ACCESS_LIMITS.policyDepthMax)
  if ('problem' in json) throw refused(source, [`${json.place}: ${json.problem}`])
  const { success, data, error } = policySchema.safeParse(json.value)
  if (!success)
    throw refused(
      source,
      error.issues.map((issue) => wordsOf(issue, json)),
    )
  const policy: Policy = {
    roles: new Map(Object.entries(data.roles)),
    assign: (data.assign ?? []).map(({ role, when }) => ({ role, when })),
  }
  const rules = [...policy.roles.values()].reduce((sum, { length }) => sum + length, 0)
  if (rules > ACCESS_LIMITS.rulesMax) throw refused(source, [`it has ${rules} rules, at most ${ACCESS_LIMITS.rulesMax} are read`])
  const lost = policy.assign.findIndex(({ role }) => !policy.roles.has(role))
  if (lost >= 0)
    throw refused(source, [
      `assign[${lost}].role (${json.placeOf(['assign', lost, 'role'])}): there is no role ${JSON.stringify(policy.assign[lost]!.role)} in "roles"`,
    ])
  return policy
}

function refused(source: string, problems: readonly string[]): SynclineError {
  const shown = problems.slice(0, 5)
  const more = problems.length > shown.length ? `; and ${problems.length - shown.length} more` : ''
  return new SynclineError('policy-invalid', `${source} cannot be used: ${shown.join('; ')}${more}.`)
}

function wordsOf(issue: z.core.$ZodIssue, json: JsonPlaces): string {
  const name = issue.path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`)).join('')
  const missing = issue.code === 'invalid_type' && !json.has(issue.path)
  const words =
    issue.code === 'invalid_key' ? issue.issues.map(({ message }) => message).join(', ') : missing ? 'it is missing' : issue.message
  return `${name.replace(/^\./, '') || 'the policy'} (${json.placeOf(issue.path)}): ${words}`
}

function patternFrom(source: string, context: z.RefinementCtx): Pattern {
  const pattern = readPattern(source)
  if ('tokens' in pattern) return pattern
  context.issues.push({ code: 'custom', message: pattern.problem, input: source })
  return z.NEVER
}

function conditionAbout(about: 'identity' | 'request'): (json: unknown, context: z.RefinementCtx) => Condition {
  return (json, context) => {
    const read = readCondition(json, about)
    if ('condition' in read) return read.condition
    for (const { path, problem } of read.problems) context.issues.push({ code: 'custom', message: problem, input: json, path: [...path] })
    return z.NEVER
  }
}

function isBuiltIn(name: string): boolean {
  return (BUILT_IN_ROLES as readonly string[]).includes(name)
}

/** Reads a policy file. Throws "policy-invalid", also when the file cannot be read. */
export async function readPolicyFile(path: string): Promise<Policy> {
  return parsePolicy(await textOf(path), `The policy file ${path}`)
}

async function textOf(path: string): Promise<string> {
  try {
    const { size } = await stat(path)
    if (size > ACCESS_LIMITS.policyBytesMax)
      throw refused(`The policy file ${path}`, [`it has ${size} bytes, at most ${ACCESS_LIMITS.policyBytesMax} are read`])
    return await readFile(path, 'utf8')
  } catch (error) {
    if (error instanceof SynclineError) throw error
    throw new SynclineError(
      'policy-invalid',
      `The policy file ${path} cannot be read: ${error instanceof Error ? error.message : String(error)}.`,
      { cause: error },
    )
  }
}

export interface PolicyWatch {
  /** As the file was when the watch began. */
  readonly policy: Policy
  /** No call of either listener comes after it. */
  stop(): void
}

/** Reads a policy file and goes on looking at it: `onPolicy` gets each further policy at most 1 s after its file is complete, `onError` gets a "policy-invalid" once
 *  for each state of the file that cannot be used, which includes its absence. Looks, because notices of file systems get lost in mounts, renames and editors.
 *  Throws "policy-invalid" if the file cannot be used at the beginning. */
export async function watchPolicyFile(
  path: string,
  clock: Clock,
  onPolicy: (policy: Policy) => void,
  onError: (error: SynclineError) => void,
): Promise<PolicyWatch> {
  const watcher = new FileWatcher(path, clock, onPolicy, onError)
  const policy = await watcher.first()
  const stopLooking = clock.every(ACCESS_LIMITS.policyPollMs, () => void watcher.look())
  return {
    policy,
    stop() {
      stopLooking()
      watcher.stopped = true
    },
  }
}

class FileWatcher {
  stopped = false
  readonly #path: string
  readonly #clock: Clock
  readonly #onPolicy: (policy: Policy) => void
  readonly #onError: (error: SynclineError) => void
  /** What stat said before the file was last read, and what was read then. */
  #stamp = ''
  #young = true
  #text: string | null = null
  /** The problem that was met last, told once it has lasted for two looks: a file that is being written is not wrong yet. */
  #problem: { readonly words: string; told: boolean } | null = null
  #looking = false

  constructor(path: string, clock: Clock, onPolicy: (policy: Policy) => void, onError: (error: SynclineError) => void) {
    this.#path = path
    this.#clock = clock
    this.#onPolicy = onPolicy
    this.#onError = onError
  }

  async first(): Promise<Policy> {
    await this.#stampNow()
    this.#text = await textOf(this.#path)
    return parsePolicy(this.#text, `The policy file ${this.#path}`)
  }

  async look(): Promise<void> {
    if (this.#looking || this.stopped) return
    this.#looking = true
    try {
      const settled = !(await this.#stampNow()) && !this.#young && this.#problem === null
      if (!settled) await this.#read()
    } finally {
      this.#looking = false
    }
  }

  async #read(): Promise<void> {
    try {
      const text = await textOf(this.#path)
      if (this.stopped) return
      if (text !== this.#text) {
        const policy = parsePolicy(text, `The policy file ${this.#path}`)
        this.#text = text
        this.#onPolicy(policy)
      }
      this.#problem = null
    } catch (error) {
      if (!(error instanceof SynclineError)) throw error
      if (!this.stopped) this.#meet(error)
    }
  }

  #meet(error: SynclineError): void {
    if (this.#problem?.words !== error.message) {
      this.#problem = { words: error.message, told: false }
    } else if (!this.#problem.told) {
      this.#problem.told = true
      this.#onError(error)
    }
  }

  /** Notes what stat says; true if it is something else than before. */
  async #stampNow(): Promise<boolean> {
    const found = await stat(this.#path, { bigint: true }).catch(() => null)
    const stamp = found === null ? 'absent' : [found.ino, found.size, found.mtimeNs, found.ctimeNs].join(' ')
    this.#young = found !== null && this.#clock.wallMs() - Number(found.ctimeMs) < ACCESS_LIMITS.policyYoungMs
    const changed = stamp !== this.#stamp
    this.#stamp = stamp
    return changed
  }
}
