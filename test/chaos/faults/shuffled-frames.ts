// C17: whole frames are sent twice, lost or overtaken inside a connection, and an old session is sent again from its first byte. Rules: IN-1, I6; PROOF G5.

import { connect } from 'node:net'
import { FaultyProxy } from '../faulty-proxy.ts'
import { recording, shuffling, type FrameFault } from '../link-faults.ts'
import { verdict, type Scenario } from '../scenario.ts'
import type { Scene } from '../scene.ts'
import { headOf, rootOf } from '../stored-content.ts'
import { Typist } from '../typist.ts'
import { meetHarmedLink } from './harmed-link.ts'

const ONE_IN = 60
const BRIEF_MS = 2_500
const FOR_MS = 10_000
const REPLAYS = 3

export const shuffledFrames: Scenario = {
  id: 'shuffled-frames',
  fault: 'frames are repeated, lost or overtaken, and an old session is replayed',
  how: `a proxy repeats, drops or delays one WebSocket frame in ${ONE_IN} for ${FOR_MS / 1000} s; then all bytes of a finished session are sent to the relay again, ${REPLAYS} times`,
  expected: 'the link is cut with frame-corrupt; all are equal within 60 s of the end; a replayed session changes neither digest nor log',
  deadlineMs: 150_000,
  async run(scene) {
    const hits: Record<FrameFault, number> = { repeated: 0, lost: 0, overtaken: 0 }
    const fault = shuffling(scene.random, ONE_IN, (what) => hits[what]++)
    const { problems, acked, equalMs, ends, endCodes } = await meetHarmedLink(scene, {
      fault,
      forMs: scene.brief ? BRIEF_MS : FOR_MS,
      valueBytes: 200,
    })
    const unseen = Object.entries(hits).flatMap(([what, count]) => (count > 0 ? [] : [`no frame was ${what}`]))
    if ((endCodes.get('frame-corrupt') ?? 0) === 0) unseen.push('no link was cut with frame-corrupt')
    const replay = await replaySession(scene)
    return verdict(
      `${hits.repeated} repeated, ${hits.lost} lost, ${hits.overtaken} overtaken; links ended: ${ends}; ${acked} acked, 0 lost; equal ${Math.round(equalMs)} ms after; ${replay.observed}`,
      [...problems, ...unseen, ...replay.problems],
    )
  },
}

/** A client's whole session, sent again while it is linked anew, and once more when it is gone. */
async function replaySession(scene: Scene): Promise<{ observed: string; problems: string[] }> {
  const folder = scene.subfolder('replayed')
  const relay = await scene.relay(folder)
  const proxy = await FaultyProxy.open(relay.port)
  scene.atEnd(() => proxy.close())
  const session: Buffer[] = []
  proxy.fault = recording((way, bytes) => {
    if (way === 'up') session.push(Buffer.from(bytes))
  })
  const writer = await Typist.open(scene, { name: 'recorded', peers: [proxy.url], documents: ['note/1', 'note/2'] })
  const writeSome = async (): Promise<void> => void (await Promise.all(Array.from({ length: 40 }, () => writer.write())))
  await writeSome()
  const recorded = Buffer.concat(session)
  const before = [await headOf(folder), await rootOf(folder)].join(' ')
  for (let count = 0; count < REPLAYS; count++) await sendAgain(scene, relay.port, recorded)
  const after = [await headOf(folder), await rootOf(folder)].join(' ')
  const problems = before === after ? [] : [`a replayed session changed the store: ${before} became ${after}`]
  // The replays took the place of the client's own link, which must come back.
  const began = scene.now()
  await scene.within('the client is acknowledged again', writeSome(), 30_000)
  const rejoined = scene.now() - began
  if (writer.refusals.length > 0) problems.push(`after the replay the client was refused: ${writer.refusals.join(', ')}`)
  return {
    observed: `${REPLAYS} replays of ${recorded.length} bytes changed nothing, the client went on and was acknowledged in ${Math.round(rejoined)} ms`,
    problems,
  }
}

/** Resolves when the relay has ended the connection, or has said all that it says to these bytes. */
async function sendAgain(scene: Scene, port: number, bytes: Buffer): Promise<void> {
  const socket = connect({ host: '127.0.0.1', port })
  let heardAtMs = scene.now()
  let closed = false
  socket.on('data', () => (heardAtMs = scene.now()))
  socket.on('error', () => undefined)
  socket.on('close', () => (closed = true))
  socket.end(bytes)
  await scene.until('the relay has answered a replayed session', () => closed || scene.now() - heardAtMs > 1_000, 20_000)
  socket.destroy()
}
