// Campaign RR-1: two relays that peer, behind HAProxy as deploy/ configures it, are restarted one after the other, again and again, while clients of all kinds type, and
// while others come, write one edit, wait until it is acknowledged and leave for good. Measured: what was acknowledged and is missing on a relay at the end, what a
// client was told beyond a reconnect, and how long each was without a connection. Read by run-rolling-restart.ts and the test in test/integration.

import { setMaxListeners } from 'node:events'
import { nodeClock } from '@syncline/replica/ws'
import * as Y from 'yjs'
import { freePorts, startProxy, until, type Backend, type Proxy } from '../integration/haproxy.ts'
import { startRelay, temporaryFolder, type RelayProcess } from '../integration/relay-process.ts'
import { CLIENT_KINDS, openClient, type ClientKind, type RollingClient } from './rolling-clients.ts'
import { storedTokens } from './stored-content.ts'

export interface RollingOptions {
  readonly clients: Readonly<Record<ClientKind, number>>
  /** Of both relays, one after the other. */
  readonly rounds: number
  /** A client types this often. */
  readonly typeEveryMs: number
  readonly documents: number
  /** Who come, write and leave, at a time. */
  readonly visitors: number
  readonly report?: (line: string) => void
}

export interface RollingResult {
  readonly edits: number
  readonly acked: number
  /** Who came, wrote one edit, and left once it was acknowledged. */
  readonly visits: number
  /** Acknowledged, or made by who is still there, and missing: by relay, and in its file. */
  readonly lost: readonly string[]
  /** Beyond a reconnect. */
  readonly errors: readonly string[]
  /** By kind: reconnects of the one with most, and the longest time without a synced connection. */
  readonly kinds: Readonly<Record<ClientKind, { readonly reconnectsMax: number; readonly gapMsMax: number; readonly ackMsMax: number }>>
  readonly restarts: readonly RestartFigures[]
}

export interface RestartFigures {
  readonly relay: string
  /** From SIGTERM to the exit. */
  readonly endMs: number
  /** From the start to the ready line. */
  readonly startMs: number
  readonly exitCode: number | null
}

const EQUAL_WITHIN_MS = 30_000
/** Longer than the longest pause between two tries of a dial. */
const LINKED_WITHIN_MS = 90_000

interface Member extends Backend {
  readonly name: string
  readonly folder: { readonly path: string; readonly remove: () => void }
  readonly peer: string
  process: RelayProcess
}

/** Rejects when a relay does not start or end, or a client does not get in; everything else is in the result. */
export async function rollingRestart(options: RollingOptions): Promise<RollingResult> {
  const { report = () => undefined } = options
  setMaxListeners(0, process) // each y-websocket provider listens for the end of the process
  const members = await startMembers()
  let proxy: Proxy | null = null
  const clients: RollingClient[] = []
  try {
    proxy = await startProxy(members[0]!, members[1]!)
    clients.push(...(await openClients(proxy.url, options)))
    report(`${clients.length} clients are in`)
    const stopTyping = keepTyping(clients, options.typeEveryMs)
    const visits = keepVisiting(proxy.url, options)
    const restarts: RestartFigures[] = []
    for (let round = 0; round < options.rounds; round++) {
      for (const member of members) {
        restarts.push(await restart(member, members, proxy))
        report(`round ${round + 1}, ${member.name}: ${JSON.stringify(restarts.at(-1))}`)
      }
    }
    const visited = await visits.end()
    stopTyping()
    await Promise.all(clients.map((client) => client.until(() => client.isConnected)))
    const wanted = wantedTokens([...clients, ...visited])
    const notServed = await missingServed(members, wanted)
    await Promise.all(clients.map((client) => client.close()))
    return resultOf(clients, visited, [...notServed, ...(await missingStored(members, wanted))], restarts)
  } finally {
    await Promise.all(clients.map((client) => client.close()))
    await proxy?.end()
    for (const member of members) await member.process.end('SIGKILL')
    for (const { folder } of members) folder.remove()
  }
}

