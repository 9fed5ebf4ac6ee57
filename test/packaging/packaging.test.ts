// What would be published: the tarballs of scripts/pack.ts, installed by npm into an empty folder and imported under plain Node, without the
// source condition. Run by `pnpm check` (steps pack, then packaging). Rules PK-1 to PK-5 of docs/spec.md.
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { copyFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'

interface Manifest {
  readonly name: string
  readonly version: string
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>
  readonly bin?: Readonly<Record<string, string>>
  readonly dependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
}

const run = promisify(execFile)
const root = dirname(dirname(import.meta.dirname))
const packFolder = join(root, '.cache', 'pack')
const installTimeoutMs = 240_000
/** npm's words for "no registry can be reached", which says nothing about the packages. */
const offline = /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENETUNREACH|ENOTCACHED/

let folder = ''
let installError: string | null = null
const manifests: Manifest[] = []

beforeAll(async () => {
  const tarballs = existsSync(packFolder) ? (await readdir(packFolder)).filter((name) => name.endsWith('.tgz')) : []
  if (tarballs.length === 0) throw new Error('nothing is packed: run npm run check pack packaging')
  folder = await mkdtemp(join(tmpdir(), 'syncline-packaging-'))
  await writeFile(join(folder, 'package.json'), '{ "private": true, "type": "module" }\n')
  // What users bring themselves: peers.
  const peers = ['yjs', 'fast-check'].map(
    async (name) => `${name}@${(await readManifest(join(root, 'node_modules', name, 'package.json'))).version}`,
  )
  installError = await npmInstall([...tarballs.map((name) => join(packFolder, name)), ...(await Promise.all(peers))])
  if (installError !== null) return
  for (const name of await readdir(join(folder, 'node_modules', '@syncline'))) {
    manifests.push(await readManifest(join(folder, 'node_modules', '@syncline', name, 'package.json')))
  }
}, installTimeoutMs + 30_000)

afterAll(async () => {
  if (folder !== '') await rm(folder, { recursive: true, force: true, maxRetries: 3 })
})

test('[PK-1] no published manifest names a Node binary, a workspace version or a catalog version', (context) => {
  needsInstall(context)
  const offenders = manifests.flatMap((manifest) =>
    Object.entries({ ...manifest.dependencies, ...manifest.optionalDependencies, ...manifest.peerDependencies })
      .filter(([name, range]) => /^node(-.*)?$/.test(name) || /^(workspace|catalog|link|file):/.test(range))
      .map(([name, range]) => `${manifest.name} depends on ${name} ${range}`),
  )
  expect(offenders).toEqual([])
})

test('[PK-2] every entry of every package can be imported from an installed tarball', async (context) => {
  needsInstall(context)
  const entries = manifests.flatMap((manifest) =>
    Object.entries(manifest.exports)
      .filter(([, target]) => typeof target === 'object')
      .map(([path]) => join(manifest.name, path).replaceAll('\\', '/')),
  )
  expect(entries.length).toBeGreaterThanOrEqual(manifests.length)
  for (const entry of entries) {
    const { stdout } = await node(['--input-type=module', '--eval', `console.log(Object.keys(await import('${entry}')).length)`])
    expect(Number(stdout), `${entry} exports nothing`).toBeGreaterThan(0)
  }
})

test('[PK-3] the syncline command starts from an installed tarball', async (context) => {
  needsInstall(context)
  const { stdout } = await node([syncline(), '--help'])
  expect(stdout).toContain('syncline')
})

test('[PK-3] the syncline-sim command runs seeds in threads from an installed tarball', async (context) => {
  needsInstall(context)
  const { stdout } = await node([
    join(folder, 'node_modules', '@syncline', 'testing', 'bin', 'syncline-sim.js'),
    '--runs',
    '30',
    '--workers',
    '2',
  ])
  expect(stdout).toContain('30 seeds in')
  expect(stdout).toContain(', 0 failed')
})

test('[PK-4] under a Node that is too old the syncline command says which one it needs, and loads nothing', async (context) => {
  needsInstall(context)
  const pretend = `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.20.2' } })`
  const preload = `data:text/javascript,${encodeURIComponent(pretend)}`
  const failure = await node(['--import', preload, syncline(), 'serve']).then(
    () => null,
    (error: { code: number; stderr: string }) => error,
  )
  expect(failure).toMatchObject({ code: 1 })
  expect(failure?.stderr).toMatch(/needs Node 22 or newer.*20\.20\.2/)
})

test('[PK-5] the first example runs on the installed packages as it stands', async (context) => {
  needsInstall(context)
  await copyFile(join(root, 'examples', 'two-replicas.ts'), join(folder, 'two-replicas.ts'))
  const { stdout } = await node(['two-replicas.ts'])
  expect(stdout).toContain('Hello from the laptop.')
})

/** A machine without a registry cannot tell whether the packages install: such a run is skipped, with the reason. */
function needsInstall(context: { skip: (reason: string) => never }): void {
  if (installError === null) return
  if (offline.test(installError)) context.skip('no registry can be reached')
  throw new Error(installError)
}

/** Null, or what npm said. The npm that runs this test is used as a script, so that no shell reads the paths. */
async function npmInstall(packages: readonly string[]): Promise<string | null> {
  const npm = process.env['npm_execpath'] ?? ''
  const [file, first] = npm.endsWith('npm-cli.js') ? [process.execPath, [npm]] : ['npm', []]
  const args = ['install', '--prefer-offline', '--no-audit', '--no-fund', '--no-package-lock', '--loglevel=error', ...packages]
  return run(file, [...first, ...args], { cwd: folder, timeout: installTimeoutMs }).then(
    () => null,
    (error: { message: string; stderr?: string }) => `${error.message}\n${error.stderr ?? ''}`,
  )
}

function node(args: readonly string[]): Promise<{ stdout: string; stderr: string }> {
  return run(process.execPath, [...args], { cwd: folder, timeout: 60_000, env: { ...process.env, NODE_OPTIONS: '' } })
}

function syncline(): string {
  return join(folder, 'node_modules', '@syncline', 'relay', 'bin', 'syncline.js')
}

async function readManifest(path: string): Promise<Manifest> {
  return JSON.parse(await readFile(path, 'utf8')) as Manifest
}
