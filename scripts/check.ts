// Everything that must hold besides the tests: each step is one command, run in order; all steps run even when one fails.
// With SYNCLINE_RESULTS=FILE the counts of passed and failed steps are also written as JSON. Read by: `pnpm check` and scripts/ci.mjs.
//
//   node scripts/check.ts [STEP...]      without names: every step
import { spawnSync } from 'node:child_process'
import { readdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

interface Step {
  readonly name: string
  /** Command lines without quoting: a command and its arguments, for scripts/bootstrap.mjs. */
  readonly commands: () => readonly (readonly string[])[]
}

const root = dirname(import.meta.dirname)
const fromSource = '--conditions=syncline-source'

const steps: readonly Step[] = [
  { name: 'types', commands: () => [['tsc', '-p', 'tsconfig.json']] },
  { name: 'lint', commands: () => [['oxlint', '--type-aware', '--deny-warnings']] },
  { name: 'format', commands: () => [['oxfmt', '--check']] },
  { name: 'unused', commands: () => [['knip']] },
  {
    name: 'docs',
    commands: () => [
      ['node', fromSource, 'scripts/docs.ts', '--check'],
      ['node', fromSource, 'scripts/timeline-script.ts', '--check'],
      ['node', fromSource, 'scripts/admin-page-script.ts', '--check'],
    ],
  },
  { name: 'tidy', commands: () => [['vitest', 'run', 'test/tidy']] },
  { name: 'pack', commands: () => [['node', 'scripts/pack.ts']] },
  { name: 'publint', commands: () => tarballs().map((tarball) => ['publint', tarball, '--strict']) },
  { name: 'attw', commands: () => tarballs().map((tarball) => ['attw', tarball, '--profile', 'esm-only']) },
  { name: 'packaging', commands: () => [['vitest', 'run', '--config', 'test/packaging/vitest.config.ts']] },
]

const wanted = process.argv.slice(2)
const unknown = wanted.filter((name) => !steps.some((step) => step.name === name))
if (unknown.length > 0) {
  console.error(`no such step: ${unknown.join(', ')}. Steps: ${steps.map((step) => step.name).join(', ')}`)
  process.exit(2)
}

const chosen = steps.filter((step) => wanted.length === 0 || wanted.includes(step.name))
const failed = chosen.filter((step) => !passes(step)).map((step) => step.name)
const passed = chosen.length - failed.length
console.log(`\n${passed} of ${chosen.length} checks hold${failed.length > 0 ? `; failed: ${failed.join(', ')}` : ''}`)
const resultsFile = process.env['SYNCLINE_RESULTS']
if (resultsFile !== undefined) writeFileSync(resultsFile, JSON.stringify({ passed, failed: failed.length }))
process.exitCode = failed.length > 0 ? 1 : 0

/** Runs a step and prints one line for it; its output only when it fails. */
function passes(step: Step): boolean {
  const started = performance.now()
  const commands = step.commands()
  const bad = commands.length === 0 ? 'nothing to run' : firstFailure(commands)
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  console.log(`${bad === null ? 'ok  ' : 'FAIL'} ${step.name} (${seconds} s)`)
  if (bad !== null) console.log(bad)
  return bad === null
}

function firstFailure(commands: readonly (readonly string[])[]): string | null {
  const env = { ...process.env }
  delete env['SYNCLINE_RESULTS']
  for (const command of commands) {
    const options = { cwd: root, env, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 } as const
    const { status, stdout, stderr } = spawnSync(process.execPath, ['scripts/bootstrap.mjs', ...command], options)
    if (status !== 0) return `$ ${command.join(' ')}\n${stdout}${stderr}`
  }
  return null
}

function tarballs(): readonly string[] {
  const folder = join('.cache', 'pack')
  return readdirSync(join(root, folder))
    .filter((name) => name.endsWith('.tgz'))
    .map((name) => join(folder, name))
}
