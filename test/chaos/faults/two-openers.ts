// C11: several relays are started on one folder. Rules: ID-1, CL-4.

import { hostname } from 'node:os'
import { spawnCommand } from '../../integration/relay-process.ts'
import { verdict, type Scenario } from '../scenario.ts'
import type { Scene } from '../scene.ts'
import { missingFrom, servedTokens } from '../stored-content.ts'
import { Typist } from '../typist.ts'

const DOCUMENTS = ['note/1']
const OPENERS = 4

export const twoOpeners: Scenario = {
  id: 'two-openers',
  fault: 'several relays are started on one data folder',
  how: `${OPENERS} processes at once while one serves it; then kill -9 of that one and a start at once`,
  expected:
    'each later one ends with exit code 1 and words that name the process that holds the folder; the first is not disturbed; after kill -9 the folder is free at once',
  deadlineMs: 60_000,
  async run(scene) {
    const folder = scene.subfolder('data')
    const first = await scene.relay(folder)
    const writer = await Typist.open(scene, { name: 'writer', peers: [first.url], documents: DOCUMENTS })
    writer.start()
    await scene.until('the first relay takes writes', () => writer.acked.length >= 20, 20_000)
    const ends = await Promise.all(Array.from({ length: OPENERS }, () => tryToServe(scene, folder)))
    const problems = ends.flatMap(({ code, stderr }) => {
      const named = stderr.includes('store-locked') && stderr.includes(`process ${first.pid} `)
      return code === 1 && named ? [] : [`a second opener ended with ${code}: ${stderr.trim()}`]
    })
    const acked = writer.acked.length
    await scene.until('the first relay goes on', () => writer.acked.length > acked, 10_000)
    await first.end('SIGKILL')
    const began = scene.now()
    const next = await scene.relay(folder, { port: first.port })
    const restartMs = scene.now() - began
    writer.stop()
    await writer.settled(20_000)
    const served = await servedTokens(scene, next.url, DOCUMENTS)
    problems.push(
      ...missingFrom(
        'the next relay',
        writer.acked.map(({ token }) => token),
        served,
      ),
    )
    const words = ends[0]?.stderr.trim().split('\n')[0] ?? ''
    return verdict(
      `${ends.length} of ${OPENERS} refused: "${words.replace(scene.folder, '…').replace(hostname(), 'this machine')}"; next opener ready ${Math.round(restartMs)} ms after kill -9; ${writer.acked.length} acked, 0 lost`,
      problems,
    )
  },
}

async function tryToServe(scene: Scene, folder: string): Promise<{ code: number | null; stderr: string }> {
  const child = spawnCommand(['serve', '--data', folder, '--port', '0'])
  scene.atEnd(() => child.kill('SIGKILL'))
  let stderr = ''
  child.stderr!.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve))
  return { code, stderr }
}
