// A plan as a file: what a failure is saved as, and what `syncline-sim --replay` reads. JSON with a schema version; a file of another version, or one that is no
// trace, is refused in words. Read by simulate.ts and the command line. Rule: SM-4.

import { SynclineError } from '@syncline/protocol'
import { FAULT_WEIGHTS } from './draw-faults.ts'
import { PLAN_VERSION, type Plan } from './plan.ts'

/** What is known of a plan that failed, beside the plan itself. */
export interface TraceFile {
  readonly format: typeof FORMAT
  readonly version: typeof PLAN_VERSION
  /** What happened when it was saved. */
  readonly rule: string
  readonly message: string
  /** Of the run, for the same commit. */
  readonly hash: string
  /** Relative path of the module whose default export is the scenario; null: Syncline's own. */
  readonly scenarioModule: string | null
  readonly plan: Plan
}

const FORMAT = 'syncline-trace'

export function traceFile(
  plan: Plan,
  found: Pick<TraceFile, 'rule' | 'message' | 'hash'>,
  scenarioModule: string | null = null,
): TraceFile {
  const { rule, message, hash } = found
  return { format: FORMAT, version: PLAN_VERSION, rule, message, hash, scenarioModule, plan }
}

/** One decision per line, so that people can read and edit it. */
export function formatTrace({ plan, ...head }: TraceFile): string {
  const { actions, faults, links, replicas, ...rest } = plan
  const lines = (items: readonly unknown[]): string =>
    items.length === 0 ? '[]' : `[\n${items.map((item) => `      ${JSON.stringify(item)}`).join(',\n')}\n    ]`
  const fields = Object.entries(rest).map(([name, value]) => `    ${JSON.stringify(name)}: ${JSON.stringify(value)}`)
  const lists = Object.entries({ replicas, links, faults, actions }).map(([name, items]) => `    ${JSON.stringify(name)}: ${lines(items)}`)
  const top = Object.entries(head).map(([name, value]) => `  ${JSON.stringify(name)}: ${JSON.stringify(value)}`)
  return `{\n${top.join(',\n')},\n  "plan": {\n${[...fields, ...lists].join(',\n')}\n  }\n}\n`
}

/** Throws "argument-invalid" for what is no trace, or one of another version. `name` is what to call it in the message. */
export function parseTrace(text: string, name: string): TraceFile {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw refused(name, `it is no JSON: ${error instanceof Error ? error.message : String(error)}`)
  }
  if (!isRecord(value) || value['format'] !== FORMAT) throw refused(name, `it has no "format": "${FORMAT}"`)
  if (value['version'] !== PLAN_VERSION)
    throw refused(name, `it is of version ${JSON.stringify(value['version'])}, this program reads version ${PLAN_VERSION}`)
  const { plan } = value
  if (!isRecord(plan)) throw refused(name, 'it has no plan')
  for (const list of ['replicas', 'links', 'guests', 'actions', 'faults'])
    if (!Array.isArray(plan[list]) || !plan[list].every(isRecord)) throw refused(name, `its plan has no list of ${list}`)
  for (const field of ['scenario', 'workload', 'topology'])
    if (typeof plan[field] !== 'string') throw refused(name, `its plan has no ${field}`)
  for (const field of ['weather', 'limits']) if (!isRecord(plan[field])) throw refused(name, `its plan has no ${field}`)
  if (!Array.isArray(plan['buggify'])) throw refused(name, 'its plan has no list of buggify')
  for (const field of ['seed', 'livenessMs']) if (!Number.isFinite(plan[field])) throw refused(name, `its plan has no number for ${field}`)
  return checked(value as unknown as TraceFile, name)
}

/** Whoever is named takes part. */
function checked(file: TraceFile, name: string): TraceFile {
  const { replicas, links, guests, actions, faults } = file.plan
  const strange = faults.find(({ kind }) => !Object.hasOwn(FAULT_WEIGHTS, kind))
  if (strange !== undefined) throw refused(name, `there is no fault ${JSON.stringify(strange.kind)}`)
  const known = new Set([...replicas, ...guests].map((one) => one.name))
  for (const one of [...links.flatMap(({ from, to }) => [from, to]), ...guests.map(({ at }) => at), ...actions.map(({ by }) => by)])
    if (!known.has(one)) throw refused(name, `${JSON.stringify(one)} is named, and does not take part`)
  if (replicas.length === 0) throw refused(name, 'nobody takes part')
  return file
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function refused(name: string, why: string): SynclineError {
  return new SynclineError('argument-invalid', `${name} is not a trace that can be replayed: ${why}.`)
}
