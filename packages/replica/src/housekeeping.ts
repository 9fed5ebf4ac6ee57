// What time brings: pings and silence, announcements after a pause, healing when roots still differ, verification, presence deadlines, sweeps, and cursors that did not deserve
// a commit of their own. Called from tick(). Rules: CV-2, CV-3, RS-1.

import type { Channel } from './channel.ts'
import { channelSummary } from './channel-root.ts'
import type { CoreContext } from './core-context.ts'
import type { LinkDesk } from './link-desk.ts'
import { restsUntilMs, tendLink } from './link-keeper.ts'
import type { LinkSession } from './link-session.ts'
import type { MaintenancePlan } from './maintenance.ts'
import type { PresenceHub } from './presence-hub.ts'
import { announce } from './server.ts'
import type { Verifier } from './verifier.ts'

/** Positions of rows that were not for the peer: soon enough for its cursor, rare enough to share frames. Of a part of the space most rows are not: seldom. */
const ANNOUNCE_EVERY_MS = 5_000
const ANNOUNCE_PART_EVERY_MS = 60_000
const ANNOUNCE_IDLE_MS = 1_000
const IDLE_MS = 1_000
const CURSORS_EVERY_MS = 200
const ACKS_EVERY_MS = 1_000
const EVICT_EVERY_MS = 5_000

export class Housekeeping {
  readonly #context: CoreContext
  readonly #desk: LinkDesk
  readonly #presence: PresenceHub
  readonly #verifier: Verifier
  readonly #plan: MaintenancePlan
  #committedAtMs: number
  #evictAtMs = 0

  constructor(context: CoreContext, desk: LinkDesk, presence: PresenceHub, verifier: Verifier, plan: MaintenancePlan) {
    this.#context = context
    this.#desk = desk
    this.#presence = presence
    this.#verifier = verifier
    this.#plan = plan
    this.#committedAtMs = context.nowMs
  }

  committed(): void {
    this.#committedAtMs = this.#context.nowMs
  }

  tend(): void {
    const { links, nowMs, commits, acks, documents, limits, buggify } = this.#context
    for (const link of links.values()) {
      if (nowMs < link.restUntilMs) continue
      tendLink(this.#context, link)
      if (!link.live) continue
      for (const channel of link.channels.values()) this.#tendChannel(link, channel)
      this.#desk.guard(() => this.#verifier.tend(link))
      link.restUntilMs = restsUntilMs(link, nowMs)
    }
    this.#presence.tend()
    this.#plan.tend()
    if (acks.sinceMs !== null && nowMs - acks.sinceMs >= ACKS_EVERY_MS) acks.moveInto(commits.pending)
    const waitedMs = nowMs - this.#committedAtMs
    const batch = commits.pending
    if (!batch.isEmpty() && waitedMs >= (batch.cursors.size > 0 ? CURSORS_EVERY_MS : ACKS_EVERY_MS)) batch.urgent = true
    if (buggify('evict-documents')) documents.evict(0)
    if (nowMs >= this.#evictAtMs) {
      documents.evict(limits.documentsInMemoryMax)
      this.#evictAtMs = nowMs + EVICT_EVERY_MS
    }
  }

  #tendChannel(link: LinkSession, channel: Channel): void {
    if (channel.serve !== 'serving') return
    const { nowMs, buggify } = this.#context
    const idle = nowMs - channel.activeAtMs >= IDLE_MS
    const sinceMs = nowMs - channel.announcedAtMs
    const due = sinceMs >= (idle ? ANNOUNCE_IDLE_MS : ANNOUNCE_EVERY_MS)
    if (due || buggify('announce-early')) {
      const tellsPosition = channel.scope.kind === 'space' || sinceMs >= ANNOUNCE_PART_EVERY_MS
      announce(this.#context, link, channel, { tellsPosition, tellsRoot: idle })
    }
    if (this.#healDue(link, channel)) channel.reconcileWhy = 'roots-differ'
    // What was left because the network took no more, or a round that is due.
    if (channel.hasWork) this.#context.work.wake(link)
  }

  /** Both sides are idle, everything is acknowledged, and still the roots differ. */
  #healDue(link: LinkSession, channel: Channel): boolean {
    const { nowMs, limits, commits } = this.#context
    const quiet = nowMs - channel.activeAtMs >= limits.idleBeforeHealMs && nowMs - channel.healedAtMs >= limits.healEveryMs
    if (!quiet || !channel.ready || !channel.settled || channel.peerRoot === null || channel.behind || !commits.clean) return false
    return channelSummary(this.#context, link, channel).root !== channel.peerRoot
  }
}
