// One open space of a relay: what stands around its replica and comes and goes with it. Hooks, metrics, health, samples and the documents that the HTTP API patches;
// nothing here decides who may do what. Made by relay.ts for spaces.ts; used by the doors and the API. Rules: SP-5, HK-2, MT-5.

import type { SpaceId } from '@syncline/protocol'
import { combineObservers, type Clock, type Replica, type ReplicaEvent, type ReplicaObserver } from '@syncline/replica'
import { CommitMoments } from './admin/commit-moments.ts'
import type { Health } from './admin/health.ts'
import { MapPatches } from './admin/map-patches.ts'
import { Sampler } from './admin/sampler.ts'
import type { HookCalls, HookLimits } from './hook-calls.ts'
import { HookRunner, type RelayHooks } from './hooks.ts'
import type { RelayMetrics } from './metrics/relay-metrics.ts'
import type { SpaceMetrics } from './metrics/space-metrics.ts'
import type { Peering } from './peering.ts'
import type { SpaceWatch } from './spaces.ts'

export interface RelaySpaceParts {
  readonly clock: Clock
  readonly hooks: RelayHooks
  readonly hookLimits?: Partial<HookLimits>
  /** Of all spaces together. */
  readonly calls: HookCalls
  /** Null: nobody reads them. */
  readonly metrics: RelayMetrics | null
  readonly health: Health
  /** Of all spaces together. */
  readonly sampler: Sampler
  /** There are more than the default one, and each is sampled by itself, too. */
  readonly many: boolean
  readonly peering: Pick<Peering, 'opened' | 'used' | 'unused' | 'closing'>
  onEvent(event: ReplicaEvent, space: SpaceId): void
  onError(error: unknown): void
}

export class RelaySpace implements SpaceWatch {
  readonly hooks: HookRunner
  readonly moments: CommitMoments
  readonly observer: ReplicaObserver
  /** Of this space. */
  readonly sampler: Sampler
  private readonly space: SpaceId
  private readonly parts: RelaySpaceParts
  private readonly metrics: SpaceMetrics | null
  private replica: Replica | null = null
  private patching: MapPatches | null = null
  private stops: (() => void)[] = []

  constructor(space: SpaceId, parts: RelaySpaceParts) {
    const { clock, hooks, hookLimits = {}, calls, metrics, sampler, many } = parts
    this.space = space
    this.parts = parts
    this.hooks = new HookRunner(hooks, clock, hookLimits, calls)
    this.moments = new CommitMoments(clock)
    this.metrics = metrics?.space() ?? null
    this.sampler = many ? new Sampler(clock) : sampler
    const samplers = many ? [sampler, this.sampler] : [sampler]
    this.observer = this.metrics === null ? this.hooks : combineObservers(this.metrics.observer, ...samplers, this.moments, this.hooks)
  }

  /** Of an open space. */
  get patches(): MapPatches {
    return this.patching!
  }

  opened(replica: Replica): void {
    const { clock, health, peering, onEvent, onError } = this.parts
    this.metrics?.opened(replica)
    this.hooks.start(replica)
    this.patching = new MapPatches(replica, clock, onError)
    this.stops = [health.watch(replica), replica.onEvent((event) => onEvent(event, this.space))]
    this.replica = replica
    peering.opened(replica)
  }

  used(): void {
    if (this.replica !== null) this.parts.peering.used(this.replica)
  }

  unused(): void {
    if (this.replica !== null) this.parts.peering.unused(this.replica)
  }

  async closing(): Promise<void> {
    await this.patching?.close()
    this.hooks.stop()
    if (this.replica !== null) this.parts.peering.closing(this.replica)
  }

  closed(): void {
    for (const stop of this.stops) stop()
    if (this.metrics !== null) this.parts.metrics?.ended(this.metrics)
  }
}
