// C12: the wall clock of a relay jumps a day ahead, a day back, and stands still. Rules: CV-1; PROOF G18.

import type { RelayProcess } from '../../integration/relay-process.ts'
import { verdict, type Scenario } from '../scenario.ts'
import type { Scene } from '../scene.ts'
import { equalFolders, faultsIn, foreignIn, missingFrom, servedTokens } from '../stored-content.ts'
import { Typist } from '../typist.ts'

const DOCUMENTS = ['note/1', 'note/2']
const STEPS = ['a day ahead', 'a day back', 'standing still', 'right again']
const FOR_MS = 2_500
const PAUSE_MS_MAX = 2_000

export const clockJumps: Scenario = {
  id: 'clock-jumps',
  fault: 'the wall clock of a relay jumps',
  how: 'Date of the process goes a day ahead, a day back, stands still, and is right again, while clients write to it and to another relay',
  expected:
    'no link is cut, no ack waits longer than 2 s, digests and content of both relays are the same; a restart with a wrong clock changes nothing',
  deadlineMs: 90_000,
  async run(scene) {
    const [folderA, folderB] = [scene.subfolder('a'), scene.subfolder('b')]
    const nodeArgs = ['--import', new URL('../jumping-clock.ts', import.meta.url).href]
    let a = await scene.relay(folderA, { nodeArgs })
    const b = await scene.relay(folderB, { args: ['--peer', a.url] })
    const near = await Typist.open(scene, { name: 'near', peers: [a.url], documents: DOCUMENTS })
    const other = await Typist.open(scene, { name: 'other', peers: [b.url], documents: DOCUMENTS })
    for (const typist of [near, other]) typist.start()
    const problems: string[] = []
    const jump = (words: string): Promise<void> => jumpOnce(scene, { relay: a, typists: [near, other], words, problems })
    for (const words of STEPS) await jump(words)
    const cut = [a, b].flatMap((relay) => relay.troubles().match(/^link-ended.*/gm) ?? [])
    problems.push(...cut)
    // Once more, and then a restart: the file was written at times that are not now.
    await jump(STEPS[0]!)
    await a.end('SIGTERM')
    a = await scene.relay(folderA, { port: a.port })
    for (const typist of [near, other]) typist.stop()
    for (const typist of [near, other]) await typist.settled(30_000)
    const equalMs = await equalFolders(scene, [folderA, folderB], 40_000)
    const made = new Set([...near.made, ...other.made])
    const acked = [...near.acked, ...other.acked]
    const served = await servedTokens(scene, a.url, DOCUMENTS)
    problems.push(
      ...missingFrom(
        'the relay',
        acked.map(({ token }) => token),
        served,
      ),
      ...foreignIn('the relay', served, made),
    )
    problems.push(...(await faultsIn(folderA, folderB)))
    return verdict(
      `${STEPS.length + 1} jumps and a restart: ${cut.length} links cut by them, longest pause between acks ${Math.round(longestPauseMs(near, other))} ms with the restart; ${acked.length} acked, 0 lost; relays equal ${Math.round(equalMs)} ms after`,
      problems,
    )
  },
}

interface Jump {
  readonly relay: RelayProcess
  readonly typists: readonly Typist[]
  readonly words: string
  readonly problems: string[]
}

async function jumpOnce(scene: Scene, { relay, typists, words, problems }: Jump): Promise<void> {
  const jumps = (): number => relay.troubles().match(/^clock-jumped/gm)?.length ?? 0
  const before = jumps()
  relay.signal('SIGUSR2')
  await scene.until('the clock jumped', () => jumps() > before, 5_000)
  const from = typists.map(({ acked }) => acked.length - 1)
  await scene.lasting(FOR_MS)
  typists.forEach((typist, index) => {
    const times = [...typist.acked.slice(Math.max(0, from[index]!)).map(({ atMs }) => atMs), scene.now()]
    const pause = Math.max(...times.slice(1).map((time, at) => time - times[at]!))
    if (pause > PAUSE_MS_MAX) problems.push(`clock ${words}: ${typist.name} waited ${Math.round(pause)} ms for an ack`)
  })
  scene.report(
    `clock ${words}: ${typists.reduce((sum, { acked }, index) => sum + acked.length - 1 - from[index]!, 0)} acks in ${FOR_MS} ms`,
  )
}

function longestPauseMs(...typists: readonly Typist[]): number {
  const pauses = typists.flatMap(({ acked }) => acked.slice(1).map(({ atMs }, index) => atMs - acked[index]!.atMs))
  return Math.max(...pauses)
}
