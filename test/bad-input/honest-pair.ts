// Two honest programs that exchange edits all the time, in a thread of their own so that what the tests do costs them nothing: one is a y-websocket client, the
// other a native link, so a round trip passes both doors, the gate and two commits. Each round trip is noted with its time. Driven by round-trips.ts.

import { readFileSync } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'
import * as Y from 'yjs'
import { BareClient } from '../integration/room-client.ts'
import * as codec from '../../packages/relay/src/y-websocket-codec.ts'
import { NativePeer } from './native-peer.ts'

export const PAIR_DOC = 'honest/pair'
/** One round trip starts this long after the one before ended: the pair is a witness, not a load. */
const PAUSE_MS = 10

export interface RoundTrip {
  /** Milliseconds since the epoch, with fractions. */
  readonly startedAt: number
  readonly ms: number
  /** The part of it in which the relay was at work, whoever else wanted the processor; `ms` where the system does not tell. */
  readonly busyMs: number
}

const now = (): number => performance.timeOrigin + performance.now()

/** One writer whose updates overwrite one key, so that the document stays small. */
class Writer {
  readonly #doc = new Y.Doc()
  #made: Uint8Array = new Uint8Array(0)

  constructor() {
    this.#doc.on('update', (update: Uint8Array) => (this.#made = update))
  }

  edit(name: string, round: number): Uint8Array {
    this.#doc.getMap('pair').set(name, round)
    return this.#made
  }
}

/** Processor time of a process so far, all threads, in ms; null where there is no /proc. */
function processorMs(pid: number): number | null {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]!.split(' ')
    // In ticks of 10 ms, the resolution of everything here.
    return 10 * (Number(fields[11]) + Number(fields[12]))
  } catch {
    return null
  }
}

async function run(port: number, pid: number): Promise<void> {
  const left = new BareClient(`ws://127.0.0.1:${port}/${PAIR_DOC}`)
  await left.opened
  const right = await NativePeer.live(port, `=${PAIR_DOC}`)
  const trips: RoundTrip[] = []
  const [leftWriter, rightWriter] = [new Writer(), new Writer()]
  let arrived: (update: Uint8Array) => void = () => undefined
  let wanted = Buffer.alloc(0)
  let seq = 0
  left.onMessage = (message) => {
    if (message.kind === 'update' && wanted.length > 0 && wanted.equals(message.update)) arrived(message.update)
  }
  let sentByLeft = Buffer.alloc(0)
  right.onMessage = (message) => {
    if (message.kind !== 'entries') return
    for (const row of message.rows) {
      if (!Buffer.from(row.bytes).includes(sentByLeft)) continue
      wanted = Buffer.from(rightWriter.edit('right', seq))
      right.say({ kind: 'entries', channel: 0, toSeq: ++seq, rows: [right.row(PAIR_DOC, [wanted])] })
    }
  }
  const loop = async (): Promise<void> => {
    for (let round = 1; ; round++) {
      const startedAt = now()
      const busyBefore = processorMs(pid)
      await new Promise<void>((resolve) => {
        arrived = () => resolve()
        sentByLeft = Buffer.from(leftWriter.edit('left', round))
        left.send(codec.updateFrame(sentByLeft))
      })
      wanted = Buffer.alloc(0)
      const ms = now() - startedAt
      const busyAfter = processorMs(pid)
      trips.push({ startedAt, ms, busyMs: busyBefore === null || busyAfter === null ? ms : Math.min(ms, busyAfter - busyBefore) })
      left.messages.length = 0
      right.messages.length = 0
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
    }
  }
  const ended = Promise.race([left.closed, right.ended]).then(({ code, reason }) => {
    throw new Error(`the honest pair lost its connection: ${code} ${reason}`)
  })
  const report = (): void => {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    parentPort!.postMessage({ trips })
  }
  parentPort!.on('message', report)
  report()
  await Promise.race([loop(), ended])
}

// Imported for its names in the main thread, run in its own.
if (parentPort !== null && workerData?.role === 'honest-pair') void run(workerData.port as number, workerData.pid as number)
