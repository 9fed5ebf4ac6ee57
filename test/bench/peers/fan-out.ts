// Fan-out: clients type into shared documents at a rate that is raised until the 99th percentile of all deliveries exceeds LATE_MS. A delivery is one original update decoded
// at one client other than its author, however the server merged or framed it; its latency counts from the instant at which the update was due, so a generator or server that
// falls behind cannot hide it. The server never gets more than one update in a frame.

import { dialects, type DialectName } from './dialect.ts'
import { openClients, pause, type LoadClient } from './load-client.ts'
import { startServer, type ServerName, type ServerOptions, type ServerProcess } from './server-process.ts'

export interface FanOutShape {
  readonly documents: number
  readonly clientsEach: number
}

export interface FanOutOptions extends FanOutShape {
  readonly server: ServerName
  readonly dialect: DialectName
  readonly serverOptions?: ServerOptions
  /** Updates per second of the first step. */
  readonly firstRate: number
  /** Length of one step. */
  readonly stepMs: number
  /** Rates that are tried at most. */
  readonly stepsMax: number
  /** How often the gap between the last good and the first bad rate is halved. */
  readonly refinements: number
  /** Rates at which the server is measured before: for its processor time and latency at light load. */
  readonly lightRates: readonly number[]
  onStep?(step: Step): void
}

/** One rate, measured. */
export interface Step {
  /** Updates per second that were sent. */
  readonly rate: number
  readonly deliveriesPerSecond: number
  /** Of the deliveries that are due; below 1 some never came in the time that there was. */
  readonly delivered: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** Of the server: of one core, and in microseconds per delivery. */
  readonly serverCpu: number
  readonly cpuUsPerDelivery: number
  /** Of the load generator: near 1 it, and not the server, is the limit. */
  readonly generatorCpu: number
  readonly good: boolean
}

export interface FanOutResult extends FanOutShape {
  readonly server: ServerName
  readonly dialect: DialectName
  readonly best: Step | null
  readonly light: readonly Step[]
  readonly atFifth: Step | null
  readonly steps: readonly Step[]
}

const LATE_MS = 250
const BACKLOG_MS_MAX = 2_000
const DELIVERED_MIN = 0.999
const RATE_FACTOR = 1.6

export async function fanOut(options: FanOutOptions): Promise<FanOutResult> {
  const server = await startServer(options.server, options.serverOptions)
  const crowd = new Crowd(server, options)
  const steps: Step[] = []
  const measure = async (rate: number): Promise<Step> => {
    let step = await crowd.step(rate, options.stepMs)
    // Something else on the machine may have had the core meanwhile.
    if (!step.good && options.refinements > 0) step = await crowd.step(rate, options.stepMs)
    steps.push(step)
    options.onStep?.(step)
    return step
  }
  try {
    await crowd.open()
    await crowd.step(Math.min(options.firstRate, 1_000), Math.min(1_000, options.stepMs))
    const light: Step[] = []
    for (const rate of options.lightRates) light.push(await measure(rate))
    let best = light.filter(({ good }) => good).at(-1) ?? null
    let tooMuch: number | null = null
    for (let rate = options.firstRate; tooMuch === null && steps.length < options.stepsMax; rate *= RATE_FACTOR) {
      const step = await measure(rate)
      if (step.good) best = step
      else tooMuch = rate
    }
    for (let round = 0; round < options.refinements && tooMuch !== null && best !== null; round++) {
      const step = await measure((best.rate + tooMuch) / 2)
      if (step.good) best = step
      else tooMuch = step.rate
    }
    const atFifth = best === null || options.refinements === 0 ? null : await measure(best.rate / 5)
    const { documents, clientsEach, server: name, dialect } = options
    return { documents, clientsEach, server: name, dialect, best, light, atFifth, steps }
  } finally {
    crowd.close()
    await server.discard()
  }
}

/** Histogram of latencies: a tenth of a millisecond each, the last one for all that is longer. */
const BUCKETS = 40_000
/** Send times that are kept of one writer. */
const RING = 8_192

class Crowd {
  private readonly server: ServerProcess
  private readonly options: FanOutOptions
  private clients: LoadClient[] = []
  /** When update number n of a writer was due, at writer * RING + n % RING. */
  private readonly dueAt: Float64Array
  private readonly latencies = new Uint32Array(BUCKETS)
  private deliveries = 0
  private sent = 0
  private countFrom = Infinity
  private next = 0