async function startMembers(): Promise<Member[]> {
  const [portA, adminA, portB, adminB] = (await freePorts(4)) as [number, number, number, number]
  const places = [
    { name: 'relay-a', port: portA, adminPort: adminA, peer: `ws://127.0.0.1:${portB}` },
    { name: 'relay-b', port: portB, adminPort: adminB, peer: `ws://127.0.0.1:${portA}` },
  ]
  const members: Member[] = []
  for (const place of places) {
    const folder = temporaryFolder()
    members.push({ ...place, folder, process: await startMember({ ...place, folder }) })
  }
  return members
}

function startMember({ port, adminPort, peer, folder }: Omit<Member, 'process'>): Promise<RelayProcess> {
  return startRelay(folder.path, { port, args: ['--peer', peer, '--admin-port', String(adminPort), '--trusted-proxy', '127.0.0.1'] })
}

async function openClients(url: string, { clients, documents }: RollingOptions): Promise<RollingClient[]> {
  const opened: RollingClient[] = []
  for (const kind of CLIENT_KINDS)
    for (let n = 0; n < clients[kind]; n++)
      opened.push(await openClient(kind, { url, doc: `roll/${opened.length % documents}`, name: `${kind}-${n}` }))
  await within(30_000, Promise.all(opened.map((client) => client.ready)), 'the clients did not sync')
  return opened
}

/** Each at its own phase, so that edits are spread over time. */
function keepTyping(clients: readonly RollingClient[], everyMs: number): () => void {
  const clock = nodeClock()
  const stops: (() => void)[] = []
  clients.forEach((client, index) => {
    stops.push(
      clock.after((index * everyMs) / clients.length, () => {
        stops.push(clock.every(everyMs, () => client.type()))
      }),
    )
  })
  return () => stops.forEach((stop) => stop())
}

/** Each visitor is followed by the next, of the next kind. One that was not told so is not counted as acknowledged, and leaves all the same when the end comes. */
function keepVisiting(url: string, { visitors, documents }: RollingOptions): { end(): Promise<RollingClient[]> } {
  const gone: RollingClient[] = []
  let ending = false
  let count = 0
  const { promise: ended, resolve: endAll } = Promise.withResolvers<void>()
  const visitor = async (): Promise<void> => {
    while (!ending) {
      const n = count++
      const kind = CLIENT_KINDS[n % CLIENT_KINDS.length]!
      const client = await openClient(kind, { url, doc: `roll/${n % documents}`, name: `visitor-${kind}-${n}` })
      gone.push(client)
      await Promise.race([client.ready, ended])
      client.type()
      await Promise.race([client.until(() => client.acked.size > 0 || client.gapsMs.length > 0), ended])
      await client.close()
    }
  }
  const all = Promise.all(Array.from({ length: visitors }, visitor))
  return {
    async end() {
      ending = true
      const clock = nodeClock()
      const cancel = clock.after(5_000, endAll)
      await all
      cancel()
      return gone
    },
  }
}

/** As an operator does it: stop, start, wait until it is ready, linked to its peer, and back in the proxy. */
async function restart(member: Member, members: readonly Member[], proxy: Proxy): Promise<RestartFigures> {
  const clock = nodeClock()
  for (const { name } of members) await proxy.takesFor(name, 'UP')
  const began = clock.now()
  const { code } = await member.process.end('SIGTERM')
  const endMs = Math.round(clock.now() - began)
  await proxy.takesFor(member.name, 'DOWN')
  const startedAt = clock.now()
  member.process = await startMember(member)
  const startMs = Math.round(clock.now() - startedAt)
  await proxy.takesFor(member.name, 'UP')
  // A connection that fetch kept from before the restart fails once.
  for (const one of members) await until(() => isSynced(one.adminPort).catch(() => false), one.process.troubles, LINKED_WITHIN_MS)
  return { relay: member.name, endMs, startMs, exitCode: code }
}

async function isSynced(adminPort: number): Promise<boolean> {
  const { peers } = (await json(adminPort, 'status')) as { peers: { role: string; synced: boolean }[] }
  return peers.some(({ role, synced }) => role === 'relay' && synced)
}

