// What is measured, in which sizes, and what counts as better. One scenario answers figures of one entrant; run.ts repeats and compares.

import { catchUp } from './catch-up.ts'
import { idleConnections, openOnce, reconnectAtOnce } from './connections.ts'
import type { Entrant } from './entrants.ts'
import { fanOut, type FanOutShape } from './fan-out.ts'
import { ingest } from './ingest.ts'
import { longDocument } from './long-document.ts'
import { hasPaper, readPaper, type Paper } from './paper.ts'
import type { ServerOptions } from './server-process.ts'

/** By name, with the unit last. */
export type Figures = Readonly<Record<string, number | null>>

export interface Scenario {
  readonly name: string
  readonly title: string
  /** The figure that the ratio is taken of. */
  readonly main: string
  readonly unit: string
  readonly better: 'more' | 'less'
  /** How often it is measured, where nothing else is asked for; default once. */
  readonly runs?: number
  takesPart(entrant: Entrant): boolean
  measure(entrant: Entrant, how: How): Promise<Figures>
}

export interface How {
  readonly quick: boolean
  /** Of "open-once", in place of its own number. */
  readonly documents?: number
  readonly serverOptions: ServerOptions
  progress(line: string): void
}

/** The load of one connection, and of one document, is more here than people make: a relay at its defaults would slow it down. Everything else is at its default. */
const RATES_RAISED = ['connection', 'document'].flatMap((bound) => [`--limits-${bound}-messages-per-second-max`, '1000000'])

const everybody = (): boolean => true

function fanOutOf({ documents, clientsEach }: FanOutShape): Scenario {
  return {
    name: `fan-out-${documents}x${clientsEach}`,
    title: `Fan-out, ${documents} document${documents === 1 ? '' : 's'} with ${clientsEach} clients each`,
    ...{ main: 'deliveriesPerSecond', unit: 'delivered updates/s', better: 'more', takesPart: everybody, runs: 3 },
    async measure(entrant, { quick, serverOptions, progress }) {
      const result = await fanOut({
        ...{ documents, clientsEach, server: entrant.server, dialect: entrant.dialect },
        serverOptions: { ...serverOptions, serveArgs: RATES_RAISED },
        firstRate: (clientsEach === 100 ? 200 : 1_000) * (quick ? 2 : 1),
        stepMs: quick ? 250 : 2_000,
        stepsMax: quick ? 3 : 24,
        refinements: quick ? 0 : 3,
        lightRates: quick ? [] : [clientsEach === 100 ? 100 : 1_000],
        onStep: (step) =>
          progress(
            `${step.rate}/s: ${step.deliveriesPerSecond} delivered/s, p50 ${step.p50Ms} ms, p99 ${step.p99Ms} ms, server ${step.serverCpu.toFixed(2)}, generator ${step.generatorCpu.toFixed(2)}`,
          ),
      })
      const { best, light, atFifth } = result
      return {
        deliveriesPerSecond: best?.deliveriesPerSecond ?? 0,
        cpuUsPerDelivery: best?.cpuUsPerDelivery ?? null,
        lightCpuUsPerDelivery: light[0]?.cpuUsPerDelivery ?? null,
        serverCpu: best?.serverCpu ?? null,
        generatorCpu: best?.generatorCpu ?? null,
        p50AtFifthMs: atFifth?.p50Ms ?? null,
        p99AtFifthMs: atFifth?.p99Ms ?? null,
      }
    },
  }
}

const ingestScenario: Scenario = {
  name: 'ingest',
  title: 'Ingest, 50 writers in 10 documents, and kill -9',
  ...{ main: 'acknowledgedPerSecond', unit: 'acknowledged updates/s', better: 'more', takesPart: everybody },
  async measure(entrant, { quick, serverOptions }) {
    const { server, dialect, stores } = entrant
    const options = { ...serverOptions, serveArgs: RATES_RAISED }
    return {
      ...(await ingest({
        ...{ server, dialect, stores, serverOptions: options, writers: 50, documents: 10, inFlight: 64 },
        ms: quick ? 500 : 5_000,
      })),
    }
  },
}

let paper: Paper | null = null

const longDocumentScenario: Scenario = {
  name: 'long-document',
  title: 'One long document: the recorded edits of a paper, on disk and back',
  ...{ main: 'coldOpenMs', unit: 'ms from disk', better: 'less', takesPart: ({ stores }) => stores && hasPaper() },
  async measure({ server, dialect }, { quick, serverOptions }) {
    paper ??= readPaper(quick ? 5_000 : Infinity)
    const result = await longDocument({
      ...{ server, dialect, serverOptions: { ...serverOptions, serveArgs: RATES_RAISED }, paper, opens: quick ? 1 : 7 },
      // Syncline compacts once a minute, Hocuspocus stores after ten seconds.
      ...{ quietMs: quick ? 500 : server === 'syncline' ? 70_000 : 15_000, quietWithinMs: quick ? 1_000 : 150_000 },
    })
    const openMs = [...result.openMs].sort((a, b) => a - b)
    return {
      coldOpenMs: openMs[Math.floor(openMs.length / 2)]!,
      sentBytes: result.openBytes,
      diskBytes: result.diskBytes,
      emptyBytes: result.emptyBytes,
      diskTimesDocument: (result.diskBytes - result.emptyBytes) / paper.encodedBytes,
      quietAfterSeconds: result.quietAfterSeconds,
      ingestSeconds: result.ingestSeconds,
    }
  },
}

