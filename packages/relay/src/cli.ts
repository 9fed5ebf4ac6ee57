// The `syncline` command line: picks the command, prints help and version, turns errors into words and exit codes. bin/syncline.js calls main().
// Rules: CL-1 to CL-3.

import { SynclineError } from '@syncline/protocol'
import { nodeClock } from '@syncline/replica/ws'
import { aligned, commandHelp, EXIT, type Command } from './cli-command.ts'
import { checkConfigCommand } from './commands/check-config.ts'
import { exportCommand } from './commands/export.ts'
import { importCommand } from './commands/import.ts'
import { inspectCommand } from './commands/inspect.ts'
import { lsCommand } from './commands/ls.ts'
import { serveCommand } from './commands/serve.ts'
import { tokenCommand } from './commands/token.ts'
import { upgradeCommand } from './commands/upgrade.ts'
import { verifyCommand } from './commands/verify.ts'
import { relayVersion } from './relay-version.ts'
import { processTerminal, type Terminal } from './terminal.ts'

const commands: readonly Command[] = [
  serveCommand,
  checkConfigCommand,
  lsCommand,
  inspectCommand,
  exportCommand,
  importCommand,
  verifyCommand,
  upgradeCommand,
  tokenCommand,
]

/** Runs one command line (without node and script) and resolves with its exit code. Does not throw for what a user can cause. */
export async function main(argv: readonly string[], terminal: Terminal = processTerminal(nodeClock())): Promise<number> {
  const [name, ...rest] = argv
  try {
    return await dispatch(name, rest, terminal)
  } catch (error) {
    terminal.progressDone()
    if (!(error instanceof SynclineError || isSystemError(error))) throw error
    terminal.note(`syncline: ${error.message}`)
    return error.code === 'usage' || error.code === 'config-invalid' ? EXIT.usage : EXIT.failure
  }
}

async function dispatch(name: string | undefined, rest: readonly string[], terminal: Terminal): Promise<number> {
  if (name === '--version' || name === '-v') {
    terminal.print(relayVersion())
    return EXIT.ok
  }
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    const asked = rest[0] === undefined ? undefined : find(rest[0])
    const text = asked === undefined ? overview() : commandHelp(asked)
    if (name === undefined) terminal.note(text)
    else terminal.print(text)
    return name === undefined ? EXIT.usage : EXIT.ok
  }
  const chosen = find(name)
  const options = rest.includes('--') ? rest.slice(0, rest.indexOf('--')) : rest
  if (options.includes('--help') || options.includes('-h')) {
    terminal.print(commandHelp(chosen))
    return EXIT.ok
  }
  return chosen.run(rest, terminal)
}

/** A file that cannot be written, a folder without permission: the system's words say it. */
function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error
}

function find(name: string): Command {
  const found = commands.find((one) => one.name === name)
  if (found === undefined)
    throw new SynclineError(
      'usage',
      `There is no command ${JSON.stringify(name)}; there are ${commands.map((one) => one.name).join(', ')}.`,
    )
  return found
}

function overview(): string {
  return [
    'syncline COMMAND [options]',
    '',
    'Serves a Syncline relay and looks after its data folder.',
    '',
    'Commands',
    ...aligned(commands.map((one) => [one.name, one.summary])),
    '',
    'syncline COMMAND --help tells more, syncline --version the version.',
    '',
    'Exit codes: 0 done, 1 failed, 2 wrong arguments or configuration, 3 problems found, 4 done in part.',
    '',
  ].join('\n')
}
