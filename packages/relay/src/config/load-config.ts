// The configuration of a relay from everywhere it may come from: flag before environment before file before default. Every problem is told, each with where it
// came from, and none is passed over: an unknown key is refused. What settings mean together is in config-rules.ts. Reads one file. Read by the commands serve
// and check-config. Rules: CF-1 to CF-5.

import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { SynclineError } from '@syncline/protocol'
import { readConfigText, type FileSetting } from './config-file.ts'
import { ruleProblems } from './config-rules.ts'
import { nearestName } from './nearest-name.ts'
import { flagOf, settingNames, settings, variableOf, type SettingName, type SettingValues } from './settings.ts'

export interface ConfigInputs {
  /** By flag, as parseArgs gives them; what was not given is absent, undefined, false or empty. */
  readonly flags: Readonly<Record<string, string | boolean | readonly string[] | undefined>>
  readonly environment: Readonly<Record<string, string | undefined>>
}

/** Where a value came from. `name`: the flag, the variable or the path of the file; `place`: "line 3, column 14" in it. */
export type Source =
  | { readonly from: 'flag' | 'environment'; readonly name: string }
  | { readonly from: 'file'; readonly name: string; readonly place: string }
  | { readonly from: 'default' }

export interface RelayConfig {
  readonly values: SettingValues
  readonly sources: Readonly<Record<SettingName, Source>>
  /** The file that was read; null: none. */
  readonly file: string | null
}

export interface ConfigReading {
  /** Null when there are problems. */
  readonly config: RelayConfig | null
  /** Sentences. */
  readonly problems: readonly string[]
  /** Things that are odd, but no reason not to start. */
  readonly remarks: readonly string[]
}

/** Throws "config-invalid" with every problem. Cost: one small file. */
export function loadConfig(inputs: ConfigInputs): RelayConfig & { readonly remarks: readonly string[] } {
  const { config, problems, remarks } = readConfig(inputs)
  if (config === null) throw new SynclineError('config-invalid', problemText(problems))
  return { ...config, remarks }
}

/** The same without throwing. */
export function readConfig({ flags, environment }: ConfigInputs): ConfigReading {
  const problems: string[] = []
  const file = filePath(flags, environment)
  const fromFile = file === null ? null : readFile(file, problems)
  const values: Record<string, unknown> = {}
  const sources: Record<string, Source> = {}
  for (const name of settingNames) {
    const row = settings[name]
    const given = fromFlag(name, flags) ?? fromEnvironment(name, environment) ?? fromFileValue(name, fromFile, file)
    if (given === null) {
      values[name] = row.default
      sources[name] = { from: 'default' }
      continue
    }
    sources[name] = given.source
    const { kind } = row
    const { value } = given
    if (kind.accepts(value)) values[name] = kind.path && given.source.from === 'file' ? besideFile(file, value as string) : value
    else problems.push(`${placeOf(name, given.source)} takes ${kind.takes}, not ${shown(name, value)}.`)
  }
  const config = { values: values as unknown as SettingValues, sources: sources as Record<SettingName, Source>, file }
  if (problems.length === 0) problems.push(...ruleProblems(config.values, (name) => placeOf(name, config.sources[name])))
  return { config: problems.length === 0 ? config : null, problems, remarks: unknownVariables(environment) }
}

export function problemText(problems: readonly string[]): string {
  return problems.length === 1
    ? problems[0]!
    : `The configuration has ${problems.length} problems:\n${problems.map((one) => `  - ${one}\n`).join('')}`
}

/** "--port", "SYNCLINE_PORT", "/etc/syncline.json, line 3, column 5: port". */
export function placeOf(name: SettingName, source: Source): string {
  if (source.from === 'default') return name
  return source.from === 'file' ? `${source.name}, ${source.place}: ${name}` : source.name
}

interface Given {
  readonly value: unknown
  readonly source: Source
}

function filePath(flags: ConfigInputs['flags'], environment: ConfigInputs['environment']): string | null {
  const written = flags['config'] ?? environment['SYNCLINE_CONFIG']
  return typeof written === 'string' && written !== '' ? written : null
}

function readFile(file: string, problems: string[]): ReadonlyMap<SettingName, FileSetting> | null {
  try {
    const { given, problems: found } = readConfigText(readFileSync(file, 'utf8'))
    problems.push(...found.map(({ place, words }) => `${file}, ${place}: ${words}${words.endsWith('?') ? '' : '.'}`))
    return given
  } catch (error) {
    problems.push(`${file}: the file cannot be read: ${error instanceof Error ? error.message : String(error)}.`)
    return null
  }
}

function fromFlag(name: SettingName, flags: ConfigInputs['flags']): Given | null {
  const flag = flagOf(name)
  const written = flag === null ? undefined : flags[flag]
  if (written === undefined || written === false || (Array.isArray(written) && written.length === 0)) return null
  return {
    value: typeof written === 'string' ? settings[name].kind.fromText(written) : written,
    source: { from: 'flag', name: `--${flag}` },
  }
}

/** An empty variable counts as none: that is how a variable is taken back in a unit or compose file. */
function fromEnvironment(name: SettingName, environment: ConfigInputs['environment']): Given | null {
  const variable = variableOf(name)
  const written = environment[variable]
  if (written === undefined || written === '') return null
  return { value: settings[name].kind.fromText(written), source: { from: 'environment', name: variable } }
}

function fromFileValue(name: SettingName, settingsOfFile: ReadonlyMap<SettingName, FileSetting> | null, file: string | null): Given | null {
  const found = settingsOfFile?.get(name)
  return found === undefined || file === null ? null : { value: found.value, source: { from: 'file', name: file, place: found.place } }
}

function besideFile(file: string | null, path: string): string {
  return file === null ? path : resolve(dirname(file), path)
}

/** What was given, short; of a list only what is wrong with it; of a secret nothing. */
function shown(name: SettingName, value: unknown): string {
  if (settings[name].secret) return 'what was given'
  const words = JSON.stringify(settings[name].kind.wrongPart(value)) ?? 'nothing'
  return words.length > 100 ? `${words.slice(0, 100)}...` : words
}

/** A variable that looks like ours and is none: most likely a typing error, but it may belong to somebody else. */
function unknownVariables(environment: ConfigInputs['environment']): string[] {
  const known = new Set(['SYNCLINE_CONFIG', ...settingNames.map(variableOf)])
  return Object.keys(environment)
    .filter((name) => name.startsWith('SYNCLINE_') && !known.has(name))
    .flatMap((name) => {
      const near = nearestName(
        name.slice('SYNCLINE_'.length),
        [...known].map((one) => one.slice('SYNCLINE_'.length)),
      )
      return near === null ? [] : [`There is no setting ${name}; did you mean SYNCLINE_${near}?`]
    })
}
