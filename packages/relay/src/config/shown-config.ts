// An effective configuration for people and machines to read: every setting, its value and where it came from, and no secret in any of them. Pure. Read by the
// command check-config. Rule: CF-8.

import { placeOf, type RelayConfig } from './load-config.ts'
import { settingNames, settings, type SettingName } from './settings.ts'

export interface ShownSetting {
  readonly name: SettingName
  /** Null: not given, and there is no default. */
  readonly value: string | number | boolean | readonly string[] | null
  readonly source: string
}

export function shownSettings(config: RelayConfig): readonly ShownSetting[] {
  return settingNames.map((name) => {
    const source = config.sources[name]
    return {
      name,
      value: shownValue(name, config.values[name]),
      source: source.from === 'default' ? 'default' : source.from === 'file' ? source.name : placeOf(name, source),
    }
  })
}

function shownValue(name: SettingName, value: unknown): ShownSetting['value'] {
  if (value === undefined) return null
  if (settings[name].secret) return '(not shown)'
  if (Array.isArray(value)) return (value as readonly string[]).map(withoutSecrets)
  return typeof value === 'string' ? withoutSecrets(value) : (value as number | boolean)
}

/** Addresses may carry a password or a token in their query. */
function withoutSecrets(text: string): string {
  if (!/^[a-z]+:\/\//i.test(text) || !URL.canParse(text)) return text
  const url = new URL(text)
  if (url.username === '' && url.password === '' && url.search === '') return text
  if (url.username !== '' || url.password !== '') {
    url.username = 'not-shown'
    url.password = ''
  }
  for (const name of new Set(url.searchParams.keys())) url.searchParams.set(name, 'not-shown')
  return url.href
}
