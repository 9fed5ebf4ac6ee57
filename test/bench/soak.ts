// pnpm bench --only soak: a relay under churn for an hour, and whether it keeps what it should not. Visitors of three doors come, write and go, to documents that are visited again
// and again and to new ones. The relay collects its garbage every few seconds (soak-gc.mjs) and notes what is left; a straight line through that, after the first part of the
// time, says how fast it grows. An hour finds what grows by half a kilobyte for each visit, two minutes (--quick) what grows by some three.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { oneEdit } from './bench-replica.ts'
import type { DialectName } from './peers/dialect.ts'
import { LoadClient, pause } from './peers/load-client.ts'
import { pinGenerator, startServer, type ServerProcess } from './peers/server-process.ts'
import type { Figure, Progress } from './report.ts'
import { lineThrough, type Line, type Point } from './slope.ts'

/** Rows that are typed before into each document of the pool, all at once: together as many as a relay keeps of its log in memory, and some more. */
const FIRST_ROWS = 400
/** Documents that are begun before: as many as a relay keeps what it knows of in memory, and some more. */
const FIRST_DOCUMENTS = 4_500
/** Documents of this size that are written and read before: together more than the page cache of the connection that writes the database (32 MiB). */
const LARGE = { documents: 40, bytes: 1024 * 1024 } as const
/** Of the time, before growth is looked at: heaps, caches and the oldest documents fill. */
const WARM_SHARE = 0.3
const VISITORS = 40
const STAY_MS = [500, 8_000] as const
const TYPES_EVERY_MS = 100
const POOL = 200
/** Of visits: to a document that is new. */
const NEW_SHARE = 0.3
const MIB = 1024 * 1024
const HOUR_MS = 3_600_000
/** Growth that counts as none. Of what is alive: new documents may cost half a KiB each, some 8,600 an hour. Resident memory moves more, by what the system and the allocator keep. */
const LIVE_MIB_PER_HOUR_MAX = 12
const RESIDENT_MIB_PER_HOUR_MAX = 48
/** A shorter run tells how resident memory moved, and judges only what is alive: V8 takes and gives back tens of MiB within minutes. */
const RESIDENT_FROM_MINUTES = 30
/** A run of `minutes` cannot tell growth from noise as well as an hour does. */
const NOISE = (minutes: number): number => Math.max(1, Math.sqrt(60 / minutes))

const doors: readonly DialectName[] = ['y-websocket', 'y-websocket', 'y-websocket', 'hocuspocus', 'native']

export async function soak(minutes: number, progress: Progress): Promise<Figure[]> {
  pinGenerator()
  const nodeArgs = ['--expose-gc', '--import', fileURLToPath(import.meta.resolve('./soak-gc.mjs'))]
  // The pace of a disk must not decide how much is done.
  const relay = await startServer('syncline', { nodeArgs, serveArgs: ['--durability', 'process'] })
  try {
    const churn = new Churn(relay.port)
    // The rows last: large ones would take their place.
    progress('soak: filling the page cache of the database')
    await churn.readAndWriteLarge()
    progress('soak: filling what a relay keeps of documents')
    await Promise.all(Array.from({ length: VISITORS }, () => churn.beginDocuments(FIRST_DOCUMENTS)))
    progress('soak: filling what a relay keeps of its log')
    await Promise.all(Array.from({ length: POOL }, (_, number) => churn.typeAtOnce(number, FIRST_ROWS)))
    const warmFrom = Date.now()
    const endsAt = performance.now() + minutes * 60_000
    const visiting = Array.from({ length: VISITORS }, (_, seat) => churn.visitUntil(endsAt, seat))
    const failed = Promise.all(visiting)
    while (performance.now() < endsAt) {
      await Promise.race([failed, pause(Math.min(10_000, Math.max(0, endsAt - performance.now())))])
      const last = memoryOf(relay).at(-1)
      if (last !== undefined)
        progress(
          `soak: ${Math.ceil((endsAt - performance.now()) / 60_000)} min left, ${churn.visits} visits, ${churn.documents} documents, alive ${last.liveMib.toFixed(1)}, resident ${last.residentMib.toFixed(0)} MiB`,
        )
    }
    await failed
    return figuresOf(
      memoryOf(relay).filter(({ atMs }) => atMs >= warmFrom),
      minutes,
      churn,
    )
  } finally {
    await relay.discard()
  }
}

interface Memory {
  readonly atMs: number
  /** On the heap and in buffers, after a collection. */
  readonly liveMib: number
  readonly residentMib: number
  /** What the heap has taken of it. */
  readonly heapMib: number
}

function memoryOf({ folder }: ServerProcess): Memory[] {
  const lines = readFileSync(join(folder, 'memory.log'), 'utf8').split('\n')
  return lines.slice(0, -1).map((line) => {
    const [atMs, live, resident, heap] = line.split(' ').map(Number) as [number, number, number, number]
    return { atMs, liveMib: live / MIB, residentMib: resident / MIB, heapMib: heap / MIB }
  })
}

