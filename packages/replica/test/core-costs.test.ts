// What syncing costs on the wire, counted in frames and payload bytes between two engines. The full sizes are measured over real sockets by pnpm bench.

import { parseDocId } from '@syncline/protocol'
import { expect, test } from 'vitest'
import * as Y from 'yjs'
import { World, type Node } from './core-world.ts'

const shared = new Y.Doc()
shared.getText('body').insert(0, 'shared text')
const update = Y.encodeStateAsUpdate(shared)

function fill(node: Node, name: (i: number) => string, count: number): void {
  for (let i = 0; i < count; i++) node.core.write({ doc: parseDocId(name(i)), docEpoch: 0, update, source: 0, ticket: null })
}

function costSince(
  world: World,
  mark: number,
): { frames: number; bytes: number; reconFrames: number; reconBytes: number; byDirection: Record<string, number> } {
  const frames = world.frames.slice(mark)
  const recon = frames.filter((frame) => frame.messages.some((message) => message.kind === 'recon'))
  const byDirection: Record<string, number> = {}
  for (const frame of frames) byDirection[frame.from] = (byDirection[frame.from] ?? 0) + frame.bytes.length
  const sum = (list: typeof frames): number => list.reduce((total, frame) => total + frame.bytes.length, 0)
  return { frames: frames.length, bytes: sum(frames), reconFrames: recon.length, reconBytes: sum(recon), byDirection }
}

test('[I12] an idle reconnect of a space with 2,000 documents costs at most 256 bytes each way', () => {
  const world = new World()
  const [a, b] = [world.node('a'), world.node('b')]
  fill(a, (i) => `note/${i}`, 2_000)
  fill(b, (i) => `note/${i}`, 2_000)
  world.settle()
  const first = world.connect(a, b)
  world.settle()
  world.pass(3_000)
  world.cut(first)
  const mark = world.frames.length
  world.connect(a, b)
  world.settle()
  const cost = costSince(world, mark)

  expect(Math.max(...Object.values(cost.byDirection))).toBeLessThanOrEqual(256)
})

for (const [shape, name] of [
  ['one collection', (i: number) => `note/${i}`],
  ['many collections', (i: number) => `c${i % 500}/${i}`],
] as const) {
  test(`[CV-2] 5,000 documents in ${shape}, 50 differ by one edit, no cursor: at most 30 KB and 6 frames of reconciliation, 50 KB and 10 frames in all`, () => {
    const world = new World()
    const [a, b] = [world.node('a'), world.node('b')]
    fill(a, name, 5_000)
    fill(b, name, 5_000)
    world.settle()
    for (let i = 0; i < 50; i++) (i % 2 === 0 ? a : b).type(name(i * 99), 'edit')
    world.settle()
    const mark = world.frames.length
    world.connect(a, b)
    world.settle()
    const cost = costSince(world, mark)
    expect(a.core.root).toBe(b.core.root)
    expect(cost.reconBytes).toBeLessThanOrEqual(30_000)
    expect(cost.reconFrames).toBeLessThanOrEqual(6)
    expect(cost.bytes).toBeLessThanOrEqual(50_000)
    expect(cost.frames).toBeLessThanOrEqual(10)
  })
}
