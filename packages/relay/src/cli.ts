// The `syncline` command line: picks the command, prints help and version, turns errors into words and exit codes. bin/syncline.js calls main().
// Rules: CL-1 to CL-3.

import { SynclineError } from '@syncline/protocol'
import { nodeClock } from '@syncline/replica/ws'
import { aligned, commandHelp, EXIT, type Command } from './cli-command.ts'
import { relayVersion } from './relay-version.ts'
import { processTerminal, type Terminal } from './terminal.ts'

/** Each is loaded when it is asked for: a relay that serves has no use for importers, nor for what signs tokens. */
const commands = {
  serve: async () => (await import('./commands/serve.ts')).serveCommand,
  'check-config': async () => (await import('./commands/check-config.ts')).checkConfigCommand,
  ls: async () => (await import('./commands/ls.ts')).lsCommand,
  inspect: async () => (await import('./commands/inspect.ts')).inspectCommand,
  export: async () => (await import('./commands/export.ts')).exportCommand,
  import: async () => (await import('./commands/import.ts')).importCommand,
  verify: async () => (await import('./commands/verify.ts')).verifyCommand,
  upgrade: async () => (await import('./commands/upgrade.ts')).upgradeCommand,
  token: async () => (await import('./commands/token.ts')).tokenCommand,
} as const satisfies Readonly<Record<string, () => Promise<Command>>>

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
    const text = rest[0] === undefined ? await overview() : commandHelp(await find(rest[0]))
    if (name === undefined) terminal.note(text)
    else terminal.print(text)
    return name === undefined ? EXIT.usage : EXIT.ok
  }
  const chosen = await find(name)
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

/** Rejects with "usage". */
async function find(name: string): Promise<Command> {
  if (Object.hasOwn(commands, name)) return await commands[name as keyof typeof commands]()
  throw new SynclineError('usage', `There is no command ${JSON.stringify(name)}; there are ${Object.keys(commands).join(', ')}.`)
}

async function overview(): Promise<string> {
  const all = await Promise.all(Object.values(commands).map((load) => load()))
  return [
    'syncline COMMAND [options]',
    '',
    'Serves a Syncline relay and looks after its data folder.',
    '',
    'Commands',
    ...aligned(all.map((one) => [one.name, one.summary])),
    '',
    'syncline COMMAND --help tells more, syncline --version the version.',
    '',
    'Exit codes: 0 done, 1 failed, 2 wrong arguments or configuration, 3 problems found, 4 done in part.',
    '',
  ].join('\n')
}
