// C10: the database file is deleted, or another put in its place, under the relay that has it open. Rules: SQ-9, DU-1.

import { copyFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { verdict, type Scenario } from '../scenario.ts'
import type { Scene } from '../scene.ts'
import { foreignIn, missingFrom, servedTokens, storeFile } from '../stored-content.ts'
import { Typist } from '../typist.ts'

const DOCUMENTS = ['note/1', 'note/2']
/** The relay looks each second; the rest is the way of an ack through two processes of a busy machine. */
const ACKS_STOP_MS_MAX = 1_400

export const replacedFile: Scenario = {
  id: 'replaced-file',
  fault: 'the database file of a running relay is deleted, or replaced by an older copy',
  how: 'unlink, then in a second round a rename over it, while a client writes every 10 ms; afterwards a new relay on an empty folder and the same port',
  expected:
    'no ack later than 1 s after it, the relay lives and says store-replaced; a relay that starts anew gets everything back from the client',
  deadlineMs: 90_000,
  async run(scene) {
    const problems: string[] = []
    const observed: string[] = []
    for (const how of ['deleted', 'replaced'] as const) {
      const round = await takeAway(scene, how)
      problems.push(...round.problems)
      observed.push(round.observed)
    }
    return verdict(observed.join('; '), problems)
  },
}

async function takeAway(scene: Scene, how: 'deleted' | 'replaced'): Promise<{ observed: string; problems: string[] }> {
  const folder = scene.subfolder(how)
  const file = storeFile(folder)
  const relay = await scene.relay(folder)
  const writer = await Typist.open(scene, { name: how, peers: [relay.url], documents: DOCUMENTS, everyMs: 10, window: 8 })
  writer.start()
  await scene.until('the relay takes writes', () => writer.acked.length >= 50, 20_000)
  copyFileSync(file, join(scene.folder, `${how}.db`))
  const acksBefore = writer.acked.length
  if (how === 'deleted') rmSync(file)
  else renameSync(join(scene.folder, `${how}.db`), file)
  const atMs = scene.now()
  await scene.until('the relay says store-replaced', () => relay.troubles().includes('code store-replaced'), 10_000)
  await scene.lasting(2_500)
  const acksAfter = writer.acked.length
  const lastAckMs = Math.max(0, ...writer.acked.slice(acksBefore).map((ack) => ack.atMs - atMs))
  const problems: string[] = []
  if (lastAckMs > ACKS_STOP_MS_MAX) problems.push(`${how}: an edit was acknowledged ${Math.round(lastAckMs)} ms after the file was gone`)
  await relay.end('SIGKILL')
  const again = await scene.relay(scene.subfolder(`${how}-anew`), { port: relay.port })
  await scene.until('a relay with an empty folder takes writes', () => writer.acked.length > acksAfter, 30_000)
  writer.stop()
  await writer.settled(30_000)
  const served = await servedTokens(scene, again.url, DOCUMENTS)
  problems.push(
    ...missingFrom(
      `${how}: the new relay`,
      writer.acked.map(({ token }) => token),
      served,
    ),
    ...foreignIn(`${how}: the new relay`, served, new Set(writer.made)),
  )
  await writer.close()
  await again.end('SIGTERM')
  return {
    observed: `${how}: last ack ${Math.round(lastAckMs)} ms after, then none; ${writer.acked.length} acked, all back from the client`,
    problems,
  }
}
