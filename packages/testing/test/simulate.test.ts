// The simulation as users call it: found, shrunk, saved, replayed; and what it refuses. Small runs of small schemas; the seeds of Syncline's own scenario are in
// simulation-*.test.ts. Rules: SM-1 to SM-5, OR-12.

import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import type * as Y from 'yjs'
import {
  faults,
  formatTrace,
  fuzzSchema,
  invariant,
  map,
  parseTrace,
  record,
  replay,
  schema,
  shrink,
  simulate,
  sometimes,
  text,
  timelineOf,
  topology,
  value,
  workload,
  type Oracle,
  type Random,
  type SimulateOptions,
  type Stage,
} from '../src/index.ts'
import { runPlan, runSeed } from '../src/campaign.ts'
import { drawPlan } from '../src/plan/draw-plan.ts'
import { everything } from '../src/scenario.ts'

const folder = mkdtempSync(join(tmpdir(), 'syncline-simulate-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const notes = fuzzSchema(schema({ title: text({ formats: ['bold'] }), fields: record(value()), meta: map({ done: value() }) }))

/** A counter that is read and set: what two replicas add at once is counted once. */
const counter = workload({
  name: 'counter',
  roots: { counts: 'map', added: 'map' },
  edits: {
    add: {
      draw: (random: Random) => random.below(1_000_000),
      perform(doc, id) {
        doc.getMap<boolean>('added').set(`${id}`, true)
        doc.getMap<number>('counts').set('sum', (doc.getMap<number>('counts').get('sum') ?? 0) + 1)
      },
    },
  },
})
const sumIsRight = (doc: Y.Doc): boolean | string => {
  const sum = doc.getMap<number>('counts').get('sum') ?? 0
  const added = doc.getMap('added').size
  return sum === added || `the sum is ${sum}, ${added} were added`
}
const broken: SimulateOptions = { workload: counter, invariants: [invariant('the sum is right', sumIsRight)], runs: 30 }

describe('what a seed is', () => {
  test.each([3, 17, 42])('[SM-1] seed %i run twice gives the same trace, and so does its plan as JSON', (seed) => {
    const [first, second] = [runSeed(seed), runSeed(seed)]
    const third = runPlan(JSON.parse(JSON.stringify(drawPlan(everything, seed))) as typeof first.plan)
    expect([first.ok, second.ok, third.ok]).toEqual([true, true, true])
    if (!first.ok || !second.ok || !third.ok) return
    expect([second.result.hash, third.result.hash]).toEqual([first.result.hash, first.result.hash])
    expect(third.counters.toJSON()).toEqual(first.counters.toJSON())
  })

  test('[SM-1] every topology converges, with the number of replicas that it was given', async () => {
    const fixed = topology.custom('bus with a spur', [[0, 1], [1, 2], [2, 3], [1, 4]]) // prettier-ignore
    for (const one of [topology.pair, topology.chain, topology.star, topology.ring, topology.hubs, topology.mesh, topology.random, fixed]) {
      const met: Stage[] = []
      const watching = (): Oracle => ({ rules: [], begin: (stage) => void met.push(stage) })
      const report = await simulate({ workload: notes, topology: one, replicas: 4, runs: 3, operations: 20, oracles: [watching] })
      expect(report.text).toContain('0 failed')
      const wanted = one === topology.pair ? 2 : one === fixed ? 5 : 4
      expect(met.map((stage) => [stage.plan.topology, stage.plan.replicas.length])).toEqual([1, 2, 3].map(() => [one.name, wanted]))
    }
  })

  test('[SM-1] a custom topology whose links join nothing is refused in words', () => {
    expect(() => topology.custom('loop', [[1, 1]])).toThrow('[1, 1] does not join two replicas')
  })

  test('[SM-2] a campaign that hardly ever meets a situation fails, and says which', async () => {
    const never = sometimes('a note is a million characters long', (doc) => doc.getText('title').length > 1_000_000)
    const report = await simulate({
      workload: notes,
      runs: 100,
      operations: 5,
      replicas: 2,
      topology: topology.pair,
      faults: faults.none,
      sometimes: [never],
    })
    expect(report.failures).toEqual([])
    expect(report.rare).toContain('a note is a million characters long')
    expect(() => report.assertPassed()).toThrow('a note is a million characters long')
  })

  test('[SM-3] a run of the engine without a simulation never takes the rarer ways, and a simulation says which it takes', () => {
    const plan = drawPlan(everything, 5)
    const rarer = (buggify: typeof plan.buggify): string[] =>
      runPlan({ ...plan, buggify }).counters.toJSON().flatMap(([name, count]) => (name.startsWith('rarer way:') && count > 0 ? [name] : [])) // prettier-ignore
    expect(rarer([])).toEqual([])
    expect(rarer(['read-the-log', 'ack-late'])).toEqual(expect.arrayContaining(['rarer way: read-the-log', 'rarer way: ack-late']))
  })
})

describe('what is found', () => {
  test('[OR-12] a broken invariant is found, shrunk to a few decisions, saved with its timeline, and replayed as the same run', async () => {
    const report = await simulate({ ...broken, saveTo: folder })
    expect(report.ok).toBe(false)
    const [failure] = report.failures
    expect(failure!.rule).toBe('OR-12')
    const { plan } = failure!.trace
    expect(plan.actions.length).toBeLessThanOrEqual(4)
    expect(plan.faults).toEqual([])
    expect(plan.replicas.length).toBeLessThanOrEqual(3)
    expect(report.text).toContain('"the sum is right" does not hold')
    expect(report.text).toContain(`npx syncline-sim --replay ${failure!.savedAs!} --scenario`)

    const saved = readFileSync(failure!.savedAs!, 'utf8')
    expect(parseTrace(saved, 'it')).toEqual(JSON.parse(JSON.stringify(failure!.trace)))
    const again = await replay(saved, broken)
    expect(again.failures.map(({ rule, trace }) => [rule, trace.hash])).toEqual([['OR-12', failure!.trace.hash]])
    expect(readdirSync(folder).toSorted().map((name) => name.slice(-5))).toEqual(['.html', '.json']) // prettier-ignore
    expect(readFileSync(failure!.savedAs!.replace('.json', '.html'), 'utf8')).toContain('the sum is right')
  })

  test('[OR-12] an invariant that is checked at every step names replica and moment; one that throws is broken', async () => {
    const short = invariant(
      'titles are short',
      (doc, where) => doc.getText('title').length < 30 || `${where.document} at ${where.replica}`,
      { at: 'step' },
    )
    const report = await simulate({ workload: notes, invariants: [short], runs: 20, shrinkTries: 40 })
    expect(report.failures[0]!.message).toMatch(/"titles are short" does not hold of documents\/1 at r\d: documents\/1 at r\d/)
    const throwing = invariant('reads what is not there', (doc) => doc.getMap<string>('fields').get('no such field')!.length > 0)
    const thrown = await simulate({ workload: notes, invariants: [throwing], runs: 1, shrinkTries: 0 })
    expect(thrown.failures[0]!.message).toContain('"reads what is not there"')
  })

  test('[SM-5] shrinking keeps the rule, ends within its tries, and gives the same plan each time', () => {
    const plan = drawPlan(everything, 9)
    const someFaults = (one: typeof plan): boolean =>
      one.faults.length >= 1 && one.actions.filter(({ edit }) => edit.kind.startsWith('map')).length >= 2
    const options = { workload: everything.workloads[0]![1], triesMax: 500 }
    const [first, second] = [shrink(plan, someFaults, options), shrink(plan, someFaults, options)]
    expect(someFaults(first.plan)).toBe(true)
    expect(first.tries).toBeLessThanOrEqual(500)
    expect([first.plan.faults.length, first.plan.actions.length, first.plan.replicas.length]).toEqual([1, 2, 2])
    expect(second).toEqual(first)
    expect(shrink(plan, () => false, { ...options, triesMax: 50 })).toEqual({ plan, tries: 50 })
  })

  test('[SM-1] leaving a decision out does not change the chance of the others: a plan without its last edit is the same run until then', () => {
    const plan = { ...drawPlan(everything, 21), faults: [] }
    const shorter = { ...plan, actions: plan.actions.slice(0, -1) }
    const lines = (of: typeof plan): string[] => {
      const printed: string[] = []
      runPlan(of, { print: (line) => void printed.push(line) })
      return printed
    }
    const [whole, cut] = [lines(plan), lines(shorter)]
    const lastMs = plan.actions.at(-1)!.atMs - 0.01
    const before = (all: string[]): string[] => all.filter((line) => Number(line.trim().split(' ')[0]) < lastMs)
    expect(before(whole).length).toBeGreaterThan(300)
    expect(before(cut)).toEqual(before(whole))
  })

  test('[SM-4] a timeline of a run is one page that names its replicas', () => {
    const plan = { ...drawPlan(everything, 4), fork: false }
    const page = timelineOf({ ...plan, actions: plan.actions.slice(0, 20) })
    expect(page).toMatch(/^<!doctype html>/i)
    for (const { name } of plan.replicas) expect(page).toContain(`"${name}"`)
  })
})

describe('what is refused', () => {
  const good = formatTrace({
    format: 'syncline-trace',
    version: 1,
    rule: 'CV-1',
    message: '',
    hash: '',
    scenarioModule: null,
    plan: drawPlan(everything, 1),
  })
  const changed = (change: (file: { plan: Record<string, unknown> } & Record<string, unknown>) => void): string => {
    const file = JSON.parse(good) as Parameters<typeof change>[0]
    change(file)
    return JSON.stringify(file)
  }

  test.each([
    ['no JSON', '{', 'it is no JSON'],
    ['another JSON', '[]', 'it has no "format"'],
    ['a later version', changed((file) => (file['version'] = 2)), 'it is of version 2, this program reads version 1'],
    ['no plan', changed((file) => delete (file as Record<string, unknown>)['plan']), 'it has no plan'],
    ['no actions', changed((file) => delete file.plan['actions']), 'its plan has no list of actions'],
    ['no seed', changed((file) => delete file.plan['seed']), 'its plan has no number for seed'],
    ['a link to nobody', changed((file) => (file.plan['links'] = [{ from: 'r0', to: 'r9' }])), '"r9" is named, and does not take part'],
    ['a workload of another scenario', changed((file) => (file.plan['workload'] = 'mine')), 'has no workload "mine"'],
  ])('[SM-4] %s is no trace, in words', async (_, saved, words) => {
    await expect(replay(saved)).rejects.toMatchObject({ code: 'argument-invalid', message: expect.stringContaining(words) as string })
  })

  test('[SM-4] a good trace is replayed', async () => {
    expect((await replay(good)).ok).toBe(true)
  })

  test.each([
    ['seed', { seed: 'x' }],
    ['runs', { runs: 0 }],
    ['replicas', { replicas: 1 }],
    ['operations', { operations: 1.5 }],
  ] as const)('[SM-6] simulate refuses a wrong %s in words', async (name, wrong) => {
    await expect(simulate({ workload: notes, ...wrong })).rejects.toMatchObject({
      code: 'argument-invalid',
      message: expect.stringContaining(name) as string,
    })
  })
})
