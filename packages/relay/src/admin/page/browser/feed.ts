// What the page knows of the relay, kept current: status every two seconds, samples and events as they come. Decides when to ask again after a failure (backoff,
// or at once when a person asks), and which phase the page is in. Nothing of the DOM. Read by page.ts. Rules: PG-1, PG-5, PG-6.

import type { HistoryAnswer, Sample, StatusAnswer } from './answers.ts'
import type { StreamEvent } from './event-lines.ts'
import { after, wallMs } from './page-clock.ts'
import { Refused, type RelayClient } from './relay-client.ts'

export type Phase =
  | { readonly kind: 'connecting' }
  | { readonly kind: 'live' }
  /** No answer, or one that says "later". */
  | { readonly kind: 'away'; readonly why: string; readonly untilMs: number }
  | { readonly kind: 'token-wanted'; readonly why: string }
  /** The token is good and may not see the relay itself; documents it may. */
  | { readonly kind: 'forbidden'; readonly why: string; readonly untilMs: number }

/** Something that happened, as the relay told it. */
export interface Happening {
  readonly id: number
  readonly atMs: number
  readonly kind: string
  readonly facts: Readonly<Record<string, unknown>>
  /** As it came. */
  readonly data: string
}

/** How much the relay remembers, too. */
const WINDOW_MS = 10 * 60 * 1000
export const HAPPENINGS_MAX = 200
const STATUS_EVERY_MS = 2_000
/** After something happened the status is asked for sooner, but not more often than this. */
const STATUS_EVERY_MIN_MS = 1_000
const FORBIDDEN_AGAIN_MS = 30_000
const WAITS_MS: readonly number[] = [500, 1_000, 2_000, 4_000, 8_000]

export class Feed {
  phase: Phase = { kind: 'connecting' }
  status: StatusAnswer | null = null
  /** When `status` came; 0: never. */
  statusAtMs = 0
  samples: readonly Sample[] = []
  everyMs = 1_000
  /** Newest first. */
  happenings: readonly Happening[] = []
  onChange: (what: 'phase' | 'status' | 'samples' | 'happenings') => void = () => undefined
  private readonly client: RelayClient
  private count = 0
  private failures = 0
  private wake: () => void = () => undefined
  private leave: () => void = () => undefined
  private asksSoon = false

  constructor(client: RelayClient) {
    this.client = client
    client.onTokenWanted = (refused) => this.wantToken(refused)
  }

  /** Never resolves. */
  async run(): Promise<never> {
    for (;;) {
      const { space } = this.client
      try {
        await this.follow()
        if (space === this.client.space) await this.pause(STATUS_EVERY_MS)
      } catch (error) {
        await this.failed(error, space)
      }
    }
  }

  /** Asks at once, whatever it waits for. */
  askNow(): void {
    this.wake()
  }

  /** Another space: what is known is of the one before. Null: the default one, and the relay. */
  setSpace(space: string | null): void {
    if (space === this.client.space) return
    this.client.space = space
    this.status = null
    this.samples = []
    this.happenings = []
    this.failures = 0
    this.become({ kind: 'connecting' })
    this.onChange('samples')
    this.onChange('happenings')
    this.leave()
    this.askNow()
  }

  /** Null: forget it. */
  setToken(token: string | null): void {
    this.client.setToken(token)
    this.failures = 0
    this.become({ kind: 'connecting' })
    this.askNow()
  }

  /** Until the stream of events ends or the relay does not answer. */
  private async follow(): Promise<void> {
    const { space } = this.client
    const [status, history] = await Promise.all([this.client.get<StatusAnswer>('status'), this.client.get<HistoryAnswer>('history')])
    if (!this.take(status, space)) return
    this.everyMs = history.everyMs
    this.samples = history.samples
    this.onChange('samples')
    const stop = new AbortController()
    this.leave = () => stop.abort()
    let streams = true
    // A stream begins with the last events that the relay remembers.
    const known = new Set(this.happenings.map(({ data }) => data))
    const ended = this.client
      .stream(stop.signal, (event) => space !== this.client.space || known.has(event.data) || this.happen(event))
      .catch(() => undefined)
      .finally(() => {
        streams = false
        this.askNow()
      })
    try {
      while (streams) {
        await this.pause(STATUS_EVERY_MS)
        if (space !== this.client.space || !this.take(await this.client.get<StatusAnswer>('status'), space)) return
      }
    } finally {
      stop.abort()
      await ended
    }
  }

  /** False: it is of a space that is not in view any more. */
  private take(status: StatusAnswer, space: string | null): boolean {
    if (space !== this.client.space) return false
    this.status = status
    this.statusAtMs = wallMs()
    this.failures = 0
    this.become({ kind: 'live' })
    this.onChange('status')
    return true
  }

  private async failed(error: unknown, space: string | null): Promise<void> {
    if (space !== this.client.space) return
    if (error instanceof Refused && error.status === 401) return this.pause(null)
    // A space in which a token may nothing looks like one that is not there.
    if (error instanceof Refused && (error.status === 403 || (error.status === 404 && space !== null))) {
      this.become({ kind: 'forbidden', why: error.message, untilMs: wallMs() + FORBIDDEN_AGAIN_MS })
      return this.pause(FORBIDDEN_AGAIN_MS)
    }
    const waitMs = WAITS_MS[Math.min(this.failures++, WAITS_MS.length - 1)]!
    this.become({ kind: 'away', why: error instanceof Refused ? error.message : 'The relay does not answer.', untilMs: wallMs() + waitMs })
    return this.pause(waitMs)
  }

  private wantToken(refused: Refused): void {
    const why = this.client.hasToken ? refused.message : ''
    this.become({ kind: 'token-wanted', why })
  }

  private happen({ name, data }: StreamEvent): void {
    const facts = objectOf(data)
    if (facts === null) return
    if (name === 'sample') {
      const sample = facts as unknown as Sample
      this.samples = [...this.samples, sample].filter(({ atMs }) => atMs > sample.atMs - WINDOW_MS)
      return this.onChange('samples')
    }
    const { atMs } = facts
    const happening = { id: ++this.count, atMs: typeof atMs === 'number' ? atMs : wallMs(), kind: name, facts, data }
    this.happenings = [happening, ...this.happenings].slice(0, HAPPENINGS_MAX)
    this.onChange('happenings')
    this.askSoon()
  }

  private askSoon(): void {
    if (this.asksSoon) return
    this.asksSoon = true
    after(Math.max(100, STATUS_EVERY_MIN_MS - (wallMs() - this.statusAtMs)), () => {
      this.asksSoon = false
      if (this.phase.kind === 'live') this.askNow()
    })
  }

  private become(phase: Phase): void {
    this.phase = phase
    this.onChange('phase')
  }

  /** Until the time is over (null: never) or somebody asks. */
  private pause(ms: number | null): Promise<void> {
    return new Promise((resolve) => {
      const stop = ms === null ? (): void => undefined : after(ms, resolve)
      this.wake = () => {
        stop()
        resolve()
      }
    })
  }
}

function objectOf(text: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : null
  } catch {
    return null
  }
}
