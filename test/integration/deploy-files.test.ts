// The files under deploy/, each judged by the tool that will read it: systemd, HAProxy, Compose, and a build of the image. A tool that is not there skips its
// test; the image is built only with SYNCLINE_IMAGE=1 (it takes minutes, buildah, and a base image named node:24-slim: deploy/docker/local-base.sh makes one).

import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { commandHere } from './command-here.ts'
import { repository } from './program.ts'

const deploy = join(repository, 'deploy')
const folder = mkdtempSync(join(tmpdir(), 'syncline-deploy-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

interface Ran {
  readonly code: number | null
  readonly text: string
}

function run(command: string, args: readonly string[], options: { readonly cwd?: string; readonly withinMs?: number } = {}): Ran {
  const { status, stdout, stderr } = spawnSync(command, args, {
    cwd: options.cwd ?? folder,
    encoding: 'utf8',
    timeout: options.withinMs ?? 20_000,
    maxBuffer: 64 * 1024 * 1024,
  })
  return { code: status, text: `${stdout ?? ''}${stderr ?? ''}` }
}

/** The first command line of these that runs here. */
function toolOf(...lines: readonly (readonly [string, ...string[]])[]): readonly [string, ...string[]] | null {
  return lines.find(([command, ...args]) => run(command, [...args, 'version']).code === 0) ?? null
}

const unitText = readFileSync(join(deploy, 'systemd', 'syncline.service'), 'utf8')
const dockerfile = readFileSync(join(deploy, 'docker', 'Dockerfile'), 'utf8')

/** Assignments of a unit by name. */
function unitValues(text: string): ReadonlyMap<string, readonly string[]> {
  const values = new Map<string, string[]>()
  for (const [, name = '', value = ''] of text.matchAll(/^([A-Za-z]+)=(.*)$/gm)) values.set(name, [...(values.get(name) ?? []), value])
  return values
}

/** Instructions of a Dockerfile, continued lines joined. */
function instructions(text: string): readonly { readonly name: string; readonly rest: string }[] {
  return text
    .replace(/^#.*\n/gm, '')
    .replace(/\\\n/g, ' ')
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => ({ name: line.split(' ', 1)[0]!, rest: line.slice(line.indexOf(' ') + 1).trim() }))
}

const systemd = run('systemd-analyze', ['--version']).code === 0

test.skipIf(!systemd)(
  '[DP-1] systemd accepts the unit without a word, and finds the service well shut in (exposure at most 2.0 of 10)',
  () => {
    const unit = join(folder, 'syncline.service')
    // The command is installed on the machine that runs it; here it is the one of the repository.
    writeFileSync(unit, unitText.replace(/(?<=^ExecStart=)\S+/m, join(repository, 'packages', 'relay', 'bin', 'syncline.js')))
    expect(run('systemd-analyze', ['verify', unit])).toEqual({ code: 0, text: '' })
    const exposure = run('systemd-analyze', ['security', '--offline=true', '--threshold=20', '--no-pager', unit])
    expect(exposure.text).toContain('Overall exposure level')
    expect(exposure.code, exposure.text.split('\n').at(-2)).toBe(0)
  },
)

test('[DP-1] the unit gives a drain its time, does not start a wrong configuration over and over, and has descriptors for all connections', async () => {
  const { RELAY_LIMITS } = await import('@syncline/relay')
  const unit = unitValues(unitText)
  const number = (name: string): number => Number(unit.get(name)?.at(-1))
  expect(number('TimeoutStopSec') * 1000).toBeGreaterThanOrEqual(2 * RELAY_LIMITS.drainMs)
  expect(unit.get('RestartPreventExitStatus')).toEqual(['2'])
  expect(unit.get('Restart')).toEqual(['on-failure'])
  expect(number('LimitNOFILE')).toBeGreaterThan(RELAY_LIMITS.connectionsMax + RELAY_LIMITS.backlog)
  expect(unit.get('ExecStart')).toEqual(['/usr/local/bin/syncline serve --config /etc/syncline/relay.json'])
})

test('[DP-1] the configuration beside the unit is a good one, with the environment that the unit gives', async () => {
  const secret = join(folder, 'jwt-secret')
  writeFileSync(secret, 's'.repeat(44), { mode: 0o600 })
  const variables = (unitValues(unitText).get('Environment') ?? []).map((one) => one.split('=') as [string, string])
  const given = Object.fromEntries(variables.filter(([name]) => name.startsWith('SYNCLINE_')))
  expect(Object.keys(given).sort()).toEqual(['SYNCLINE_AUTH_JWT_SECRET_FILE', 'SYNCLINE_DATA'])
  const flags = ['--auth-jwt-secret-file', secret, '--data', join(folder, 'data')]
  const checked = await commandHere('check-config', '--config', join(deploy, 'systemd', 'relay.json'), ...flags)
  expect(checked).toMatchObject({ code: 0, stdout: '', stderr: 'The configuration is good.\n' })
})

const compose = toolOf(['docker', 'compose'], ['docker-compose'])

test.skipIf(compose === null)(
  '[DP-2] Compose reads the file as two relays that peer, each with its volume, and gives a drain its time',
  async () => {
    const { RELAY_LIMITS } = await import('@syncline/relay')
    const [command, ...args] = compose!
    const file = join(deploy, 'docker', 'compose.yml')
    const { code, text } = run(command, [...args, '-f', file, 'config'])
    expect(code, text).toBe(0)
    const services = [...text.matchAll(/^ {2}(relay-[ab]):\n((?: {4}.*\n)+)/gm)].map(([, name, body]) => [name, body!] as const)
    expect(services.map(([name]) => name)).toEqual(['relay-a', 'relay-b'])
    for (const [name, body] of services) {
      expect(body).toContain(`SYNCLINE_PEERS: ws://${name === 'relay-a' ? 'relay-b' : 'relay-a'}:4400`)
      expect(body).toContain(name === 'relay-a' ? 'data-a' : 'data-b')
      expect(Number(/stop_grace_period: (\d+)s/.exec(body)?.[1]) * 1000).toBeGreaterThan(2 * RELAY_LIMITS.drainMs)
      expect(body).not.toContain('SYNCLINE_INSECURE')
    }
  },
)

test('[DP-2] every SYNCLINE_ variable of the image and of Compose is a setting, and with a secret they make a good configuration', async () => {
  const composeText = readFileSync(join(deploy, 'docker', 'compose.yml'), 'utf8')
  const secret = join(folder, 'secret')
  writeFileSync(secret, 's'.repeat(44), { mode: 0o600 })
  const variables = new Map<string, string>()
  for (const [, name = '', value = ''] of composeText.matchAll(/^\s+(SYNCLINE_[A-Z_]+): (.*)$/gm)) variables.set(name, value)
  const image = instructions(dockerfile).find(({ name }) => name === 'ENV')!.rest
  for (const [, name = '', value = ''] of image.matchAll(/(SYNCLINE_[A-Z_]+)=(\S+)/g)) variables.set(name, value)
  const paths = { '/data': join(folder, 'data'), '/run/secrets/jwt-secret': secret, '/run/secrets/peer-token': secret }
  const set = [...variables].map(([name, value]) => [name, paths[value as keyof typeof paths] ?? value] as const)
  for (const [name, value] of set) process.env[name] = value
  try {
    const checked = await commandHere('check-config', '--print', '--json')
    const said = JSON.parse(checked.stdout) as { problems: string[]; remarks: string[]; settings: { source: string }[] }
    expect(said.problems).toEqual([])
    const used = new Set(said.settings.map(({ source }) => source))
    for (const [name] of set) expect(used.has(name), name).toBe(true)
  } finally {
    for (const [name] of set) delete process.env[name]
  }
})

test('[DP-3] the image is built in stages, runs the relay itself as a user without rights, and says whether it lives', () => {
  const steps = instructions(dockerfile)
  const last = steps.slice(steps.findLastIndex(({ name }) => name === 'FROM'))
  const only = (name: string): string => last.findLast((step) => step.name === name)?.rest ?? ''
  expect(steps.filter(({ name }) => name === 'FROM').map(({ rest }) => rest)).toEqual(['node:24-slim AS build', 'node:24-slim'])
  expect(only('USER')).toBe('node')
  // The exec form: signals reach the relay, and no shell stands between.
  expect(JSON.parse(only('ENTRYPOINT'))).toEqual(['node', '/relay/bin/syncline.js'])
  expect(JSON.parse(only('CMD'))).toEqual(['serve'])
  expect(only('STOPSIGNAL')).toBe('SIGTERM')
  expect(only('VOLUME')).toBe('/data')
  expect(only('HEALTHCHECK')).toContain('/livez')
  // No secret and no switch that lifts the guard.
  expect(dockerfile).not.toMatch(/^ENV.*(SECRET|TOKEN|INSECURE)/m)
  const known = new Set([
    'FROM',
    'WORKDIR',
    'COPY',
    'RUN',
    'ENV',
    'USER',
    'VOLUME',
    'EXPOSE',
    'STOPSIGNAL',
    'HEALTHCHECK',
    'ENTRYPOINT',
    'CMD',
  ])
  expect(steps.filter(({ name }) => !known.has(name))).toEqual([])
})

const image = process.env['SYNCLINE_IMAGE'] === '1' && run('buildah', ['--version']).code === 0

test.skipIf(!image)('[DP-3] the image builds without a daemon, and its command runs as its user', { timeout: 900_000 }, () => {
  const context = join(folder, 'context')
  const tracked = run('git', ['ls-files', '-co', '--exclude-standard'], { cwd: repository }).text.split('\n')
  for (const path of tracked.filter((one) => one !== '' && existsSync(join(repository, one)))) {
    mkdirSync(dirname(join(context, path)), { recursive: true })
    cpSync(join(repository, path), join(context, path))
  }
  const rules = ['--ignorefile', 'deploy/docker/Dockerfile.dockerignore', '--file', 'deploy/docker/Dockerfile']
  const built = run('buildah', ['bud', '--isolation', 'chroot', '--pull-never', ...rules, '--tag', 'syncline-relay-test', '.'], {
    cwd: context,
    withinMs: 800_000,
  })
  expect(built.code, built.text.slice(-3000)).toBe(0)
  const container = run('buildah', ['from', '--pull-never', 'syncline-relay-test']).text.trim()
  try {
    const inside = (script: string): string =>
      run('buildah', ['run', '--isolation', 'chroot', container, '--', 'sh', '-c', script], { withinMs: 120_000 }).text
    expect(inside('id -un && syncline --version')).toMatch(/^node\n\d+\.\d+\.\d+/)
    expect(inside('SYNCLINE_PORT=0 syncline serve 2>&1; echo "exit $?"')).toMatch(/host-not-loopback[\s\S]*exit 1/)
    const text = inside(SERVED)
    expect(text).toMatch(/relay ready on ws:\/\/0\.0\.0\.0:\d+/)
    expect(text).toMatch(/healthy 0\n[\s\S]*0 documents[\s\S]*ended 0\n/)
  } finally {
    run('buildah', ['rm', container])
  }
})

/** What HEALTHCHECK runs, for a shell. */
const healthScript = /"-e", ("fetch[^\n]*")\]/.exec(dockerfile)?.[1] ?? 'process.exit(9)'

/** Serves in the container until it is ready, asks whether it lives, looks into its data, and stops it as a container is stopped. */
const SERVED = `
  export SYNCLINE_PORT=0 SYNCLINE_ADMIN_PORT=4480 SYNCLINE_AUTH_JWT_SECRET=${'s'.repeat(44)}
  syncline serve > /tmp/said 2>&1 & relay=$!
  until grep -q 'relay ready' /tmp/said || ! kill -0 $relay; do sleep 0.2; done
  node -e ${healthScript}; echo "healthy $?"
  syncline ls --data /data 2>&1
  kill -TERM $relay; wait $relay; echo "ended $?"
  cat /tmp/said`

const haproxy = run('haproxy', ['-v']).code === 0

test.skipIf(!haproxy)('[DP-4] HAProxy accepts its configuration without a warning', () => {
  expect(run('haproxy', ['-c', '-f', join(deploy, 'haproxy', 'haproxy.cfg')])).toEqual({
    code: 0,
    text: expect.stringMatching(/^Configuration file is valid\s*$/),
  })
})

test('[DP-4] the proxy waits longer for a silent WebSocket than a relay is ever silent, and passes on no word of a client about itself', async () => {
  const { RELAY_LIMITS } = await import('@syncline/relay')
  const text = readFileSync(join(deploy, 'haproxy', 'haproxy.cfg'), 'utf8')
  expect(Number(/timeout tunnel (\d+)m/.exec(text)?.[1]) * 60_000).toBeGreaterThan(2 * RELAY_LIMITS.silentCloseMs)
  expect(text).toMatch(/http-check send meth GET uri \/readyz .*hdr Host localhost/)
  for (const header of ['Forwarded', 'X-Forwarded-For']) expect(text).toContain(`http-request del-header ${header}`)
  expect(text).toMatch(/http-request set-header X-Forwarded-Proto http unless/)
})

test('[DP-5] no file under deploy holds a key or a token', () => {
  const all = readdirSync(deploy, { recursive: true, encoding: 'utf8' }).filter((path) => statSync(join(deploy, path)).isFile())
  for (const path of all) expect(readFileSync(join(deploy, path), 'utf8'), path).not.toMatch(/PRIVATE KEY|eyJ[A-Za-z0-9_-]{10,}\./)
})
