// Growth in writer ids: one document of 10,000 letters that so many clients wrote. What its knowledge and state vector take, and what one further update costs the gate: from
// its bytes to the verdict, and on to the new knowledge and its digest, as admission does it. Processor time; everything happens in this process.

import { isRefusal, judge, Knowledge, walkUpdate } from '@syncline/protocol'
import { typedUpdate } from '../peers/typed-updates.ts'
import type { GrowthPart } from './growth.ts'

const LETTERS = 10_000

export const writersPart: GrowthPart = {
  name: 'writers',
  title: 'Writer ids of one document',
  sizes: [1, 10, 100, 1_000],
  quickSizes: [1, 10, 100, 1_000],
  measure(size, quick, progress) {
    progress('gate')
    warm()
    const knowledge = new Knowledge()
    for (let clock = 0; clock < LETTERS / size; clock++)
      for (let writer = 0; writer < size; writer++) pass(typedUpdate(writer, clock), knowledge)
    const updates = Array.from({ length: quick ? 20_000 : 200_000 }, (_, index) =>
      typedUpdate(index % size, Math.ceil(LETTERS / size) + Math.floor(index / size)),
    )
    const known = updates.map((_, index) => typedUpdate(index % size, 0))
    const repeated = cpuUs(() => known.forEach((update) => pass(update, knowledge))) / known.length
    const admitted = cpuUs(() => updates.forEach((update) => pass(update, knowledge))) / updates.length
    const copies = quick ? 500 : 5_000
    return Promise.resolve({
      'an update that is new: gate, CPU us': admitted,
      'an update that is known: gate, CPU us': repeated,
      'copy of the knowledge, CPU us': cpuUs(() => repeat(copies, () => knowledge.clone())) / copies,
      'encoded knowledge, CPU us': cpuUs(() => repeat(copies, () => knowledge.encode())) / copies,
      'encoded knowledge, bytes': knowledge.encode().length,
      'state vector, bytes': knowledge.stateVector().length,
    })
  },
}

function warm(): void {
  const knowledge = new Knowledge()
  for (let index = 0; index < LETTERS; index++) pass(typedUpdate(index % 100, Math.floor(index / 100)), knowledge)
  for (let index = 0; index < LETTERS; index++) pass(typedUpdate(index % 100, Math.floor(index / 100)), knowledge)
  repeat(200, () => [knowledge.clone(), knowledge.encode()])
}

function pass(update: Uint8Array, knowledge: Knowledge): void {
  const facts = walkUpdate(update)
  if (isRefusal(facts)) throw new Error(`a generated update is refused: ${facts.reason}`)
  const { kind } = judge(facts, knowledge)
  if (kind === 'known') return
  if (kind !== 'new') throw new Error(`a generated update is ${kind}`)
  knowledge.admit(facts)
  knowledge.digest()
}

function repeat(times: number, work: () => unknown): void {
  for (let time = 0; time < times; time++) work()
}

function cpuUs(work: () => void): number {
  const before = process.cpuUsage()
  work()
  const { user, system } = process.cpuUsage(before)
  return user + system
}
