// Makes a failing plan smaller while it still breaks the same rule: fewer actions, fewer replicas, fewer faults, no delays, simpler values. Delta debugging over
// lists of decisions; a plan is total, so whatever is left out, the rest can still be carried out. Read by simulate.ts and the command line. Rule: SM-5.

import type { Action, Fault, Plan, ReplicaPlan } from './plan/plan.ts'
import type { Workload } from './workload/workload.ts'

export interface ShrinkOptions {
  /** Simpler forms of edits. */
  readonly workload: Workload
  /** How many plans may be tried; default 600. */
  readonly triesMax?: number
  readonly onProgress?: (plan: Plan, tries: number) => void
}

export interface Shrunk {
  readonly plan: Plan
  readonly tries: number
}

/** The smallest plan found for which `fails` is still true; the one given when nothing smaller fails. Deterministic. Cost: at most `triesMax` calls of `fails`. */
export function shrink(plan: Plan, fails: (plan: Plan) => boolean, options: ShrinkOptions): Shrunk {
  const search = new Search(plan, fails, options)
  for (let before = -1; before !== search.size && !search.exhausted;) {
    before = search.size
    search.each((best) => [
      { ...best, fork: false },
      { ...best, lift: !best.lift },
      { ...best, buggify: [] },
      { ...best, guests: [], actions: withoutGuests(best) },
    ])
    search.list('faults')
    search.list('actions')
    search.each((best) => best.replicas.flatMap(({ name }) => [without(best, name), without(best, name, neighbourOf(best, name))]))
    search.list('links')
    search.each(settled)
    search.each((best) =>
      best.faults.flatMap((fault, index) => calmer(fault).map((one) => ({ ...best, faults: best.faults.with(index, one) }))),
    )
    search.simplerEdits()
  }
  return { plan: search.best, tries: search.tries }
}

class Search {
  best: Plan
  tries = 0
  readonly #fails: (plan: Plan) => boolean
  readonly #options: ShrinkOptions
  readonly #triesMax: number

  constructor(plan: Plan, fails: (plan: Plan) => boolean, options: ShrinkOptions) {
    this.best = plan
    this.#fails = fails
    this.#options = options
    this.#triesMax = options.triesMax ?? 600
  }

  get exhausted(): boolean {
    return this.tries >= this.#triesMax
  }

  /** Anything that became smaller changes it. */
  get size(): number {
    return JSON.stringify(this.best).length
  }