function figuresOf(memory: readonly Memory[], minutes: number, { visits, failed, edits, documents }: Churn): Figure[] {
  const from = memory[0]!.atMs + (memory.at(-1)!.atMs - memory[0]!.atMs) * WARM_SHARE
  const warm = memory.filter(({ atMs }) => atMs >= from)
  const line = (of: (at: Memory) => number): Line => lineThrough(warm.map((at): Point => [at.atMs / HOUR_MS, of(at)]))
  const [live, resident] = [line(({ liveMib }) => liveMib), line(({ residentMib }) => residentMib)]
  const noise = NOISE(minutes)
  const grows = (name: string, { slope, standardError }: Line, most: number | null): Figure[] => [
    {
      name: `soak, ${minutes} min: ${name} grows, MiB an hour (2 standard errors: ${(2 * standardError).toFixed(1)})`,
      value: tenth(slope),
      unit: '',
    },
    {
      name: `soak, ${minutes} min: ${name} surely grows, MiB an hour`,
      value: tenth(Math.max(0, slope - 2 * standardError)),
      unit: '',
      ...(most === null ? {} : { bound: Math.round(most * noise) }),
    },
  ]
  return [
    { name: `soak, ${minutes} min: visits`, value: visits, unit: '' },
    { name: `soak, ${minutes} min: visits that the relay ended`, value: failed, unit: '', bound: Math.floor(visits / 1_000) },
    { name: `soak, ${minutes} min: edits`, value: edits, unit: '' },
    { name: `soak, ${minutes} min: documents at the end`, value: documents, unit: '' },
    {
      name: `soak, ${minutes} min: alive when warm, and at the end`,
      value: tenth(warm[0]!.liveMib),
      unit: `MiB, ${tenth(warm.at(-1)!.liveMib)} MiB`,
    },
    {
      name: `soak, ${minutes} min: heap when warm, and at the end`,
      value: tenth(warm[0]!.heapMib),
      unit: `MiB, ${tenth(warm.at(-1)!.heapMib)} MiB`,
    },
    {
      name: `soak, ${minutes} min: resident when warm, and at the end`,
      value: tenth(warm[0]!.residentMib),
      unit: `MiB, ${tenth(warm.at(-1)!.residentMib)} MiB`,
    },
    ...grows('what is alive', live, LIVE_MIB_PER_HOUR_MAX),
    ...grows('resident memory', resident, minutes < RESIDENT_FROM_MINUTES ? null : RESIDENT_MIB_PER_HOUR_MAX),
  ]
}

/** Visits are the same in every run, as far as the relay's pace lets them. */
class Churn {
  visits = 0
  /** Of the visits: ended by the relay. */
  failed = 0
  edits = 0
  documents = POOL
  private readonly port: number
  private state = 1

  constructor(port: number) {
    this.port = port
  }

  /** So many edits of one document, each in a row of its own: it waits for each to be stored. */
  async typeAtOnce(number: number, rows: number): Promise<void> {
    const done = Promise.withResolvers<void>()
    const visitor = new LoadClient({
      ...{ port: this.port, dialect: 'y-websocket', doc: `soak-${number}`, writer: this.visits++ },
      onAcknowledged(client) {
        if (client.acknowledged >= rows) done.resolve()
        else if (client.acknowledged === client.clock) client.type()
      },
    })
    await visitor.greeted
    visitor.type()
    await done.promise
    this.edits += rows
    visitor.destroy()
  }

  async readAndWriteLarge(): Promise<void> {
    for (let number = 0; number < LARGE.documents; number++) {
      const stored = Promise.withResolvers<void>()
      const visitor = { port: this.port, dialect: 'y-websocket', doc: `large-${number}`, writer: -1 } as const
      const author = new LoadClient({ ...visitor, onUpdate: ({ length }) => void (length >= LARGE.bytes && stored.resolve()) })
      await author.greeted
      author.write(oneEdit(String(number % 10).repeat(LARGE.bytes)))
      await stored.promise
      author.destroy()
    }
    for (let number = 0; number < LARGE.documents; number++) {
      const reader = new LoadClient({
        port: this.port,
        dialect: 'y-websocket',
        doc: `large-${number}`,
        writer: -1,
        onUpdate: () => undefined,
      })
      await reader.ready
      if (reader.updateBytes < LARGE.bytes) throw new Error('a large document did not come back')
      reader.destroy()
    }
  }

  /** One letter into each of so many new ones, with others who do the same. */
  async beginDocuments(until: number): Promise<void> {
    while (this.documents < until) await this.typeAtOnce(this.documents++, 1)
  }

  /** One seat: whoever leaves it makes room for the next. */
  async visitUntil(endsAt: number, seat: number): Promise<void> {
    await pause(seat * 20)
    while (performance.now() < endsAt)
      await this.visit(Math.min(endsAt, performance.now() + STAY_MS[0] + this.chance() * (STAY_MS[1] - STAY_MS[0])))
  }

  private async visit(leavesAt: number): Promise<void> {
    const writer = this.visits++
    const dialect = doors[Math.floor(this.chance() * doors.length)]!
    const isNew = this.chance() < NEW_SHARE
    const number = isNew ? this.documents++ : Math.floor(this.chance() * POOL)
    // Only some read what comes; what the others are sent costs the relay the same.
    const options = { port: this.port, dialect, doc: `soak-${number}`, writer }
    const visitor = new LoadClient({ ...options, onAcknowledged: () => undefined, onFailed: () => undefined })
    await visitor.greeted.catch(() => undefined)
    while (!visitor.closed && performance.now() < leavesAt) {
      visitor.type()
      this.edits++
      await pause(TYPES_EVERY_MS)
    }
    // On a machine that has no time for it, a greeting may come too late.
    if (visitor.closed) this.failed++
    visitor.destroy()
  }

  private chance(): number {
    this.state = (Math.imul(this.state, 1_664_525) + 1_013_904_223) >>> 0
    return this.state / 2 ** 32
  }
}

function tenth(value: number): number {
  return Math.round(value * 10) / 10
}