  constructor(server: ServerProcess, options: FanOutOptions) {
    this.server = server
    this.options = options
    this.dueAt = new Float64Array(options.documents * options.clientsEach * RING)
  }

  async open(): Promise<void> {
    const { documents, clientsEach, dialect } = this.options
    const onLetters = (client: LoadClient, writer: number, clock: number, count: number): void => this.heard(client, writer, clock, count)
    this.clients = await openClients(
      Array.from({ length: documents * clientsEach }, (_, writer) => ({
        ...{ port: this.server.port, dialect, doc: `room-${writer % documents}`, writer, onLetters },
      })),
    )
  }

  close(): void {
    for (const client of this.clients) client.destroy()
  }

  private heard(client: LoadClient, writer: number, clock: number, count: number): void {
    if (client.options.writer === writer) return
    const now = performance.now()
    for (let at = clock; at < clock + count; at++) {
      const due = this.dueAt[writer * RING + (at % RING)]!
      if (due < this.countFrom) continue
      this.deliveries++
      const bucket = Math.floor((now - due) * 10)
      this.latencies[bucket < BUCKETS ? bucket : BUCKETS - 1]!++
    }
  }

  /** Types for a while at this many updates a second, and waits for what is on its way. */
  async step(rate: number, ms: number): Promise<Step> {
    this.latencies.fill(0)
    this.deliveries = 0
    this.sent = 0
    const others = this.options.clientsEach - 1
    const start = performance.now()
    this.countFrom = start
    const cpuBefore = this.server.cpuMs()
    const ownBefore = process.cpuUsage()
    let gaveUp = false
    for (;;) {
      const elapsed = performance.now() - start
      const due = Math.min(Math.floor((elapsed * rate) / 1000), Math.floor((ms * rate) / 1000))
      for (; this.sent < due; this.sent++) this.typeNext(start + (this.sent * 1000) / rate)
      if (elapsed >= ms) break
      const backlog = this.sent * others - this.deliveries
      if (backlog > (rate * others * BACKLOG_MS_MAX) / 1000) {
        gaveUp = true
        break
      }
      await pause(1)
    }
    const sendingMs = performance.now() - start
    const inTime = this.deliveries
    const { user, system } = process.cpuUsage(ownBefore)
    await this.drained(others)
    const cpuMs = this.server.cpuMs() - cpuBefore
    const delivered = this.deliveries / Math.max(1, this.sent * others)
    const p99Ms = delivered < 0.99 ? Infinity : this.percentile(0.99)
    const good = !gaveUp && p99Ms <= LATE_MS && delivered >= DELIVERED_MIN
    return {
      ...{ rate: Math.round(rate), deliveriesPerSecond: Math.round(inTime / (sendingMs / 1000)), delivered },
      ...{
        p50Ms: this.percentile(0.5),
        p99Ms,
        serverCpu: cpuMs / sendingMs,
        cpuUsPerDelivery: (cpuMs * 1000) / Math.max(1, this.deliveries),
      },
      ...{ generatorCpu: (user + system) / 1000 / sendingMs, good },
    }
  }

  private typeNext(due: number): void {
    const client = this.clients[this.next++ % this.clients.length]!
    this.dueAt[client.options.writer * RING + (client.clock % RING)] = due
    client.type()
  }

  /** Resolves when everything was delivered, or nothing more came for a second. */
  private async drained(others: number): Promise<void> {
    let before = -1
    for (let quiet = 0; quiet < 50 && this.deliveries < this.sent * others;) {
      quiet = this.deliveries === before ? quiet + 1 : 0
      before = this.deliveries
      await pause(20)
    }
    const lost = this.clients.find(({ closed }) => closed)
    if (lost !== undefined) throw new Error(`${this.options.server} closed a connection of ${dialects[this.options.dialect].name}`)
  }

  private percentile(share: number): number {
    let total = 0
    for (const count of this.latencies) total += count
    if (total === 0) return Infinity
    let seen = 0
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      seen += this.latencies[bucket]!
      if (seen >= total * share) return bucket / 10
    }
    return Infinity
  }
}
