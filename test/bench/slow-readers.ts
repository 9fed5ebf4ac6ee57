// A thousand clients that read nothing while others type: what the relay keeps for them, and what the others notice. The relay is a process of its own; both kinds of
// clients live in this one. Phases of one run: nobody stalls; the crowd has come and the network's buffers fill; the crowd is full; some of it reads again.
// Rule: RS-1.

import { residentMib } from '../chaos/process-memory.ts'
import { startRelay, type RelayProcess } from '../integration/relay-process.ts'
import { busyRooms, type BusyRooms, type Latencies } from './busy-rooms.ts'
import { disownPid, ownPid, temporaryFolder } from './clean-up.ts'
import type { Figure, Progress } from './report.ts'
import { stalledCrowd, type StalledCrowd } from './stalled-crowd.ts'

export interface SlowReadersSize {
  readonly crowd: number
  readonly documents: number
  readonly people: number
  /** Of each phase that is measured. */
  readonly seconds: number
}

/** Others wait at most this many times as long as without the crowd. */
const P99_FACTOR_MAX = 2
/** Above what the relay holds before the crowd comes. */
const CROWD_MIB_MAX = 512
const PASTE_BYTES = 256 * 1024
/** What the network and the relay take for one client that reads nothing is some MiB; beyond that it must wait in the log. */
const PASTED_BYTES_MAX = 8 * 1024 * 1024
const PASTED_TOGETHER_BYTES_MAX = 256 * 1024 * 1024
/** Who reads nothing answers no ping: it would be cut after 40 s, and the crowd is to stay. */
const STALLED_MS_MAX = 600_000
const WOKEN = 50
const WAKE_WITHIN_MS = 60_000

export async function slowReaders(size: SlowReadersSize, progress: Progress): Promise<Figure[]> {
  const folder = temporaryFolder()
  const relay = await startRelay(folder.path, { args: ['--limits-silent-close-ms', String(STALLED_MS_MAX)], onSpawn: ownPid })
  void relay.exited.then(() => disownPid(relay.pid))
  const rooms = Array.from({ length: size.documents }, (_, index) => `${relay.url}/busy-${index}`)
  const memory = new MemoryWatch(relay.pid)
  const name = `${size.crowd} stalled on ${size.documents} document${size.documents === 1 ? '' : 's'}`
  let busy: BusyRooms | null = null
  let crowd: StalledCrowd | null = null
  const phases: Phase[] = []
  const phase = async (title: string, work: () => Promise<Latencies>): Promise<void> => {
    progress(`${name}: ${title}`)
    memory.reset()
    const latencies = await work()
    phases.push({ title, latencies, mib: memory.most })
  }
  try {
    busy = await busyRooms(rooms, size.people)
    const { type } = busy
    await type(2)
    await phase('nobody stalls', () => type(size.seconds))
    crowd = await stalledCrowd(size.crowd, rooms)
    await phase('the crowd has come', () => type(size.seconds))
    await phase('buffers fill', () => typeWhile(busy!, () => fill(busy!, size.documents)))
    await phase('the crowd is full', () => type(size.seconds))
    const isLast = await busy.mark()
    let late = 0
    const wake = async (): Promise<void> => void ({ late } = await crowd!.wake(Math.min(WOKEN, size.crowd), isLast, WAKE_WITHIN_MS))
    await phase(`${Math.min(WOKEN, size.crowd)} read again`, () => typeWhile(busy!, wake))
    return figuresOf(name, phases, late, crowd.lost())
  } finally {
    memory.stop()
    crowd?.close()
    busy?.close()
    await ended(relay)
    folder.remove()
  }
}

interface Phase {
  readonly title: string
  readonly latencies: Latencies
  /** Most resident memory of the relay. */
  readonly mib: number
}

function figuresOf(name: string, phases: readonly Phase[], late: number, lost: number): Figure[] {
  const quiet = phases[0]!
  const full = phases[3]!
  const rows = phases.flatMap(({ title, latencies, mib }): Figure[] => [
    { name: `${name}, ${title}: p50`, value: tenth(latencies.p50Ms), unit: 'ms' },
    { name: `${name}, ${title}: p99 of ${latencies.samples}`, value: tenth(latencies.p99Ms), unit: 'ms' },
    { name: `${name}, ${title}: slowest`, value: tenth(latencies.maxMs), unit: 'ms' },
    { name: `${name}, ${title}: memory of the relay`, value: Math.round(mib), unit: 'MiB' },
    ...(latencies.lost === 0 ? [] : [{ name: `${name}, ${title}: edits not delivered`, value: latencies.lost, unit: '', bound: 0 }]),
  ])
  return [
    ...rows,
    {
      name: `${name}: p99 with the crowd full, times that without`,
      value: tenth(full.latencies.p99Ms / quiet.latencies.p99Ms),
      unit: '',
      bound: P99_FACTOR_MAX,
    },
    {
      name: `${name}: memory that the crowd costs`,
      value: Math.round(Math.max(...phases.map(({ mib }) => mib)) - quiet.mib),
      unit: 'MiB',
      bound: CROWD_MIB_MAX,
    },
    { name: `${name}: woken that did not get everything`, value: late, unit: '', bound: 0 },
    { name: `${name}: connections that the relay ended`, value: lost, unit: '', bound: 0 },
  ]
}

/** Types while `work` lasts. */
async function typeWhile(busy: BusyRooms, work: () => Promise<void>): Promise<Latencies> {
  const all: Latencies[] = []
  let done = false
  const working = work().finally(() => (done = true))
  while (!done) all.push(await busy.type(2))
  await working
  return all.reduce((worst, one) => ({
    samples: worst.samples + one.samples,
    p50Ms: Math.max(worst.p50Ms, one.p50Ms),
    p99Ms: Math.max(worst.p99Ms, one.p99Ms),
    maxMs: Math.max(worst.maxMs, one.maxMs),
    lost: worst.lost + one.lost,
  }))
}

async function fill(busy: BusyRooms, documents: number): Promise<void> {
  const bytes = Math.min(PASTED_BYTES_MAX, PASTED_TOGETHER_BYTES_MAX / documents)
  for (let pasted = 0; pasted < bytes; pasted += PASTE_BYTES) await busy.paste(PASTE_BYTES)
}

/** Looks at the memory of another process ten times a second. */
class MemoryWatch {
  most = 0
  readonly stop: () => void

  constructor(pid: number) {
    const timer = setInterval(() => (this.most = Math.max(this.most, residentMib(pid) ?? 0)), 100)
    this.stop = () => clearInterval(timer)
  }

  reset(): void {
    this.most = 0
  }
}

async function ended(relay: RelayProcess): Promise<void> {
  await relay.end('SIGKILL')
}

function tenth(value: number): number {
  return Math.round(value * 10) / 10
}
