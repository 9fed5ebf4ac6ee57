// The engine over the transport under test: two real replicas with stores in memory must keep the promises of sync. Part of linkContract.
// Rules: LN-17 to LN-20; the promises they stand for are CV-2 and RS-1.

import { LIMITS, parseDocId, type DocId } from '@syncline/protocol'
import { Replica, type AttachedLink, type Clock, type LinkPort, type OpenDocument } from '@syncline/replica'
import { Random } from '../random.ts'
import { countingClock } from './counting-clock.ts'
import type { LinkConnection, LinkHarness } from './link-harness.ts'
import { NO_HOLD, pass, replicaParts, until } from './link-probe.ts'
import { check, type ContractRule } from './rule.ts'

/** The engine stops at 1 MiB unsent; one flush of 1 MiB may be on top, and the frame that fills it. */
const WAITING_BYTES_MAX = 3 * LIMITS.nativeFrameBytesMax

export const linkReplicaRules: readonly ContractRule<LinkHarness>[] = [
  {
    id: 'LN-17',
    guarantee: 'two replicas that are linked converge, in both directions, small documents, many, and one of 3 MB',
    run: (harness) =>
      withReplicas(harness, async ({ a, b, connect, converged }) => {
        for (let at = 0; at < 100; at++) await write(a, `a/${at}`, `text ${at}`)
        await write(a, 'large/a', letters(1, 3_000_000))
        for (let at = 0; at < 100; at++) await write(b, `b/${at}`, `text ${at}`)
        await write(b, 'shared', 'one')
        await connect()
        await write(a, 'shared', 'two')
        await converged()
        check(read(a, 'b/99') === 'text 99' && read(b, 'a/99') === 'text 99', 'equal roots, and the documents do not read alike')
        check(read(b, 'large/a') === letters(1, 3_000_000), 'the large document arrived changed')
        await until(
          harness,
          () => read(a, 'shared').length === 6 && read(a, 'shared') === read(b, 'shared'),
          () => `"one" and "two" were written on two sides, and they read "${read(a, 'shared')}" and "${read(b, 'shared')}"`,
        )
      }),
  },
  {
    id: 'LN-18',
    guarantee:
      'after a cut in the middle of traffic and a new link, what was written on either side meanwhile is everywhere, and nothing is lost',
    run: (harness) =>
      withReplicas(harness, async ({ a, b, connect, converged }) => {
        for (let round = 0; round < 3; round++) {
          const connection = await connect()
          await until(
            harness,
            () => linked(a) && linked(b),
            () => 'the replicas did not link up',
          )
          const writing = [write(a, `during/a${round}`, letters(round, 200_000)), write(b, `during/b${round}`, letters(round, 200_000))]
          connection.cut()
          await Promise.all(writing)
          await until(
            harness,
            () => !linked(a) && !linked(b),
            () => 'the connection was cut, and a replica takes it for live',
          )
          await write(a, `after/a${round}`, 'written while cut')
          await write(b, 'shared', `${round};`)
          await connection.close()
        }
        await connect()
        await converged()
        check(read(a, 'shared') === '0;1;2;', `the other side wrote "0;1;2;", and "${read(a, 'shared')}" arrived`)
        for (let round = 0; round < 3; round++) check(read(b, `during/a${round}`) === letters(round, 200_000), 'a document arrived changed')
      }),
  },
  {
    id: 'LN-19',
    guarantee: 'towards a peer that does not read, a replica keeps at most 3 MiB waiting in the transport, and goes on when it reads',
    run: (harness) =>
      withReplicas(harness, async ({ a, b, connect, converged, clock }) => {
        const connection = await connect()
        await until(
          harness,
          () => linked(a) && linked(b),
          () => 'the replicas did not link up',
        )
        const hold = (held: boolean): void => {
          if (connection.hold !== undefined) return connection.hold('listener', held)
          check(b.ports[0]!.pause !== undefined, NO_HOLD)
          b.ports[0]!.pause(held)
        }
        hold(true)
        let waitingMax = 0
        for (let at = 0; at < 40; at++) {
          await write(a, `bulk/${at}`, letters(at, 400_000))
          await pass(clock, 5)
          waitingMax = Math.max(waitingMax, a.ports[0]!.buffered())
        }
        check(waitingMax <= WAITING_BYTES_MAX, `${waitingMax} bytes waited in the transport`)
        hold(false)
        await converged()
      }),
  },
  {
    id: 'LN-20',
    guarantee: 'after the replicas and the connection are closed, no timer runs and nothing is left open',
    run: async (harness) => {
      const clock = countingClock(harness.clock)
      await withReplicas(
        harness,
        async ({ a, connect, converged }) => {
          await write(a, 'note', 'text')
          await connect()
          await converged()
        },
        clock,
      )
      await until(
        harness,
        () => clock.running === 0,
        () => `${clock.running} timers run after everything was closed`,
      )
      await until(
        harness,
        () => harness.leftOpen().length === 0,
        () => `left open: ${harness.leftOpen().join(', ')}`,
      )
    },
  },
]

class LinkedReplica extends Replica {
  readonly ports: LinkPort[] = []

  override attachLink(port: LinkPort): AttachedLink {
    this.ports.push(port)
    return super.attachLink(port)
  }
}

interface Pair {
  readonly a: LinkedReplica
  readonly b: LinkedReplica
  readonly clock: Clock
  /** `a` dials. */
  connect(): Promise<LinkConnection>
  /** Waits until both hold the same. */
  converged(): Promise<void>
}

async function withReplicas(
  harness: LinkHarness,
  run: (pair: Pair) => Promise<void>,
  clock: Clock = countingClock(harness.clock),
): Promise<void> {
  const [a, b] = [new LinkedReplica(replicaParts(clock)), new LinkedReplica(replicaParts(clock))]
  const connections: LinkConnection[] = []
  const close = async (): Promise<void> => {
    await Promise.all([a.close(), b.close()])
    for (const connection of connections) await connection.close()
  }
  const pair: Pair = {
    a,
    b,
    clock,
    connect: async () => {
      const connection = await harness.connect(a, b)
      connections.push(connection)
      return connection
    },
    converged: () =>
      until(
        harness,
        () => a.root === b.root && linked(a) && linked(b),
        () => `${linked(a) && linked(b) ? 'linked' : 'not linked'}, roots ${a.root} and ${b.root}`,
      ),
  }
  try {
    await run(pair)
  } catch (error) {
    await Promise.allSettled([close()])
    throw error
  }
  await close()
}

function linked(replica: Replica): boolean {
  return replica.status().peers.length > 0
}

async function write(replica: Replica, name: string, text: string): Promise<void> {
  const document = open(replica, name)
  const body = document.doc.getText('body')
  body.insert(body.length, text)
  await document.saved()
}

function read(replica: Replica, name: string): string {
  return open(replica, name).doc.getText('body').toString()
}

function open(replica: Replica, name: string): OpenDocument {
  const doc: DocId = parseDocId(name)
  return replica.openDocument(doc)
}

function letters(seed: number, length: number): string {
  const bytes = new Random(seed + 1).bytes(4096)
  const text = Array.from(bytes, (byte) => String.fromCharCode(97 + (byte % 26))).join('')
  return text.repeat(Math.ceil(length / text.length)).slice(0, length)
}
