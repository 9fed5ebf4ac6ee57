// What a command of the `syncline` command line is: options as data (parsed by node:util parseArgs, which knows enough, so that no library is needed),
// help made from the same data, and a run function that returns an exit code. Read by cli.ts and commands/*. Rule: CL-1.

import { parseArgs } from 'node:util'
import { SynclineError } from '@syncline/protocol'
import type { Terminal } from './terminal.ts'

/** Exit codes, documented in docs/cli.md and in every help. */
export const EXIT = {
  ok: 0,
  /** It could not be done: the message says why. */
  failure: 1,
  /** The arguments or the configuration make no sense. */
  usage: 2,
  /** `verify` found problems or differences, `check-config` problems. */
  problems: 3,
  /** Part of it was done: some files were refused, some documents could not be read. */
  partial: 4,
} as const

export interface OptionRow {
  readonly type: 'string' | 'boolean'
  /** Name of the value in help. */
  readonly value?: string
  readonly short?: string
  readonly multiple?: boolean
  readonly default?: string | boolean
  readonly help: string
  /** Not listed in the help of the command: there are many of its kind, and a note tells of them. */
  readonly hidden?: boolean
}

export type OptionTable = Readonly<Record<string, OptionRow>>

type ValueOf<R extends OptionRow> = R['multiple'] extends true
  ? readonly string[]
  : R['type'] extends 'boolean'
    ? boolean
    : R extends { readonly default: string }
      ? string
      : string | undefined

export type OptionValues<T extends OptionTable> = { readonly [K in keyof T]: ValueOf<T[K]> }

export interface Command {
  readonly name: string
  readonly summary: string
  /** What stands after the name, e.g. "DOCUMENT [options]". */
  readonly usage: string
  readonly options: OptionTable
  /** Lines of help after the options. */
  readonly notes: readonly string[]
  readonly examples: readonly string[]
  run(args: readonly string[], terminal: Terminal): Promise<number>
}

export interface CommandSpec<T extends OptionTable> {
  readonly name: string
  readonly summary: string
  readonly usage: string
  readonly options: T
  /** How many positional arguments it takes. */
  readonly positionals: readonly [min: number, max: number]
  readonly notes?: readonly string[]
  readonly examples: readonly string[]
  run(values: OptionValues<T>, positionals: readonly string[], terminal: Terminal): Promise<number>
}

/** Options that several commands share. */
export const dataOption = {
  type: 'string',
  value: 'DIR',
  short: 'd',
  default: './syncline-data',
  help: 'data folder',
} as const satisfies OptionRow
export const spaceOption = {
  type: 'string',
  value: 'SPACE',
  default: 'default',
  help: 'space of the data folder: each is a file of its own',
} as const satisfies OptionRow
export const jsonOption = { type: 'boolean', help: 'write JSON, for machines' } as const satisfies OptionRow

/** Gives a command its parser and its checks. */
export function command<T extends OptionTable>(spec: CommandSpec<T>): Command {
  return {
    name: spec.name,
    summary: spec.summary,
    usage: spec.usage,
    options: spec.options,
    notes: spec.notes ?? [],
    examples: spec.examples,
    run(args, terminal) {
      const { values, positionals } = parse(spec, args)
      return spec.run(values, positionals, terminal)
    },
  }
}

/** Throws "usage". */
function parse<T extends OptionTable>(spec: CommandSpec<T>, args: readonly string[]): { values: OptionValues<T>; positionals: string[] } {
  const options = Object.fromEntries(
    Object.entries(spec.options).map(([name, { type, short, multiple, default: preset }]) => [
      name,
      { type, ...(short && { short }), ...(multiple && { multiple }), ...(preset !== undefined && { default: preset }) },
    ]),
  )
  const parsed = (() => {
    try {
      return parseArgs({ args: [...args], options, allowPositionals: true, strict: true })
    } catch (error) {
      throw usage(spec.name, error instanceof Error ? error.message.split('. To specify')[0]! : String(error))
    }
  })()
  const [min, max] = spec.positionals
  const { length } = parsed.positionals
  if (length < min) throw usage(spec.name, `${spec.usage.split(' ')[length] ?? 'An argument'} is missing`)
  if (length > max) throw usage(spec.name, `unexpected argument ${JSON.stringify(parsed.positionals[max])}`)
  const values: Record<string, unknown> = { ...parsed.values }
  for (const [name, row] of Object.entries(spec.options)) values[name] ??= row.multiple ? [] : row.type === 'boolean' ? false : undefined
  return { values: values as OptionValues<T>, positionals: parsed.positionals }
}

function usage(name: string, problem: string): SynclineError {
  return new SynclineError('usage', `syncline ${name}: ${problem.replace(/\.$/, '')}.`)
}

export function commandHelp(one: Command): string {
  const listed = Object.entries(one.options).filter(([, row]) => row.hidden !== true)
  const rows = listed.map(([name, row]): [string, string] => [
    `${row.short === undefined ? '    ' : `-${row.short}, `}--${name}${row.value === undefined ? '' : ` ${row.value}`}`,
    row.help + (row.default === undefined ? '' : ` (default ${row.default})`) + (row.multiple ? ', may be repeated' : ''),
  ])
  const parts = [`syncline ${one.name} ${one.usage}`, '', sentence(one.summary)]
  if (rows.length > 0) parts.push('', 'Options', ...aligned(rows))
  if (one.notes.length > 0) parts.push('', ...one.notes)
  return [...parts, '', 'Examples', ...one.examples.map((example) => `  ${example}`), ''].join('\n')
}

export function aligned(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([left]) => left.length))
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`)
}

function sentence(text: string): string {
  return `${text[0]!.toUpperCase()}${text.slice(1)}.`
}
