// `syncline check-config`: what is wrong with a configuration, or what it comes to, without starting anything. Takes the flags of serve, so that a whole command
// line can be tried. Rules: CF-7, CF-8, CF-10.

import { command, EXIT, jsonOption } from '../cli-command.ts'
import { checkFiles } from '../config/config-checks.ts'
import { configOptions } from '../config/config-options.ts'
import { configSchema } from '../config/config-schema.ts'
import { readConfig, type RelayConfig } from '../config/load-config.ts'
import { shownSettings } from '../config/shown-config.ts'
import { counted, printable, table, type Terminal } from '../terminal.ts'

const hiddenOptions = Object.fromEntries(Object.entries(configOptions).map(([name, row]) => [name, { ...row, hidden: name !== 'config' }]))

export const checkConfigCommand = command({
  name: 'check-config',
  summary: 'says what is wrong with a configuration, or prints it',
  usage: '[--config FILE] [options of serve]',
  positionals: [0, 0],
  options: {
    ...hiddenOptions,
    print: { type: 'boolean', help: 'print every setting with its value and where that came from; no secret is shown' },
    schema: { type: 'boolean', help: 'print the JSON Schema of a configuration file, for editors, and nothing else' },
    json: { ...jsonOption, help: 'write one JSON object' },
  },
  notes: [
    'Looks at flags, SYNCLINE_ variables and the file as serve does, and at the files that they name: certificate and key fit',
    'each other, the policy can be read, keys fit their algorithm. Exit code 3: problems were found. Takes every option of serve.',
  ],
  examples: ['syncline check-config --config /etc/syncline/relay.json', 'syncline check-config --config relay.json --print'],
  async run({ print, schema, json, ...flags }, _, terminal) {
    if (schema === true) {
      terminal.print(JSON.stringify(configSchema(), null, 2))
      return EXIT.ok
    }
    const reading = readConfig({ flags, environment: process.env })
    const found = reading.config === null ? null : await checkFiles(reading.config, terminal.clock)
    const problems = [...reading.problems, ...(found?.problems ?? [])]
    const remarks = [...reading.remarks, ...(found?.remarks ?? [])]
    const shown = print === true ? reading.config : null
    if (json === true) {
      terminal.print(JSON.stringify({ problems, remarks, ...(shown !== null && { settings: shownSettings(shown) }) }))
      return problems.length > 0 ? EXIT.problems : EXIT.ok
    }
    if (shown !== null) printSettings(shown, terminal)
    for (const problem of problems) terminal.print(printable(problem))
    for (const remark of remarks) terminal.note(`note: ${printable(remark)}`)
    terminal.note(problems.length > 0 ? counted(problems.length, 'problem') : 'The configuration is good.')
    return problems.length > 0 ? EXIT.problems : EXIT.ok
  },
})

function printSettings(config: RelayConfig, terminal: Terminal): void {
  const rows = shownSettings(config).map(({ name, value, source }) => [
    name,
    printable(Array.isArray(value) ? value.join(', ') || '-' : String(value ?? '-')),
    printable(source),
  ])
  terminal.print(table([{ title: 'SETTING' }, { title: 'VALUE' }, { title: 'FROM' }], rows))
}
