// The settings as options of a command line: every setting but secrets is a flag, and --config names a file. Defaults stand in the help only: a default that the
// parser filled in would hide what the environment or the file says. Read by the commands serve and check-config. Rule: CF-1.

import type { OptionRow, OptionTable } from '../cli-command.ts'
import { flagOf, settingNames, settings, type SettingName } from './settings.ts'

const configOption = {
  type: 'string',
  value: 'FILE',
  short: 'c',
  help: 'configuration file; flags and SYNCLINE_ variables come before it',
} as const

/** Limits are flags too, but not listed in the help. */
export const configOptions: OptionTable = {
  ...Object.fromEntries(
    settingNames.flatMap((name): [string, OptionRow][] => {
      const flag = flagOf(name)
      return flag === null ? [] : [[flag, optionRow(name)]]
    }),
  ),
  config: configOption,
}

function optionRow(name: SettingName): OptionRow {
  const { kind, default: preset, help, short } = settings[name]
  const type = kind.placeholder === '' ? 'boolean' : 'string'
  return {
    type,
    ...(type === 'string' && { value: kind.placeholder }),
    ...(short !== undefined && { short }),
    ...(kind.list && { multiple: true }),
    help: typeof preset === 'string' || typeof preset === 'number' ? `${help} (default ${preset})` : help,
    hidden: name.startsWith('limits.'),
  }
}
