// The links of a relay to its configured peers: a link carries one space, so each peer is dialled once for each space that is kept in step with it. Decides which spaces that are.
// Listed ones stay open and linked. With '*' it is every space: linked while it is open, so that whoever comes to either relay finds what the other has; and a space that closed,
// or was never opened since the start, before a peer had all of it is visited, a few at a time, once that peer can be reached. Made by relay.ts; told by relay-space.ts of each space
// that opens and closes. Rules: SP-6, SP-7.
//
//   opens ──► dialled ──► closes ──in step with the peer──► forgotten
//                           └─────not in step────► owed ──peer is reached──► visited: opened, held until it is in step or the time is over, released
//
// A link keeps the space open at the peer. So that two relays do not open it for each other for ever, one that nobody uses here is not dialled again when its link ends, unless
// something was committed since the peer had all of it.

import { SynclineError, type Digest, type SpaceId } from '@syncline/protocol'
import type { Clock, Replica, ReplicaEvent } from '@syncline/replica'
import { dial, type Dial, type DialState } from '@syncline/replica/ws'

export interface PeeringOptions {
  /** Addresses. */
  readonly peers: readonly string[]
  /** Names of spaces; '*' among them: all. */
  readonly spaces: readonly string[]
  readonly token?: () => string | Promise<string>
  readonly clock: Clock
  /** Spaces with a file that this relay has. */
  stored(): readonly SpaceId[]
  /** Somebody has the space open, a peer's link among them. */
  isUsed(space: SpaceId): boolean
  /** A space that is there, held open. Rejects with "access-denied" when it is not there any more, and what Spaces.use rejects with. */
  use(space: SpaceId): Promise<{ readonly replica: Replica; release(): void }>
}

/** Spaces that are open at a time only because a peer has not all of them, how long each is waited for, and when one that did not get there is tried again. */
const VISITS_MAX = 2
const VISIT_MS = 60_000
const AGAIN_MS = 10 * 60_000

/** What a space owes: addresses whose peer may lack something, and no visit before this time. */
interface Owed {
  readonly urls: Set<string>
  notBeforeMs: number
}

/** An open space. */
interface Kept {
  /** Those that rest are missing. */
  readonly dials: Dial[]
  /** The root at which the peer of an address had all of it. */
  readonly settled: Map<string, Digest>
  stopListening(): void
}

export class Peering {
  /** Of all spaces, as they are now. */
  readonly dials: Dial[] = []
  private readonly options: PeeringOptions
  private readonly all: boolean
  private readonly bySpace = new Map<Replica, Kept>()
  private readonly owed = new Map<SpaceId, Owed>()
  private readonly reached = new Set<string>()
  /** Visits that wait for a dial or a replica to say something. */
  private readonly waiting = new Set<() => void>()
  private visits = 0
  private state: 'before' | 'running' | 'closed' = 'before'
  private stopLooking: () => void = () => undefined

  constructor(options: PeeringOptions) {
    this.options = options
    this.all = options.spaces.includes('*') && options.peers.length > 0
  }

  /** The doors are open: dials for what is open, and sees to the rest. Throws "argument-invalid" for what is no address. */
  start(): void {
    this.state = 'running'
    if (!this.all) return
    for (const space of this.options.stored()) this.owed.set(space, { urls: new Set(this.options.peers), notBeforeMs: 0 })
    for (const replica of this.bySpace.keys()) this.dialAll(replica)
    this.stopLooking = this.options.clock.every(VISIT_MS, () => this.visitSome())
    this.visitSome()
  }

  /** A space that is listed, which its caller keeps open. */
  keep(replica: Replica): void {
    this.bySpace.set(replica, { dials: [], settled: new Map(), stopListening: () => undefined })
    this.dialAll(replica)
  }

  /** In the turn in which the replica was made. */
  opened(replica: Replica): void {
    if (!this.all) return
    const kept: Kept = {
      dials: [],
      settled: new Map(),
      stopListening: replica.onEvent((event) => {
        for (const one of kept.dials) if (mayTell(event, one) && isInStep(one, replica)) kept.settled.set(one.url, replica.root)
      }),
    }
    this.bySpace.set(replica, kept)
    if (this.state === 'running') this.dialAll(replica)
  }

  /** Somebody uses the space, and nobody did before. */
  used(replica: Replica): void {
    if (this.all && this.state === 'running') this.dialAll(replica)
  }

  /** Nobody uses the space any more. */
  unused(replica: Replica): void {
    for (const one of [...(this.bySpace.get(replica)?.dials ?? [])]) this.rest(replica, one)
  }

  private rest(replica: Replica, one: Dial): void {
    const kept = this.bySpace.get(replica)
    if (!this.all || kept === undefined || one.state.phase !== 'waiting' || this.options.isUsed(replica.space)) return
    if (kept.settled.get(one.url) === replica.root) this.end(kept, one)
  }

  /** Before the replica closes, which ends the links. */
  closing(replica: Replica): void {
    const kept = this.bySpace.get(replica)
    if (kept === undefined) return
    kept.stopListening()
    if (this.all && this.state === 'running') this.remember(replica, kept)
    this.bySpace.delete(replica)
    for (const one of [...kept.dials]) this.end(kept, one)
  }

