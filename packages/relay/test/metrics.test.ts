// The metrics of a relay: the table and what is told agree, labels are bounded, and the numbers are those of real replicas on real stores and sockets.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DEFAULT_SPACE, parseDocId, type ReplicaId } from '@syncline/protocol'
import { Replica, type GuestPort, type PeerStatus, type ReplicaStatus } from '@syncline/replica'
import { dial, listen, nodeClock, nodeCompression, nodeRandom } from '@syncline/replica/ws'
import { createMemoryStore } from '@syncline/store/memory'
import { openSqliteStore } from '@syncline/store/sqlite'
import { expect, onTestFinished, test, vi } from 'vitest'
import * as Y from 'yjs'
import { CommitTimes } from '../src/metrics/commit-times.ts'
import { LoopDelay } from '../src/metrics/loop-delay.ts'
import { metricTable, type MetricName, type MetricRow } from '../src/metrics/metric-table.ts'
import { PEER_SERIES_MAX, PeerWatch } from '../src/metrics/peer-watch.ts'
import { createRelayMetrics, type RelayMetrics, type RelayMetricsOptions } from '../src/metrics/relay-metrics.ts'

const clock = nodeClock()
const secretName = parseDocId('payroll/board-meeting')
const rows = Object.entries(metricTable) as [MetricName, MetricRow][]

function relayMetrics(options: Partial<RelayMetricsOptions> = {}): RelayMetrics {
  const metrics = createRelayMetrics({ clock, connections: () => ({}), ...options })
  onTestFinished(() => metrics.close())
  return metrics
}

interface Opened {
  readonly replica: Replica
  readonly path: string
}

/** A space as a relay opens it: an SQLite file, role relay. */
async function openSpace(metrics: RelayMetrics): Promise<Opened> {
  const folder = mkdtempSync(join(tmpdir(), 'syncline-metrics-'))
  const path = join(folder, 'default.db')
  const store = await openSqliteStore({ path, space: DEFAULT_SPACE, durability: 'process' })
  const space = metrics.space()
  const replica = new Replica({ store, role: 'relay', clock, random: nodeRandom, compression: nodeCompression, observer: space.observer })
  space.opened(replica)
  onTestFinished(async () => {
    await replica.close()
    rmSync(folder, { recursive: true, force: true })
  })
  return { replica, path }
}

function quietGuest(): GuestPort {
  return { deliver: () => undefined, presence: () => undefined, ping: () => undefined, close: () => undefined, buffered: () => 0 }
}

/** Samples of a scrape by `name{labels}`, labels in the order of the table. */
async function samples(metrics: RelayMetrics): Promise<ReadonlyMap<string, number>> {
  const { text } = await metrics.scrape()
  const found = new Map<string, number>()
  for (const line of text.split('\n')) {
    const sample = /^([a-z_]+(?:\{.*\})?) (\S+)$/.exec(line)
    if (sample !== null) found.set(sample[1]!, Number(sample[2]))
  }
  return found
}

function edits(...texts: string[]): Uint8Array[] {
  const doc = new Y.Doc()
  const updates: Uint8Array[] = []
  doc.on('update', (update: Uint8Array) => updates.push(update))
  for (const text of texts) doc.getText('body').insert(doc.getText('body').length, text)
  return updates
}

