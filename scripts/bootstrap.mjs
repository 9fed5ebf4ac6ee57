// Runs a command of this repository with the toolchain of this repository, on a machine that has only Node >= 18 and npm.
//
//   node scripts/bootstrap.mjs [--build] COMMAND [ARGS...]
//
// Decides: whether node_modules is missing or stale (then it installs with pnpm, through npm), whether to
// build the packages first (--build), and where COMMAND is. `node` is the Node 24 of the npm package `node`; any other
// command is a bin of a root devDependency and runs under that Node, never through a shell. `pnpm` is pnpm through npm.
// Reads: package.json, pnpm-lock.yaml, pnpm-workspace.yaml, packages/*/package.json. Read by: the package scripts.
// Plain JavaScript with no imports outside Node 18, because it runs before anything is installed.
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const windows = process.platform === 'win32'
const nodeMajorMin = 18
const pnpm = 'pnpm@12'
const installLockStaleMs = 10 * 60_000
const orphanCheckMs = 500

const args = process.argv.slice(2)
const build = args[0] === '--build'
if (build) args.shift()
const [command, ...rest] = args

checkNode()
if (command === undefined) fail('no command given: node scripts/bootstrap.mjs [--build] COMMAND [ARGS...]', 2)
installIfStale()
if (build) {
  const status = runAndWait('tsc', ['-b', 'tsconfig.build.json'])
  if (status !== 0) fail('the build failed: correct the errors above, then run the command again', status)
}
runAndExit(command, rest)

function checkNode() {
  const major = Number(process.versions.node.split('.')[0])
  if (major >= nodeMajorMin) return
  fail(`Node ${process.versions.node} is too old: Node >= ${nodeMajorMin} is needed to install the toolchain`, 1)
}

/** Installs when the manifests or the lockfile changed since the last install by this script, or the platform did. */
function installIfStale() {
  const stamp = join(root, 'node_modules', '.syncline-install')
  const wanted = installKey()
  if (isInstalled(stamp, wanted)) return
  const release = lockInstall()
  const before = isInstalled(stamp, wanted) // another process may have installed while this one waited
  const status = before ? 0 : runAndWait('pnpm', ['install', '--frozen-lockfile'])
  if (status === 0 && !before) writeFileSync(stamp, wanted)
  release()
  if (status !== 0) fail(`the install failed. After a change to a manifest, run: npx ${pnpm} install`, status)
}

function isInstalled(stamp, wanted) {
  return existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted
}

function installKey() {
  const hash = createHash('sha256')
  const packages = readdirSync(join(root, 'packages')).sort()
  const manifests = packages.map((name) => join('packages', name, 'package.json'))
  for (const file of ['package.json', 'pnpm-lock.yaml', 'pnpm-workspace.yaml', ...manifests]) {
    if (!existsSync(join(root, file))) continue
    hash
      .update(`${file}\0`)
      .update(readFileSync(join(root, file)))
      .update('\0')
  }
  return `${process.platform} ${process.arch} ${hash.digest('hex')}\n`
}

/** Two commands started at once on a fresh clone install once. A lock left by a killed install is taken over. */
function lockInstall() {
  const lock = join(root, '.cache', 'install.lock')
  mkdirSync(dirname(lock), { recursive: true })
  for (let waited = false; ; waited = true) {
    try {
      mkdirSync(lock)
      return () => rmSync(lock, { recursive: true, force: true })
    } catch (error) {
      if (error.code !== 'EEXIST') throw error
    }
    if (lockAgeMs(lock) > installLockStaleMs) rmSync(lock, { recursive: true, force: true })
    if (!waited) console.error(`waiting for another install to finish (${lock})`)
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500)
  }
}

function lockAgeMs(lock) {
  try {
    return Date.now() - statSync(lock).mtimeMs
  } catch {
    return 0 // it was released in between
  }
}

/** pnpm through npm: nothing but npm has to be there. */
function pnpmCommand() {
  const npmArgs = ['exec', '--yes', `--package=${pnpm}`, '--', 'pnpm']
  const npm = process.env['npm_execpath']
  if (npm !== undefined && /npm-cli\.[cm]?js$/.test(npm)) return { file: process.execPath, first: [npm, ...npmArgs], shell: false }
  // On Windows npm is a .cmd file, which needs a shell; the arguments that this repository gives hold nothing that a shell would read.
  return { file: 'npm', first: npmArgs, shell: windows }
}

function runAndWait(name, commandArgs) {
  const { file, first, shell } = resolveCommand(name)
  return exitCode(spawnSync(file, [...first, ...commandArgs], { cwd: root, stdio: 'inherit', env: toolEnv(), shell }))
}

/** Replaces this process as far as the platform allows: same terminal, signals passed on, same end. */
function runAndExit(name, commandArgs) {
  const { file, first, shell } = resolveCommand(name)
  const child = spawn(file, [...first, ...commandArgs], { cwd: root, stdio: 'inherit', env: toolEnv(), shell })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    // A terminal sends SIGINT to the whole group itself; passing it on twice would read as "force".
    process.on(signal, () => {
      if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal)
    })
  }
  if (process.env['npm_lifecycle_event'] !== undefined) {
    // Told to end, npm ends the shell between it and this process, and says nothing here: the sign is a new parent.
    const parent = process.ppid
    setInterval(() => {
      if (process.ppid !== parent) child.kill('SIGTERM')
    }, orphanCheckMs).unref()
  }
  child.on('error', (error) => fail(`${name} could not be started: ${error.message}`, 1))
  child.on('exit', (code, signal) => process.exit(exitCode({ status: code, signal })))
}

function exitCode(result) {
  if (result.error !== undefined) console.error(result.error.message)
  if (result.signal) return 128 + (constants.signals[result.signal] ?? 1)
  return result.status ?? 1
}

function toolEnv() {
  const path = Object.keys(process.env).find((name) => name.toUpperCase() === 'PATH') ?? 'PATH'
  const first = [join(root, 'node_modules', '.bin'), join(root, 'node_modules', 'node', 'bin')]
  return { ...process.env, [path]: [...first, process.env[path] ?? ''].join(delimiter) }
}

/** The Node of the npm package `node`. */
function toolNode() {
  const binary = join(root, 'node_modules', 'node', 'bin', windows ? 'node.exe' : 'node')
  if (!existsSync(binary)) fail(`${binary} is missing: delete node_modules and run the command again`, 1)
  return binary
}

/** Finds the JavaScript file behind a bin of a root devDependency, so that no shell script or .cmd shim is needed. */
function resolveCommand(name) {
  if (name === 'pnpm') return pnpmCommand()
  if (name === 'node') return { file: toolNode(), first: [], shell: false }
  const { devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  for (const dependency of Object.keys(devDependencies)) {
    const folder = join(root, 'node_modules', dependency)
    const { bin } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
    const file = typeof bin === 'string' ? (dependency.split('/').pop() === name ? bin : undefined) : bin?.[name]
    if (file !== undefined) return { file: toolNode(), first: [join(folder, file)], shell: false }
  }
  return fail(`${name} is no bin of a root devDependency`, 2)
}

function fail(message, code) {
  console.error(`syncline: ${message}`)
  process.exit(code)
}
