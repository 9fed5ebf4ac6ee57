// The settings as a JSON Schema, for editors that complete and underline a configuration file. Secrets are not in it: a file does not take them. Pure. Read by the
// command check-config. Rule: CF-10.

import { settingNames, settings, type SettingName } from './settings.ts'

export interface ObjectSchema {
  readonly type: 'object'
  readonly description?: string
  readonly properties: Readonly<Record<string, unknown>>
  readonly patternProperties?: Readonly<Record<string, unknown>>
  readonly additionalProperties: false
}

/** Draft 2020-12. Groups are nested; dotted names are let pass. */
export function configSchema(): ObjectSchema & { readonly $schema: string } {
  const properties: Record<string, unknown> = { $schema: { type: 'string' } }
  const groups = new Map<string, Record<string, unknown>>()
  for (const name of settingNames) {
    if (settings[name].secret) continue
    const [first = '', second] = name.split('.')
    if (second === undefined) properties[first] = schemaOf(name)
    else {
      const group = groups.get(first) ?? {}
      group[second] = schemaOf(name)
      groups.set(first, group)
    }
  }
  for (const [group, inner] of groups) properties[group] = { type: 'object', properties: inner, additionalProperties: false }
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    type: 'object',
    description: 'Configuration of a Syncline relay',
    properties,
    patternProperties: { [`^(${[...groups.keys()].join('|')})\\.`]: {} },
    additionalProperties: false,
  }
}

function schemaOf(name: SettingName): Record<string, unknown> {
  const { kind, default: preset, help } = settings[name]
  return {
    description: `${help}: ${kind.list ? 'a list, each ' : ''}${kind.takes}`,
    ...kind.jsonSchema,
    ...(preset !== undefined && { default: preset }),
  }
}
