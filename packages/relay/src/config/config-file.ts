// A configuration file as settings by their dotted name. JSON with // and /* */ comments; settings stand nested ("tls": { "cert": ... }) or dotted ("tls.cert").
// Says of each place in it that means nothing what is wrong; judges no values. Pure. Read by load-config.ts. Rules: CF-1, CF-3.

import { readJson, type JsonPlaces } from '../access/json-places.ts'
import { nearestName } from './nearest-name.ts'
import { flagOf, isSettingName, settingNames, settings, variableOf, type SettingName } from './settings.ts'

export interface FileSetting {
  readonly value: unknown
  /** "line 3, column 14" */
  readonly place: string
}

export interface FileProblem {
  readonly place: string
  /** A sentence without the full stop at its end. */
  readonly words: string
}

export interface FileSettings {
  readonly given: ReadonlyMap<SettingName, FileSetting>
  readonly problems: readonly FileProblem[]
}

/** Objects and lists in each other: settings need two. */
const depthMax = 16

/** Total: text that is no JSON is a problem like any other. */
export function readConfigText(text: string): FileSettings {
  const json = readJson(withoutComments(text.replace(/^\uFEFF/, '')), depthMax)
  if ('problem' in json) return { given: new Map(), problems: [{ place: json.place, words: `this is no JSON: ${json.problem}` }] }
  const reading: Reading = { json, given: new Map(), problems: [] }
  if (isObject(json.value)) collect(reading, json.value, [])
  else reading.problems.push({ place: json.placeOf([]), words: 'the file must hold one object, { ... }' })
  return reading
}

/** Comments become spaces, so that places in the text stay what they were. Strings are left alone. */
export function withoutComments(text: string): string {
  return text.replace(/"(?:[^"\\\n]|\\.)*"|\/\/[^\n]*|\/\*[\s\S]*?\*\//g, (part) =>
    part.startsWith('"') ? part : part.replace(/[^\n]/g, ' '),
  )
}

interface Reading {
  readonly json: JsonPlaces
  readonly given: Map<SettingName, FileSetting>
  readonly problems: FileProblem[]
}

function collect(reading: Reading, object: Readonly<Record<string, unknown>>, above: readonly string[]): void {
  const { json, given, problems } = reading
  for (const [key, value] of Object.entries(object)) {
    const path = [...above, key]
    const place = json.placeOf(path)
    const name = path.join('.')
    if (name === '$schema') continue
    if (!isSettingName(name)) {
      if (isObject(value) && settingNames.some((one) => one.startsWith(`${name}.`))) collect(reading, value, path)
      else problems.push({ place, words: unknownSetting(name) })
    } else if (settings[name].secret) {
      const file = isSettingName(`${name}File`) ? `, or in a file that ${name}File names` : ''
      problems.push({
        place,
        words: `${name} is a secret and does not belong into this file: put it in the environment as ${variableOf(name)}${file}`,
      })
    } else if (given.has(name)) problems.push({ place, words: `${name} stands there twice` })
    else given.set(name, { value, place })
  }
}

function unknownSetting(name: string): string {
  const group = settingNames.find((one) => one.startsWith(`${name}.`))
  if (group !== undefined) return `${name} takes an object, e.g. { ${JSON.stringify(group.slice(name.length + 1))}: ... }`
  const byFlag = settingNames.find((one) => flagOf(one) === name || variableOf(one) === name)
  const groups = new Set(settingNames.flatMap((one) => (one.includes('.') ? [one.split('.', 1)[0]!] : [])))
  const byLastPart = settingNames.find((one) => one.split('.').at(-1) === name.split('.').at(-1))
  const near = byFlag ?? byLastPart ?? nearestName(name, [...settingNames, ...groups])
  return `there is no setting ${JSON.stringify(name)}${near === null ? '' : `; did you mean ${near}?`}`
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
