// The files for Prometheus and Grafana against the tools that read them: every rule and expression is checked, and a real Prometheus scrapes a running relay and
// fires the lag alert when a peer is stopped. What needs Prometheus is skipped, in words, where it is not installed.

import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DEFAULT_SPACE, parseDocId } from '@syncline/protocol'
import { Replica, type GuestPort } from '@syncline/replica'
import { listen, nodeClock, nodeCompression, nodeRandom } from '@syncline/replica/ws'
import { openSqliteStore } from '@syncline/store/sqlite'
import { expect, onTestFinished, test, vi } from 'vitest'
import * as Y from 'yjs'
import { createAdminServer } from '../../packages/relay/src/admin/admin-server.ts'
import { Health } from '../../packages/relay/src/admin/health.ts'
import { metricTable } from '../../packages/relay/src/metrics/metric-table.ts'
import { createRelayMetrics } from '../../packages/relay/src/metrics/relay-metrics.ts'
import { repository } from './program.ts'

const rulesFile = join(repository, 'deploy/prometheus/syncline-alerts.yml')
const ruleTestsFile = join(repository, 'deploy/prometheus/syncline-alerts.test.yml')
const dashboardFile = join(repository, 'deploy/grafana/syncline-dashboard.json')
const clock = nodeClock()

const installed = ['promtool', 'prometheus'].every((tool) => spawnSync(tool, ['--version']).status === 0)
if (!installed) console.log('Prometheus is not installed (Debian: apt-get install prometheus): its tests are skipped.')

interface Alert {
  readonly name: string
  readonly expr: string
  readonly text: string
}

/** The rules, by the shape that this repository writes them in. */
const alerts: readonly Alert[] = readFileSync(rulesFile, 'utf8')
  .split(/^ {6}- alert: /m)
  .slice(1)
  .map((text) => ({ name: text.split('\n', 1)[0]!, expr: /^ +expr: (.*)$/m.exec(text)?.[1] ?? '', text }))

interface Panel {
  readonly title: string
  readonly targets?: readonly { readonly expr: string }[]
}

/** The dashboard's expressions as Grafana sends them, for all relays and a window of a minute. */
const dashboard: readonly { readonly title: string; readonly expr: string }[] = (
  JSON.parse(readFileSync(dashboardFile, 'utf8')) as { panels: readonly Panel[] }
).panels.flatMap(({ title, targets = [] }) =>
  targets.map(({ expr }) => ({ title, expr: expr.replaceAll('$instance', '.*').replaceAll('$__rate_interval', '1m') })),
)

function promtool(...args: string[]): void {
  const { status, stdout, stderr } = spawnSync('promtool', args, { encoding: 'utf8' })
  expect(status, `promtool ${args.join(' ')}\n${stdout}${stderr}`).toBe(0)
}

function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), 'syncline-prometheus-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }))
  return folder
}

test('[MT-6] alerts and dashboard speak only of metrics that a relay has', () => {
  const known = new Set(
    Object.entries(metricTable).flatMap(([name, { type }]) => [name, ...(type === 'histogram' ? [`${name}_bucket`] : [])]),
  )
  expect(alerts.length).toBeGreaterThan(10)
  expect(dashboard.length).toBeGreaterThan(30)
  const used = [...alerts, ...dashboard].flatMap(({ expr }) => expr.match(/\bsyncline_\w+/g) ?? [])
  expect(used.filter((name) => !known.has(name))).toEqual([])
})

test('[MT-6] every alert has a severity, a summary, a description, a section in the runbook and a case in which it fires', () => {
  const operations = readFileSync(join(repository, 'docs/operations.md'), 'utf8')
  const cases = readFileSync(ruleTestsFile, 'utf8')
  for (const { name, text } of alerts) {
    for (const part of ['severity: (page|warn)', 'summary: .', 'description: .']) expect(text, name).toMatch(new RegExp(part))
    expect(text, name).toContain(`runbook: 'docs/operations.md#${name.toLowerCase()}'`)
    expect(operations, name).toMatch(new RegExp(`^#+ ${name}$`, 'm'))
    expect(cases, name).toContain(`docs/operations.md#${name.toLowerCase()}`)
  }
})