async function json(adminPort: number, path: string): Promise<unknown> {
  const answer = await fetch(`http://127.0.0.1:${adminPort}/api/${path}`)
  return answer.json()
}

/** By document: what was acknowledged, and what somebody who is still there has. */
function wantedTokens(clients: readonly RollingClient[]): Map<string, string[]> {
  const wanted = new Map<string, string[]>()
  for (const { place, made, acked } of clients) {
    const tokens = place.name.startsWith('visitor') ? [...acked] : made
    wanted.set(place.doc, [...(wanted.get(place.doc) ?? []), ...tokens])
  }
  return wanted
}

/** Asks both relays until both have all of it, or it takes too long. */
async function missingServed(members: readonly Member[], wanted: ReadonlyMap<string, readonly string[]>): Promise<string[]> {
  let lost: string[] = ['it was not asked for']
  const clock = nodeClock()
  const ask = async (): Promise<boolean> => {
    lost = []
    for (const { name, adminPort } of members) {
      for (const [doc, tokens] of wanted) {
        const answer = await fetch(`http://127.0.0.1:${adminPort}/api/documents/${encodeURIComponent(doc)}/update`)
        if (!answer.ok) throw new Error(`${name} answered ${answer.status} for ${doc}`)
        const served = tokensIn(new Uint8Array(await answer.arrayBuffer()))
        lost.push(...tokens.filter((token) => !served.has(token)).map((token) => `${token} at ${name}`))
      }
    }
    if (lost.length > 0) await new Promise<void>((resolve) => clock.after(200, resolve))
    return lost.length === 0
  }
  await until(
    () => ask().catch(() => false),
    () => '',
    EQUAL_WITHIN_MS,
  ).catch(() => undefined)
  return lost
}

/** Stops the relays and looks into their files. */
async function missingStored(members: readonly Member[], wanted: ReadonlyMap<string, readonly string[]>): Promise<string[]> {
  const tokens = [...wanted.values()].flat()
  const lost: string[] = []
  for (const { name, process, folder } of members) {
    await process.end('SIGTERM')
    const stored = await storedTokens(folder.path, [...wanted.keys()])
    lost.push(...tokens.filter((token) => !stored.has(token)).map((token) => `${token} in the file of ${name}`))
  }
  return lost
}

function tokensIn(update: Uint8Array): Set<string> {
  const doc = new Y.Doc()
  Y.applyUpdate(doc, update)
  return new Set(doc.getArray<string>('tokens').toArray())
}

function resultOf(
  clients: readonly RollingClient[],
  visited: readonly RollingClient[],
  lost: readonly string[],
  restarts: readonly RestartFigures[],
): RollingResult {
  const all = [...clients, ...visited]
  const count = (of: (client: RollingClient) => number): number => all.reduce((sum, client) => sum + of(client), 0)
  const most = (some: readonly RollingClient[], of: (client: RollingClient) => readonly number[]): number =>
    Math.round(Math.max(0, ...some.flatMap((client) => of(client))))
  const kinds = Object.fromEntries(
    CLIENT_KINDS.map((kind) => {
      const some = clients.filter((client) => client.kind === kind)
      return [
        kind,
        {
          reconnectsMax: most(some, ({ gapsMs }) => [gapsMs.length]),
          gapMsMax: most(some, ({ gapsMs }) => gapsMs),
          ackMsMax: most(some, ({ ackMs }) => ackMs),
        },
      ]
    }),
  ) as RollingResult['kinds']
  return {
    edits: count(({ made }) => made.length),
    acked: count(({ acked }) => acked.size),
    visits: visited.filter(({ acked }) => acked.size > 0).length,
    lost,
    errors: all.flatMap(({ place, errors }) => errors.map((error) => `${place.name}: ${error}`)),
    kinds,
    restarts,
  }
}

async function within(ms: number, work: Promise<unknown>, what: string): Promise<void> {
  const { promise: late, reject } = Promise.withResolvers<never>()
  const cancel = nodeClock().after(ms, () => reject(new Error(`${what} within ${ms / 1000} s`)))
  await Promise.race([work, late]).finally(cancel)
}