  /** Keeps the plan when it fails as well. */
  #try(plan: Plan): boolean {
    if (this.exhausted) return false
    this.tries++
    const kept = this.#fails(plan)
    if (kept) this.best = plan
    this.#options.onProgress?.(this.best, this.tries)
    return kept
  }

  /** Tries each variant of the best plan once; starts over from a better one. */
  each(variants: (best: Plan) => readonly Plan[]): void {
    const tried = new Set<string>()
    for (let found = true; found;) {
      found = false
      const now = JSON.stringify(this.best)
      for (const variant of variants(this.best)) {
        const text = JSON.stringify(variant)
        if (text === now || tried.has(text)) continue
        tried.add(text)
        if (!this.#try(variant)) continue
        found = true
        break
      }
    }
  }

  /** Leaves out halves, quarters ... single items, as long as that still fails. */
  list(field: 'actions' | 'faults' | 'links'): void {
    let parts = 2
    while (!this.exhausted) {
      const items: readonly unknown[] = this.best[field]
      if (items.length === 0) return
      const size = Math.ceil(items.length / parts)
      let left = false
      for (let at = 0; at < this.best[field].length && !this.exhausted;) {
        const rest = this.best[field].filter((_, index) => index < at || index >= at + size)
        if (field === 'links' && rest.length === 0) break
        if (this.#try({ ...this.best, [field]: rest })) left = true
        else at += size
      }
      if (size === 1 && !left) return
      parts = left ? 2 : Math.min(items.length, parts * 2)
    }
  }

  simplerEdits(): void {
    for (let index = 0; index < this.best.actions.length && !this.exhausted;) {
      const action = this.best.actions[index]!
      const simpler = [...this.#options.workload.simpler(action.edit)].find((edit) =>
        this.#try({ ...this.best, actions: this.best.actions.with(index, { ...action, edit }) }),
      )
      if (simpler === undefined) index++
    }
  }
}

function withoutGuests({ actions, guests }: Plan): Action[] {
  const names = new Set(guests.map(({ name }) => name))
  return actions.filter(({ by }) => !names.has(by))
}

/** Without one replica, and what it alone did or suffered; with `heir`, that one does what it did. */
function without(plan: Plan, name: string, heir: string | null = null): Plan {
  if (plan.replicas.length <= 2) return plan
  const guests = plan.guests.filter(({ at }) => at !== name)
  const gone = new Set([name, ...plan.guests.filter(({ at }) => at === name).map((guest) => guest.name)])
  return {
    ...plan,
    replicas: plan.replicas.filter((replica) => replica.name !== name),
    links: joined(plan, name),
    guests,
    actions: plan.actions.flatMap((action) => (!gone.has(action.by) ? [action] : heir === null ? [] : [{ ...action, by: heir }])),
    faults: plan.faults.filter((fault) => !mentions(fault, name)),
  }
}

function neighbourOf({ links }: Plan, name: string): string | null {
  const link = links.find(({ from, to }) => from === name || to === name)
  return link === undefined ? null : link.from === name ? link.to : link.from
}

/** Neighbours of a replica that goes are linked with each other, so that nobody is cut off. */
function joined({ links }: Plan, name: string): Plan['links'] {
  const kept = links.filter(({ from, to }) => from !== name && to !== name)
  const neighbours = links.flatMap(({ from, to }) => (from === name ? [to] : to === name ? [from] : []))
  const bridged = neighbours.slice(1).map((to) => ({ from: neighbours[0]!, to, both: false, readOnly: false }))
  const linked = (a: string, b: string): boolean => kept.some(({ from, to }) => (from === a && to === b) || (from === b && to === a))
  return [...kept, ...bridged.filter(({ from, to }) => !linked(from, to))]
}

function mentions(fault: Fault, name: string): boolean {
  if ('replica' in fault) return fault.replica === name
  if ('between' in fault) return fault.between.includes(name)
  if (fault.kind === 'one-way') return fault.from === name || fault.to === name
  return fault.kind === 'bridge' && fault.over === name
}

/** Nothing about this replica is special. */
const PLAIN: Partial<ReplicaPlan> = {
  readOnly: false,
  role: 'device',
  interests: [{ kind: 'space' }],
  documentBytesMax: null,
  presence: false,
  gc: true,
  commitMs: 1,
  driftPpm: 0,
}

/** No delays, no variation, nothing special. */
function settled(plan: Plan): Plan[] {
  return [
    { ...plan, jitter: false, weather: { latencyMs: 1, latencyMaxMs: 1 } },
    { ...plan, limits: {}, dueRows: null },
    { ...plan, limits: {} },
    { ...plan, dueRows: null },
    { ...plan, replicas: plan.replicas.map((replica) => ({ ...replica, ...PLAIN })) },
    { ...plan, links: plan.links.map((link) => ({ ...link, both: false, readOnly: false })) },
    { ...plan, actions: sooner(plan.actions) },
  ]
}

/** The same order, 10 ms apart. */
function sooner(actions: readonly Action[]): Action[] {
  return actions.map((action, index) => ({ ...action, atMs: Math.min(action.atMs, 50 + 10 * index) }))
}

/** The same fault, simpler: shorter, or of a milder kind. */
function calmer(fault: Fault): Fault[] {
  const variants: Fault[] = []
  if ('durationMs' in fault && fault.durationMs !== null && fault.durationMs > 100)
    variants.push({ ...fault, durationMs: Math.max(100, Math.floor(fault.durationMs / 4)) })
  if (fault.kind === 'crash' && (fault.quietly || fault.afterEffects !== null))
    variants.push({ ...fault, quietly: false, afterEffects: null })
  if (fault.kind === 'hostile')
    for (const rate of ['lose', 'duplicate', 'reorder', 'corrupt', 'truncate'] as const)
      if (fault[rate] > 0) variants.push({ ...fault, [rate]: 0 })
  return variants
}