  private end({ dials }: Kept, one: Dial): void {
    dials.splice(dials.indexOf(one), 1)
    this.dials.splice(this.dials.indexOf(one), 1)
    void one.close()
  }

  /** Spaces of which some peer may lack something. */
  get owedCount(): number {
    return this.owed.size
  }

  /** Resolves when all sockets are gone. Idempotent. */
  async close(): Promise<void> {
    this.state = 'closed'
    this.stopLooking()
    await Promise.all(this.dials.map((one) => one.close()))
  }

  /** Those that are not dialled already. */
  private dialAll(replica: Replica): void {
    const { peers, token } = this.options
    const kept = this.bySpace.get(replica)
    for (const url of peers) {
      if (kept === undefined || kept.dials.some((one) => one.url === url)) continue
      // Not called before dial() has returned.
      const onState = (): void => {
        this.heard(url)
        if (kept.dials.includes(one)) this.rest(replica, one)
      }
      const one: Dial = dial(replica, { url, onState, ...(token === undefined ? {} : { token }) })
      kept.dials.push(one)
      this.dials.push(one)
    }
  }

  /** What the peers may lack of a space that closes. */
  private remember(replica: Replica, { dials, settled }: Kept): void {
    const isDone = (url: string): boolean =>
      settled.get(url) === replica.root || dials.some((one) => one.url === url && isInStep(one, replica))
    const urls = new Set(this.options.peers.filter((url) => !isDone(url)))
    if (urls.size === 0) this.owed.delete(replica.space)
    else this.owed.set(replica.space, { urls, notBeforeMs: this.owed.get(replica.space)?.notBeforeMs ?? 0 })
  }

  /** A peer that comes back is asked for everything that it may lack, also what did not get there last time. */
  private heard(url: string): void {
    if (!this.all || this.state !== 'running') return
    for (const look of this.waiting) look()
    if (!this.isReached(url)) return void this.reached.delete(url)
    if (!this.reached.has(url)) for (const owed of this.owed.values()) if (owed.urls.has(url)) owed.notBeforeMs = 0
    this.reached.add(url)
    this.visitSome()
  }

  /** Where nothing is dialled there is nothing to go by, and a visit finds out. */
  private isReached(url: string): boolean {
    const dials = this.dials.filter((one) => one.url === url)
    return dials.length === 0 || dials.some(({ state }) => isLinked(state))
  }

  private visitSome(): void {
    const reached = new Set(this.options.peers.filter((url) => this.isReached(url)))
    const nowMs = this.options.clock.now()
    for (const [space, owed] of this.owed) {
      if (this.state !== 'running' || this.visits >= VISITS_MAX) return
      if (owed.notBeforeMs > nowMs || ![...owed.urls].some((url) => reached.has(url))) continue
      owed.notBeforeMs = nowMs + AGAIN_MS
      this.visits++
      void this.visit(space).finally(() => {
        this.visits--
        this.visitSome()
      })
    }
  }

  private async visit(space: SpaceId): Promise<void> {
    try {
      const { replica, release } = await this.options.use(space)
      await this.inStep(replica)
      release()
    } catch (error) {
      if (!(error instanceof SynclineError)) throw error
      // Gone, or for others to tell of: what fails to open is counted and told by who opens it.
      if (error.code === 'access-denied') this.owed.delete(space)
    }
  }

  /** Resolves when each peer of the space has all of it, when one that has not cannot be had now, or when the time is over. */
  private inStep(replica: Replica): Promise<void> {
    return new Promise((resolve) => {
      const dials = this.bySpace.get(replica)?.dials ?? []
      const ended = (): void => {
        stopListening()
        cancel()
        this.waiting.delete(look)
        resolve()
      }
      const look = (): void => {
        const behind = dials.filter((one) => !isInStep(one, replica))
        if (behind.length === 0) this.owed.delete(replica.space)
        if (behind.every(({ state }) => hasFailed(state)) || this.state !== 'running') ended()
      }
      const stopListening = replica.onEvent((event) => {
        if (dials.some((one) => mayTell(event, one))) look()
      })
      const cancel = this.options.clock.after(VISIT_MS, ended)
      this.waiting.add(look)
      look()
    })
  }
}

/** Whether the replica may be in step with the peer of a dial after this event, or not any more. Clients acknowledge all the time, and are none. */
function mayTell(event: ReplicaEvent, { state }: Dial): boolean {
  if (event.type !== 'link-live' && event.type !== 'synced' && event.type !== 'acked' && event.type !== 'link-ended') return false
  return state.peer === null || event.peer === null || event.peer === state.peer
}

/** The next attempt is for another time. */
function hasFailed(state: DialState): boolean {
  return state.phase === 'stopped' || (state.phase === 'waiting' && !isLinked(state))
}

/** Or the peer dials this relay, and that link stayed. */
export function isLinked({ phase, error }: DialState): boolean {
  return phase === 'connected' || (phase === 'waiting' && error?.code === 'link-replaced')
}

/** The peer has all that this replica has, and the other way round. */
function isInStep({ state }: Dial, replica: Replica): boolean {
  if (!isLinked(state)) return false
  const relays = replica.status().peers.filter(({ role, replicaId }) => (state.peer === null ? role === 'relay' : replicaId === state.peer))
  return relays.length > 0 && relays.every(({ synced, lag }) => synced && lag === 0)
}