test.skipIf(!installed)('[MT-6] Prometheus takes the alert rules, and each fires when it should and not otherwise', () => {
  promtool('check', 'rules', rulesFile)
  promtool('test', 'rules', ruleTestsFile)
})

test.skipIf(!installed)(
  '[MT-6] every expression of the dashboard is valid, and what a relay tells is clean for the linter of Prometheus',
  async () => {
    const rules = dashboard.map(
      ({ expr }, index) => `      - record: dashboard:expression:${index}\n        expr: ${JSON.stringify(expr)}\n`,
    )
    const file = join(scratch(), 'dashboard.yml')
    writeFileSync(file, `groups:\n  - name: dashboard\n    rules:\n${rules.join('')}`)
    promtool('check', 'rules', file)
    const metrics = createRelayMetrics({ clock, connections: () => ({}) })
    onTestFinished(() => metrics.close())
    metrics.accessRefused('native', 'auth-required')
    const { text } = await metrics.scrape()
    const ofProcess = dashboard.flatMap(({ expr }) => expr.match(/\b(?:process|nodejs)_\w+/g) ?? [])
    expect(ofProcess.filter((name) => !text.includes(`\n${name} `))).toEqual([])
    const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], {
      input: await metrics.registry.metrics(),
      encoding: 'utf8',
    })
    expect(status, `${stdout}${stderr}`).toBe(0)
  },
)

test.skipIf(!installed)(
  '[MT-7] a real Prometheus scrapes a running relay, and fires the lag alert when a peer is stopped, until it goes on',
  async () => {
    const relay = await startRelay()
    const peer = await startPeer(`ws://127.0.0.1:${relay.port}`)
    await eventually(() => expect(relay.replica.status().peers).toMatchObject([{ role: 'relay', synced: true }]))
    const [linked] = relay.replica.status().peers
    const labels = { peer: linked!.replicaId.slice(0, 8), role: 'relay' }
    const prometheus = await startPrometheus(relay.adminPort)
    onTestFinished(relay.typing())

    // Healthy: the relay is seen, the peer keeps up, nothing fires.
    await eventually(async () => {
      expect(await prometheus.query('rate(syncline_commit_rows_total[5s]) > 1 and syncline_documents == 1')).toHaveLength(1)
      expect(await prometheus.query(`syncline_peer_linked{peer="${labels.peer}"} == 1`)).toHaveLength(1)
      expect(await prometheus.query('syncline_ack_duration_seconds_count{tier="copies"} > 0')).toHaveLength(1)
    })
    expect(await prometheus.query('up{job="syncline"} == 1')).toHaveLength(1)
    expect(await prometheus.alerts()).toEqual([])
    for (const { title, expr } of dashboard) expect(await prometheus.query(expr), `${title}: ${expr}`).toBeInstanceOf(Array)

    peer.kill('SIGSTOP')
    await eventually(async () => {
      const firing = await prometheus.alerts()
      expect(firing).toContainEqual(expect.objectContaining({ alertname: 'SynclinePeerLag', severity: 'page', ...labels }))
    })
    // Meanwhile it is the only thing that is wrong.
    expect((await prometheus.alerts()).map(({ alertname }) => alertname)).toEqual(['SynclinePeerLag'])
    peer.kill('SIGCONT')
    await eventually(async () => expect(await prometheus.alerts()).toEqual([]))
  },
  60_000,
)

interface RunningRelay {
  readonly replica: Replica
  readonly port: number
  readonly adminPort: number
  /** Somebody types through a foreign door. Returns the way to stop. */
  typing(): () => void
}