const idleScenario: Scenario = {
  name: 'idle',
  title: 'Memory of an idle connection that has synced one document',
  ...{ main: 'kibEach', unit: 'KiB a connection', better: 'less', takesPart: everybody },
  async measure({ server, dialect }, { quick, serverOptions }) {
    const { kibEach, baseMib } = await idleConnections({
      // Twice as long as a runtime that tidies up when it is idle needs to notice that it is.
      ...{ server, dialect, serverOptions, connections: quick ? 100 : 5_000, documents: quick ? 10 : 500, settleMs: quick ? 300 : 10_000 },
    })
    return { kibEach, baseMib }
  },
}

const reconnectScenario: Scenario = {
  name: 'reconnect',
  title: 'Clients that reconnect in the same instant',
  ...{ main: 'lastMs', unit: 'ms until the last is synced', better: 'less', takesPart: everybody },
  async measure({ server, dialect }, { quick, serverOptions }) {
    const result = await reconnectAtOnce({
      ...{ server, dialect, serverOptions, clients: quick ? 100 : 2_000, documents: quick ? 10 : 200, rounds: quick ? 1 : 5 },
    })
    const lastMs = [...result.lastMs].sort((a, b) => a - b)
    return { lastMs: lastMs[Math.floor(lastMs.length / 2)]!, medianClientMs: result.medianClientMs, cpuMsEach: result.cpuMsEach }
  },
}

const openOnceScenario: Scenario = {
  name: 'open-once',
  title: 'Documents opened once, written to, and left',
  ...{ main: 'cpuMsEach', unit: 'ms of processor time each', better: 'less', takesPart: everybody },
  async measure({ server, dialect }, { quick, documents = quick ? 100 : 10_000, serverOptions }) {
    const { cpuMsEach, perSecond, kibEach, mib } = await openOnce({
      ...{ server, dialect, serverOptions, documents, visitors: 20, withinMs: Infinity, settleMs: quick ? 300 : 4_000 },
    })
    return { cpuMsEach, perSecond, kibEach, mib }
  },
}

/** The first tenth is where the slope begins. */
const openOnceSlopeScenario: Scenario = {
  name: 'open-once-slope',
  title: 'Memory from 10,000 to 100,000 documents opened once, written to, and left',
  ...{ main: 'kibEach', unit: 'KiB a document', better: 'less', takesPart: everybody },
  async measure({ server, dialect }, { quick, documents = quick ? 500 : 100_000, serverOptions }) {
    const { documents: opened, ...result } = await openOnce({
      ...{ server, dialect, serverOptions, documents, visitors: 100, withinMs: 600_000, settleMs: quick ? 300 : 10_000 },
    })
    const { kibEach, fixedMib, mib, perSecond, cpuMsEach } = result
    return { kibEach, fixedMib, mib, opened, perSecond, cpuMsEach }
  },
}

const catchUpScenario: Scenario = {
  name: 'catch-up',
  title: 'A client that was away during 100,000 edits of one document',
  ...{ main: 'returnMs', unit: 'ms until it has all', better: 'less' },
  takesPart: ({ kind, dialect }) => kind !== 'floor' && dialect !== 'native' && hasPaper(),
  async measure({ server, dialect, stores }, { quick, serverOptions }) {
    const known = quick ? 1_000 : 20_000
    const { updates } = readPaper(quick ? 5_000 : known + 100_000)
    // Syncline stores before it acknowledges, Hocuspocus after ten seconds.
    const storedAfterMs = !stores ? null : quick ? 2_500 : server === 'syncline' ? 1_000 : 15_000
    const options = { serverOptions: { ...serverOptions, serveArgs: RATES_RAISED }, updates, known, returns: quick ? 1 : 7, storedAfterMs }
    const result = await catchUp({ server, dialect, ...options })
    const sorted = result.ms.toSorted((a, b) => a - b)
    return {
      returnMs: sorted[Math.floor(sorted.length / 2)]!,
      sentBytes: result.bytes,
      returnCpuMs: result.cpuMs,
      returnColdMs: result.coldMs,
      returnColdCpuMs: result.coldCpuMs,
      bringMs: result.bringMs,
      bringBytes: result.bringBytes,
      bringCpuMs: result.bringCpuMs,
    }
  },
}

export const scenarios: readonly Scenario[] = [
  fanOutOf({ documents: 20, clientsEach: 10 }),
  fanOutOf({ documents: 200, clientsEach: 2 }),
  fanOutOf({ documents: 1, clientsEach: 100 }),
  ingestScenario,
  longDocumentScenario,
  idleScenario,
  reconnectScenario,
  openOnceScenario,
  openOnceSlopeScenario,
  catchUpScenario,
]
