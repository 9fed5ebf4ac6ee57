// What compacting a long recorded document costs from its bytes, and what answering one peer's state vector costs, each beside a Y.Doc that does the same: the
// recorded paper, one update for each keystroke. Runs of both ways alternate in one process; medians. Rule: I4.

import { compactBytes, contentDigest, diffBytes, toHex } from '@syncline/protocol'
import * as Y from 'yjs'
import { generateTyping, loadRecording, type Recording } from '../../examples/demo/recording.ts'
import type { Figure, Progress } from './report.ts'

const GENERATED_EDITS = 100_000
/** Keystrokes in the tail of a document that has a snapshot: as many as a relay lets come together before it compacts. */
const TAIL = 500
const SESSIONS = 125
/** Through a Y.Doc it must take at least so many times longer. */
const SPEEDUP_MIN = 2.5

interface Typed {
  readonly name: string
  readonly updates: readonly Uint8Array[]
}

export function compactionCost(runs: number, progress: Progress): Figure[] {
  const recording = loadRecording('automerge-paper') ?? generateTyping(GENERATED_EDITS)
  const figures: Figure[] = []
  for (const sessions of [1, SESSIONS]) {
    progress(`compaction: typing ${recording.txns.length} edits in ${sessions} sessions`)
    const typed = {
      name: `${recording.txns.length} edits, ${sessions} session${sessions === 1 ? '' : 's'}`,
      updates: type(recording, sessions),
    }
    figures.push(...compactionOf(typed, runs, progress), ...answersOf(typed, runs, progress))
  }
  return figures
}

function compactionOf({ name, updates }: Typed, runs: number, progress: Progress): Figure[] {
  const [bytes, yjs] = medians(
    runs,
    [() => compactBytes(updates)?.update, () => withDoc(updates, (doc) => Y.encodeStateAsUpdate(doc))],
    (run) => progress(`compaction: ${name}, run ${run}`),
  )
  const [ours, theirs] = [bytes!.result!, yjs!.result!]
  if (hexDigest(ours) !== hexDigest(theirs)) throw new Error('the compacted documents differ')
  return [
    figure(`compaction of ${name}: from bytes`, bytes!.ms, 'ms'),
    figure(`compaction of ${name}: through a Y.Doc`, yjs!.ms, 'ms'),
    figure(`compaction of ${name}: part of the Y.Doc's time`, bytes!.ms / yjs!.ms, '', 1 / SPEEDUP_MIN),
    figure(
      `compaction of ${name}: part of the Y.Doc's size (${ours.length} of ${theirs.length} bytes)`,
      ours.length / theirs.length,
      '',
      1,
    ),
  ]
}

/** A document with a snapshot and a tail answers a peer that lacks only the end, and one that has nothing. */
function answersOf({ name, updates }: Typed, runs: number, progress: Progress): Figure[] {
  const stored = [compactBytes(updates.slice(0, -TAIL))!.update, ...updates.slice(-TAIL)]
  const behind = withDoc(updates.slice(0, -2 * TAIL), (doc) => Y.encodeStateVector(doc))
  return [behind, null].flatMap((stateVector) => {
    const asked = stateVector === null ? null : Y.decodeStateVector(stateVector)
    const [bytes, yjs] = medians(
      runs,
      [() => diffBytes(stored, asked), () => withDoc(stored, (doc) => Y.encodeStateAsUpdate(doc, stateVector ?? undefined))],
      (run) => progress(`step 2: ${name}, run ${run}`),
    )
    const what = `step 2 of ${name}, ${TAIL} in the tail, to ${stateVector === null ? 'an empty peer' : `one ${2 * TAIL} behind`}`
    return [
      figure(`${what}: from bytes`, bytes!.ms, 'ms'),
      figure(`${what}: through a Y.Doc`, yjs!.ms, 'ms'),
      figure(`${what}: part of the Y.Doc's time`, bytes!.ms / yjs!.ms, '', 1),
      figure(
        `${what}: part of the Y.Doc's size (${bytes!.result!.length} of ${yjs!.result!.length} bytes)`,
        bytes!.result!.length / yjs!.result!.length,
        '',
        1,
      ),
    ]
  })
}

/** One update for each transaction. Each session goes on where the last one ended, under a client id of its own. */
function type({ txns }: Recording, sessions: number): Uint8Array[] {
  const updates: Uint8Array[] = []
  const doc = new Y.Doc()
  const text = doc.getText('body')
  doc.on('update', (update: Uint8Array) => updates.push(update))
  for (const [i, { patches }] of txns.entries()) {
    doc.clientID = 1_000_003 * (1 + Math.floor((i * sessions) / txns.length))
    doc.transact(() => {
      for (const [position, deleted, inserted] of patches) {
        if (deleted > 0) text.delete(position, deleted)
        if (inserted !== '') text.insert(position, inserted)
      }
    })
  }
  doc.destroy()
  return updates
}

function withDoc<T>(updates: readonly Uint8Array[], use: (doc: Y.Doc) => T): T {
  const doc = new Y.Doc({ guid: '' })
  doc.transact(() => {
    for (const update of updates) Y.applyUpdate(doc, update)
  })
  const result = use(doc)
  doc.destroy()
  return result
}

function medians<T>(runs: number, ways: readonly (() => T)[], onRun: (run: number) => void): { ms: number; result: T }[] {
  const times = ways.map((): number[] => [])
  const results: T[] = []
  for (let run = 0; run < runs; run++) {
    onRun(run + 1)
    for (const [way, work] of ways.entries()) {
      const startedAt = performance.now()
      results[way] = work()
      times[way]!.push(performance.now() - startedAt)
    }
  }
  return times.map((list, way) => ({ ms: list.toSorted((a, b) => a - b)[list.length >> 1]!, result: results[way]! }))
}

function hexDigest(update: Uint8Array): string {
  return toHex(contentDigest(update)!)
}

function figure(name: string, value: number, unit: string, bound?: number): Figure {
  return { name, value: Math.round(value * 1000) / 1000, unit, ...(bound === undefined ? {} : { bound }) }
}
