// pnpm bench --only growth: what work costs as it grows, each figure with its exponent: the k of cost ~ size^k over the sizes that were measured. Parts are measured size by
// size; with a state file, what stands in it is not measured again, so that a run that was stopped goes on where it was.

import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { loadavg } from 'node:os'
import { allKept, markdownTable, type Table } from '../markdown-table.ts'
import type { Progress } from '../report.ts'
import { documentsPart } from './documents.ts'
import { logRowsPart } from './log-rows.ts'
import { meshPart } from './mesh-peers.ts'
import { writersPart } from './writer-ids.ts'

/** By words, with the unit. */
export type Figures = Readonly<Record<string, number>>

export interface GrowthPart {
  readonly name: string
  readonly title: string
  readonly sizes: readonly number[]
  readonly quickSizes: readonly number[]
  /** Of figures that have one. */
  readonly bounds?: Figures
  measure(size: number, quick: boolean, progress: Progress): Promise<Figures>
}

interface Measured {
  readonly part: string
  readonly size: number
  readonly quick: boolean
  readonly at: string
  readonly commit: string
  readonly load: number
  readonly figures: Figures
}

const parts: readonly GrowthPart[] = [documentsPart, logRowsPart, writersPart, meshPart]

export interface GrowthOptions {
  readonly quick: boolean
  /** Name of one; default all. */
  readonly part?: string
  /** A JSON file; default none. */
  readonly state?: string
  /** Sizes above it are left out. */
  readonly sizeMax?: number
}

/** Prints a table for each part. True when every bound is kept. Throws for a part that there is not. */
export async function growth({ quick, part: only, state, sizeMax = Infinity }: GrowthOptions, progress: Progress): Promise<boolean> {
  const wanted = parts.filter(({ name }) => only === undefined || name === only)
  if (wanted.length === 0) throw new Error(`no part ${only}: there are ${parts.map(({ name }) => name).join(', ')}`)
  const results: Measured[] = state !== undefined && existsSync(state) ? (JSON.parse(readFileSync(state, 'utf8')) as Measured[]) : []
  let kept = true
  for (const part of wanted) {
    for (const size of (quick ? part.quickSizes : part.sizes).filter((size) => size <= sizeMax)) {
      if (results.some((done) => done.part === part.name && done.size === size && done.quick === quick)) continue
      const words = (line: string): void => progress(`${part.title}, ${size.toLocaleString('en')}: ${line}`)
      words('begins')
      const load = loadavg()[0]!
      const figures = await part.measure(size, quick, words)
      results.push({ part: part.name, size, quick, at: new Date().toISOString(), commit: commitHere(), load, figures })
      if (state !== undefined) writeFileSync(state, `${JSON.stringify(results, null, 2)}\n`)
    }
    const table = tableOf(
      part,
      results.filter((done) => done.part === part.name && done.quick === quick).sort((a, b) => a.size - b.size),
    )
    kept &&= allKept(table)
    console.log(`${markdownTable(table)}\n`)
  }
  return kept
}

function tableOf({ title, bounds = {} }: GrowthPart, results: readonly Measured[]): Table {
  const names = [...new Set(results.flatMap(({ figures }) => Object.keys(figures)))]
  return {
    title,
    cases: results.map(({ size }) => size.toLocaleString('en')),
    ...(results.length < 2 ? {} : { sizes: results.map(({ size }) => size) }),
    rows: names.map((name) => ({
      name,
      values: results.map(({ figures }) => figures[name] ?? null),
      ...(bounds[name] === undefined ? {} : { bound: bounds[name] }),
    })),
  }
}

function commitHere(): string {
  try {
    return execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  } catch {
    return 'unknown'
  }
}