test('[MT-1] what a relay tells is what the table says: every metric, its type, its help and its labels, and no other', async () => {
  const metrics = relayMetrics()
  const told = await metrics.registry.getMetricsAsJSON()
  expect(told.map(({ name }) => name).toSorted()).toEqual(rows.map(([name]) => name).toSorted())
  const types = new Map([...(await metrics.scrape()).text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map((match) => [match[1], match[2]]))
  for (const [name, row] of rows) {
    expect(types.get(name), name).toBe(row.type)
    expect(told.find((metric) => metric.name === name)?.help).toBe(row.help)
  }
})

test('[MT-1] names follow the rules of Prometheus: base units, _total for counters and for nothing else, help that is a sentence', () => {
  for (const [name, { type, unit, help }] of rows) {
    expect(name).toMatch(/^syncline_[a-z]+(_[a-z]+)*$/)
    expect(name.endsWith('_total'), name).toBe(type === 'counter')
    if (unit === 'seconds') expect(name).toMatch(/_seconds(_total)?$/)
    if (unit === 'bytes') expect(name).toMatch(/_bytes(_total)?$/)
    expect(name).not.toMatch(/_(ms|milliseconds|kib|kb|mb)(_|$)/)
    expect(help).toMatch(/\.$/)
  }
})

test('[MT-1] two relays in one process do not share a number', async () => {
  const [a, b] = [relayMetrics(), relayMetrics()]
  a.accessRefused('native', 'auth-required')
  expect((await samples(a)).get('syncline_access_refused_total{door="native",code="auth-required"}')).toBe(1)
  expect((await samples(b)).has('syncline_access_refused_total{door="native",code="auth-required"}')).toBe(false)
})

test('[MT-2] a series never names a document, and a code that is not in the table is told as other', async () => {
  const metrics = relayMetrics({ connections: () => ({ native: 3, 'y-websocket': 2 }) })
  const { replica } = await openSpace(metrics)
  const guest = replica.attachGuest(secretName, quietGuest())
  expect(await guest.write(edits('top secret')[0]!)).toMatchObject({ kind: 'committed' })
  expect(await guest.write(new Uint8Array([1, 2, 3]))).toMatchObject({ kind: 'refused' })
  metrics.accessRefused('hocuspocus', 'eyJhbGciOiJub25lIn0.e30.')
  metrics.accessRefused('hocuspocus', 'constructor')
  const { text } = await metrics.scrape()
  for (const secret of ['payroll', 'board-meeting', 'top secret', 'eyJ', 'constructor']) expect(text).not.toContain(secret)
  const found = await samples(metrics)
  expect(found.get('syncline_access_refused_total{door="hocuspocus",code="other"}')).toBe(2)
  expect(found.get('syncline_connections{door="native"}')).toBe(3)
  expect(found.get('syncline_connections{door="http"}')).toBe(0)
})

test('[MT-2] however many peers there are, their series are bounded, and those beyond are told by the worst of them', async () => {
  const metrics = relayMetrics()
  const status = { peers: [], head: 0 } as unknown as ReplicaStatus
  const watch = new PeerWatch(
    () => new Set(),
    () => undefined,
  )
  for (let peer = 0; peer < 200; peer++)
    watch.note({ type: 'link-live', link: peer + 1, peer: idOf(peer), role: 'follower', durability: 'disk' }, 0)
  expect(watch.read(status, 1000)).toHaveLength(200)
  Object.assign(metrics, { readings: () => [{ ...emptyReading(), peers: watch.read(status, 1000) }] })
  const series = [...(await samples(metrics)).keys()].filter((name) => name.startsWith('syncline_peer_silence_seconds'))
  expect(series).toHaveLength(PEER_SERIES_MAX + 1)
  expect(series).toContain('syncline_peer_silence_seconds{peer="others",role="follower"}')
  // Links that end leave no more behind than there are series.
  for (let peer = 0; peer < 200; peer++) watch.note({ type: 'link-ended', link: peer + 1, peer: idOf(peer), code: 'lost' }, 60_000 + peer)
  expect(watch.read(status, 61_000)).toHaveLength(PEER_SERIES_MAX)
})

test('[MT-3] a relay that is gone is told as ever further behind and ever longer silent, for a day', () => {
  const [minute, hour] = [60_000, 3_600_000]
  const took: number[] = []
  const watch = new PeerWatch(
    () => new Set(),
    (ms) => took.push(ms),
  )
  const peer = idOf(7)
  const linked = (head: number, lag: number): ReplicaStatus =>
    ({ head, peers: [{ replicaId: peer, role: 'relay', lag, silentMs: 100 } as PeerStatus] }) as unknown as ReplicaStatus
  const alone = (head: number): ReplicaStatus => ({ head, peers: [] }) as unknown as ReplicaStatus
  watch.note({ type: 'link-live', link: 1, peer, role: 'relay', durability: 'disk' }, 0)
  watch.note({ type: 'link-live', link: 2, peer: idOf(8), role: 'device', durability: 'process' }, 0)
  watch.times.note(10, 1_000)
  expect(watch.read(linked(10, 10), 1_500)).toEqual([{ peer, role: 'relay', linked: true, lagRows: 10, lagMs: 500, silentMs: 100 }])
  watch.note({ type: 'acked', peer, scope: '*', seq: 10, durability: 'disk' }, 1_800)
  expect(took).toEqual([800])
  expect(watch.read(linked(10, 0), 2_000)).toMatchObject([{ lagRows: 0, lagMs: 0, silentMs: 100 }])
  // It goes, and the writing goes on.
  watch.note({ type: 'link-ended', link: 1, peer, code: 'lost' }, minute)
  watch.times.note(11, 2 * minute)
  watch.times.note(500, 3 * minute)
  expect(watch.read(alone(500), 4 * minute)).toEqual([
    { peer, role: 'relay', linked: false, lagRows: 490, lagMs: 2 * minute, silentMs: 3 * minute },
  ])
  expect(watch.read(alone(500), 24 * hour)).toMatchObject([{ lagMs: 24 * hour - 2 * minute }])
  expect(watch.read(alone(500), 25 * hour)).toEqual([])
})

test('[MT-3] a stranger that came and went at once is not missed, unless its address is configured', () => {
  const [stranger, configured] = [idOf(1), idOf(2)]
  const watch = new PeerWatch(
    () => new Set([configured]),
    () => undefined,
  )
  for (const [link, peer] of [stranger, configured].entries()) {
    watch.note({ type: 'link-live', link, peer, role: 'relay', durability: 'disk' }, 0)
    watch.note({ type: 'link-ended', link, peer, code: 'lost' }, 1_000)
  }
  expect(watch.read({ peers: [], head: 0 } as unknown as ReplicaStatus, 2_000).map(({ peer }) => peer)).toEqual([configured])
})

test('[MT-3] what a peer brought itself does not count as waiting for its acknowledgement', () => {
  const took: number[] = []
  const watch = new PeerWatch(
    () => new Set(),
    (ms) => took.push(ms),
  )
  const peer = idOf(1)
  watch.note({ type: 'link-live', link: 5, peer, role: 'relay', durability: 'disk' }, 0)
  watch.times.note(1, 100, new Set([5]))
  watch.times.note(2, 200, new Set([6]))
  watch.note({ type: 'acked', peer, scope: '*', seq: 2, durability: 'disk' }, 5_000)
  expect(took).toEqual([4_800])
})

test('[MT-3] the time of an old position is found within bounded memory, never too late, and within a few hundredths of its age', () => {
  const times = new CommitTimes()
  const [count, everyMs] = [50_000, 1_700]
  for (let head = 1; head <= count; head++) times.note(head, head * everyMs)
  const nowMs = count * everyMs
  for (let seq = 1; seq <= count; seq += 97) {
    const at = times.committedAtMs(seq)!
    const ageMs = nowMs - seq * everyMs
    expect(at).toBeLessThanOrEqual(seq * everyMs)
    expect(seq * everyMs - at).toBeLessThanOrEqual(2 * everyMs + ageMs / 25)
  }
  expect(times.committedAtMs(count + 1)).toBeNull()
  const { marks, recent } = times as unknown as { marks: unknown[]; recent: unknown[] }
  expect(marks.length + recent.length).toBeLessThan(5_000)
})

test('[MT-4] a blocked event loop is told in seconds, to every scrape of the next 15 s', async () => {
  const loop = new LoopDelay(clock)
  onTestFinished(() => loop.close())
  // The first beat is where measuring starts.
  await vi.waitFor(() => expect(loop.seconds().p50).toBeGreaterThan(0))
  const until = clock.now() + 250
  while (clock.now() < until);
  await vi.waitFor(() => expect(loop.seconds().max).toBeGreaterThan(0.15), { timeout: 5_000, interval: 20 })
  expect(loop.seconds().max).toBeGreaterThan(0.15)
  expect(loop.seconds().max).toBeLessThan(30)
})

test('[MT-5] commits, writes by outcome, held updates, documents and bytes on disk are counted as they are', async () => {
  const files: string[] = []
  const metrics = relayMetrics({ dataFiles: () => files, version: '1.2.3' })
  const { replica, path } = await openSpace(metrics)
  files.push(path)
  const guest = replica.attachGuest(secretName, quietGuest())
  const [first, second, third] = edits('a', 'b', 'c')
  expect((await guest.write(first!)).kind).toBe('committed')
  expect((await guest.write(first!)).kind).toBe('known')
  expect((await guest.write(third!)).kind).toBe('held')
  expect((await guest.write(new Uint8Array([7]))).kind).toBe('refused')
  await vi.waitFor(() => expect(replica.load()).toMatchObject({ heldUpdates: 1, unsettledWrites: 0 }))
  const found = await samples(metrics)
  for (const outcome of ['committed', 'known', 'held', 'refused'])
    expect(found.get(`syncline_writes_total{outcome="${outcome}"}`), outcome).toBe(1)
  expect(found.get('syncline_updates_refused_total{from="door",code="update-malformed"}')).toBe(1)
  expect(found.get('syncline_held_updates')).toBe(1)
  expect(found.get('syncline_held_bytes')).toBe(third!.length)
  expect(found.get('syncline_documents')).toBe(1)
  expect(found.get('syncline_spaces_open')).toBe(1)
  expect(found.get('syncline_guests')).toBe(1)
  expect(found.get('syncline_commit_rows_total')).toBe(1)
  expect(found.get('syncline_commit_bytes_total')).toBeGreaterThanOrEqual(first!.length)
  expect(found.get('syncline_ack_duration_seconds_count{tier="relay",from="door"}')).toBe(2)
  expect(found.get('syncline_commit_duration_seconds_count')).toBe(found.get('syncline_commits_total'))
  expect(found.get('syncline_store_bytes')).toBeGreaterThan(0)
  expect(found.get('syncline_wal_bytes')).toBeGreaterThan(0)
  expect(found.get('syncline_disk_free_bytes')).toBeGreaterThan(0)
  expect(found.get('syncline_build_info{version="1.2.3",protocol="1"}')).toBe(1)
  expect(found.get('process_resident_memory_bytes')).toBeGreaterThan(0)
  expect((await guest.write(second!)).kind).toBe('committed')
  await vi.waitFor(() => expect(replica.load().heldUpdates).toBe(0))
  await replica.close()
  expect((await samples(metrics)).get('syncline_spaces_open')).toBe(0)
})

test('[MT-5] links: peers by role, acknowledgements by tier, dials by phase, and how links end', async () => {
  const dials: ReturnType<typeof dial>[] = []
  const metrics = relayMetrics({ dials: () => dials.map(({ state }) => state) })
  const { replica } = await openSpace(metrics)
  const other = new Replica({
    store: createMemoryStore({ space: DEFAULT_SPACE, random: nodeRandom, durability: 'process' }),
    role: 'relay',
    clock,
    random: nodeRandom,
  })
  onTestFinished(() => other.close())
  const listener = await listen(other, { port: 0 })
  onTestFinished(() => listener.close())
  dials.push(dial(replica, { url: `ws://127.0.0.1:${listener.port}` }))
  onTestFinished(() => dials[0]!.close())
  const name = `peer="${other.replicaId.slice(0, 8)}",role="relay"`
  await settled(async () => {
    const found = await samples(metrics)
    expect(found.get(`syncline_peer_linked{${name}}`)).toBe(1)
    expect(found.get('syncline_peers{role="relay"}')).toBe(1)
    expect(found.get('syncline_peers_unsynced{role="relay"}')).toBe(0)
    expect(found.get('syncline_dials{phase="connected"}')).toBe(1)
  })
  const [here, there] = [edits('from here'), edits('from there')]
  await replica.attachGuest(secretName, quietGuest()).write(here[0]!)
  await other.attachGuest(secretName, quietGuest()).write(there[0]!)
  await settled(async () => {
    const found = await samples(metrics)
    expect(found.get('syncline_commit_rows_total')).toBe(2)
    expect(found.get('syncline_ack_duration_seconds_count{tier="copies",from="peer"}')).toBe(1)
    expect(found.get('syncline_ack_duration_seconds_count{tier="relay",from="link"}')).toBe(1)
    expect(found.get('syncline_ack_duration_seconds_count{tier="relay",from="door"}')).toBe(1)
    expect(found.get(`syncline_peer_lag_rows{${name}}`)).toBe(0)
    expect(found.get(`syncline_peer_silence_seconds{${name}}`)).toBeLessThan(20)
  })
  await other.close()
  await settled(async () => {
    const found = await samples(metrics)
    expect(found.get(`syncline_peer_linked{${name}}`)).toBe(0)
    expect(found.get('syncline_peers{role="relay"}')).toBe(0)
    expect(found.get('syncline_dials{phase="connected"}')).toBe(0)
    expect([...found.keys()].filter((key) => key.startsWith('syncline_links_ended_total'))).toHaveLength(1)
  })
})

function settled(check: () => Promise<void>): Promise<void> {
  return vi.waitFor(check, { timeout: 10_000, interval: 20 })
}

function idOf(number: number): ReplicaId {
  return number.toString(16).padStart(8, '0').padEnd(32, '0') as ReplicaId
}

function emptyReading(): object {
  return {
    status: { peers: [], rejected: [], diverged: [], quarantined: [], stuck: [], documents: 0, storage: 'ok' },
    load: { unsettledWrites: 0, guests: 0, openDocuments: 0, heldUpdates: 0, heldBytes: 0, presenceIds: 0 },
  }
}
