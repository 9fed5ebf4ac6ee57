// C4: a relay's process stands still for longer than its peers wait, then goes on with what was in its buffers. Rules: DU-1, CV-2.

import type { RelayProcess } from '../../integration/relay-process.ts'
import { verdict, type Scenario } from '../scenario.ts'
import type { Scene } from '../scene.ts'
import { equalFolders, faultsIn, missingFrom, storedTokens } from '../stored-content.ts'
import { Typist } from '../typist.ts'

const DOCUMENTS = ['note/1', 'note/2']
/** LIMITS.silentCloseMs is 30 s; the rest is the engine's tick and this machine. */
const CUT_MS_MAX = 36_000

export const stoppedRelay: Scenario = {
  id: 'stopped-relay',
  fault: 'a relay stands still for longer than the ping timeout, then goes on',
  how: 'SIGSTOP until its peers gave it up, then SIGCONT; a client writes to it and another relay all the while',
  expected:
    'peers cut it with link-silent within 36 s; nothing is acknowledged by it meanwhile; every ack is true on its disk; it resyncs within 30 s',
  deadlineMs: 120_000,
  async run(scene) {
    const [folderA, folderB] = [scene.subfolder('a'), scene.subfolder('b')]
    const a = await scene.relay(folderA)
    const b = await scene.relay(folderB, { args: ['--peer', a.url] })
    const near = await Typist.open(scene, { name: 'near', peers: [a.url], documents: DOCUMENTS, everyMs: 50 })
    const other = await Typist.open(scene, { name: 'other', peers: [b.url], documents: DOCUMENTS, everyMs: 50 })
    near.start()
    other.start()
    await scene.until('both write', () => near.acked.length > 20 && other.acked.length > 20, 20_000)
    const stop = await stopUntilCut(scene, { a, b, near, other })
    near.stop()
    other.stop()
    const settledMs = await near.settled(30_000)
    await other.settled(30_000)
    const falseAcks = missingFrom('the resumed relay', tokensAcked(near), await storedTokens(folderA, DOCUMENTS))
    const equalMs = await equalFolders(scene, [folderA, folderB], 30_000)
    const problems = [...stop.problems, ...falseAcks, ...(await faultsIn(folderA, folderB))]
    const observed = `cut after ${(stop.cutMs / 1000).toFixed(1)} s with link-silent by client and relay; ${stop.ackedMeanwhile} acks meanwhile; after SIGCONT saved in ${Math.round(settledMs)} ms, equal in ${Math.round(settledMs + equalMs)} ms; ${near.acked.length + other.acked.length} acked, 0 lost`
    return verdict(observed, problems)
  },
}

interface Standing {
  readonly a: RelayProcess
  readonly b: RelayProcess
  readonly near: Typist
  readonly other: Typist
}

async function stopUntilCut(
  scene: Scene,
  { a, b, near, other }: Standing,
): Promise<{ cutMs: number; ackedMeanwhile: number; problems: string[] }> {
  a.signal('SIGSTOP')
  // What was sent before it stopped still arrives.
  await scene.lasting(250)
  const [ackedNear, ackedOther] = [near.acked.length, other.acked.length]
  const cutByClient = (): boolean => near.replica.status.get().peers[0]?.error?.code === 'link-silent'
  const cutByRelay = (): boolean => /link-ended:.*link-silent/.test(b.troubles())
  scene.report('stopped; waiting for its peers to give it up')
  const cutMs = await scene.until('both peers cut the stopped relay', () => cutByClient() && cutByRelay(), CUT_MS_MAX)
  const ackedMeanwhile = near.acked.length - ackedNear
  const problems: string[] = []
  if (ackedMeanwhile > 0) problems.push(`${ackedMeanwhile} edits were acknowledged by a relay that stood still`)
  if (other.acked.length === ackedOther) problems.push('the other relay acknowledged nothing meanwhile')
  a.signal('SIGCONT')
  scene.report(`cut after ${Math.round(cutMs)} ms; resumed`)
  return { cutMs, ackedMeanwhile, problems }
}

function tokensAcked(typist: Typist): string[] {
  return typist.acked.map(({ token }) => token)
}