/** The parts of a relay that this is about: a space on disk, a port for peers, the admin port. */
async function startRelay(): Promise<RunningRelay> {
  const path = join(scratch(), 'default.db')
  const metrics = createRelayMetrics({ clock, connections: () => ({ native: 1 }), dataFiles: () => [path] })
  onTestFinished(() => metrics.close())
  const space = metrics.space()
  const store = await openSqliteStore({ path, space: DEFAULT_SPACE, durability: 'process' })
  const replica = new Replica({ store, role: 'relay', clock, random: nodeRandom, compression: nodeCompression, observer: space.observer })
  space.opened(replica)
  onTestFinished(() => replica.close())
  const listener = await listen(replica, { port: 0 })
  onTestFinished(() => listener.close())
  const health = new Health(clock)
  health.watch(replica)
  health.listening = true
  const admin = await createAdminServer({ port: 0, clock, health, metrics })
  onTestFinished(() => admin.close())
  const port: GuestPort = {
    deliver: () => undefined,
    presence: () => undefined,
    ping: () => undefined,
    close: () => undefined,
    buffered: () => 0,
  }
  const typing = (): (() => void) => {
    const guest = replica.attachGuest(parseDocId('note/1'), port)
    const doc = new Y.Doc()
    doc.on('update', (update: Uint8Array) => void guest.write(update))
    return clock.every(100, () => doc.getText('body').insert(0, 'x'))
  }
  return { replica, port: listener.port, adminPort: admin.port, typing }
}

async function startPeer(url: string): Promise<ChildProcess> {
  const program = join(repository, 'test/integration/relay-peer.ts')
  const peer = spawn(process.execPath, ['--conditions=syncline-source', program, url], {
    cwd: repository,
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  onTestFinished(() => ended(peer))
  return peer
}

interface RunningPrometheus {
  query(expr: string): Promise<readonly unknown[]>
  /** Labels of what fires. */
  alerts(): Promise<readonly Readonly<Record<string, string>>[]>
}

/** The alert rules as they are, but the lag alert in a hurry. */
async function startPrometheus(adminPort: number): Promise<RunningPrometheus> {
  const folder = scratch()
  const slow = 'syncline_peer_lag_seconds) > 30\n        for: 1m\n'
  const rules = readFileSync(rulesFile, 'utf8')
  expect(rules).toContain(slow)
  writeFileSync(join(folder, 'alerts.yml'), rules.replace(slow, 'syncline_peer_lag_seconds) > 3\n        for: 1s\n'))
  writeFileSync(
    join(folder, 'prometheus.yml'),
    `global: { scrape_interval: 500ms, evaluation_interval: 500ms }
rule_files: [alerts.yml]
scrape_configs:
  - job_name: syncline
    static_configs: [{ targets: ['127.0.0.1:${adminPort}'] }]
`,
  )
  const address = `127.0.0.1:${await freePort()}`
  const args = [
    `--config.file=${join(folder, 'prometheus.yml')}`,
    `--storage.tsdb.path=${join(folder, 'data')}`,
    `--web.listen-address=${address}`,
  ]
  const server = spawn('prometheus', [...args, '--log.level=error'], { stdio: ['ignore', 'ignore', 'inherit'] })
  onTestFinished(() => ended(server))
  const get = async (path: string): Promise<Response> => {
    const response = await fetch(`http://${address}${path}`)
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
    return response
  }
  await eventually(() => get('/-/ready'))
  return {
    async query(expr) {
      const answer = (await (await get(`/api/v1/query?query=${encodeURIComponent(expr)}`)).json()) as { data: { result: unknown[] } }
      return answer.data.result
    },
    async alerts() {
      const answer = (await (await get('/api/v1/alerts')).json()) as {
        data: { alerts: { state: string; labels: Record<string, string> }[] }
      }
      return answer.data.alerts.filter(({ state }) => state === 'firing').map((alert) => alert.labels)
    },
  }
}

/** Ends a process that may be stopped, and waits for it. */
function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve()
    child.once('close', () => resolve())
    child.kill('SIGKILL')
  })
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}

function eventually<T>(check: () => T | Promise<T>): Promise<T> {
  return vi.waitFor(check, { timeout: 20_000, interval: 100 })
}
