// Turns a recording of two authors into steps that each of them can type whatever the text looks like at that moment: in the demo an author's
// replica may have received more of the other's text than the recording's author saw, or less. Read by run.ts, which makes the plan, and author.ts,
// which follows it.
//
// A step waits only for what the recording has at that place before it (`needs`): the characters that it deletes, the two between which it inserts, and
// whatever was typed between those. The recording's own order is stricter (an edit's parents are all that its author had seen) and would leave little to
// do offline; only where both wrote into the same gap at once is the recording laxer, and leaves the order of the two to chance.

import * as Y from 'yjs'
import type { Recording } from './recording.ts'
import { TextView, type Step } from './text-view.ts'

export type Author = 0 | 1

export interface SessionPlan {
  readonly source: string
  readonly steps: readonly [readonly Step[], readonly Step[]]
  /** How many characters are ever typed. */
  readonly places: number
  readonly endContent: string
}

/** Throws when the recording is not of two authors who write one edit after the other, or does not end at its text. Cost: a second or two for 26,000 edits. */
export function planSession(recording: Recording): SessionPlan {
  const { patches, placeOf, places, endContent } = replay(recording)
  if (recording.endContent !== null && recording.endContent !== endContent)
    throw new Error(`a replay of ${recording.source} does not end at its text`)
  const steps: [Step[], Step[]] = [[], []]
  const views = [new TextView(places), new TextView(places)]
  const seen: [number, number] = [0, 0]
  const typedBy: { author: Author; index: number }[] = Array(places)
  for (const { author, position, saw, text, firstClock, deleted } of patches) {
    const other = otherOf(author)
    const view = views[author]!
    while (seen[author] < saw) view.take(steps[other][seen[author]++]!)
    const deletes = deleted.map(placeOf)
    const inserts = Array.from(text, (_, i) => placeOf({ client: clientOf(author), clock: firstClock + i }))
    const before = view.placeAt(position - 1) ?? 0
    const after = view.placeAt(position + deletes.length) ?? places - 1
    let needs = 0
    for (let place = before; place <= after; place++) {
      const typed = typedBy[place]
      if (typed?.author === other) needs = Math.max(needs, typed.index + 1)
    }
    for (const place of inserts) typedBy[place] = { author, index: steps[author].length }
    const step: Step = { deletes, inserts, text, needs }
    steps[author].push(step)
    view.take(step)
  }
  return { source: recording.source, steps, places, endContent }
}

/** A moment of the session: how much each author has typed by then, and how much more each could type without a word of the other's. */
export interface Moment {
  readonly typed: readonly [number, number]
  readonly alone: readonly [number, number]
}

/** When both authors can go on longest without each other. */
export function bestMomentToPart({ steps }: SessionPlan): Moment {
  const alone = (author: Author, from: number, others: number): number => {
    let to = from
    while (to < steps[author].length && steps[author][to]!.needs <= others) to++
    return to - from
  }
  const stride = Math.ceil((steps[0].length + steps[1].length) / 500)
  const typed: [number, number] = [0, 0]
  let best: Moment = { typed: [0, 0], alone: [0, 0] }
  while (typed[0] < steps[0].length || typed[1] < steps[1].length) {
    const moment: Moment = { typed: [...typed], alone: [alone(0, typed[0], typed[1]), alone(1, typed[1], typed[0])] }
    if (Math.min(...moment.alone) > Math.min(...best.alone)) best = moment
    for (const author of [0, 1] as const) typed[author] += Math.min(stride, moment.alone[author])
  }
  return best
}

export function otherOf(author: Author): Author {
  return author === 0 ? 1 : 0
}

interface CharacterId {
  readonly client: number
  readonly clock: number
}

/** One recorded patch, as Yjs numbers its characters. `saw`: how many patches of the other author were in the text. */
interface ReplayedPatch {
  readonly author: Author
  readonly position: number
  readonly saw: number
  readonly text: string
  readonly firstClock: number
  readonly deleted: readonly CharacterId[]
}

interface Replay {
  readonly patches: readonly ReplayedPatch[]
  readonly placeOf: (id: CharacterId) => number
  readonly places: number
  readonly endContent: string
}

/** Replays the recording as it happened: one Y.Doc for each author, each patch on exactly the state that its parents make. */
function replay({ txns }: Recording): Replay {
  const docs = [scratchDoc(0), scratchDoc(1)]
  const updates: [Uint8Array[], Uint8Array[]] = [[], []]
  for (const author of [0, 1] as const)
    docs[author]!.on('update', (update: Uint8Array, origin: unknown) => origin !== otherOf(author) && updates[author].push(update))
  const applied: [number, number] = [0, 0]
  const knows: [number, number][] = []
  const patches: ReplayedPatch[] = []
  for (const [index, txn] of txns.entries()) {
    const author = txn.agent === 1 ? 1 : 0
    const other = otherOf(author)
    const parents = (txn.parents ?? []).map((parent) => knows[parent]!)
    if ((txn.agent ?? 0) > 1 || Math.max(0, ...parents.map((known) => known[author])) !== updates[author].length)
      throw new Error(`edit ${index} is not that of two authors who write one edit after the other`)
    const saw = Math.max(0, ...parents.map((known) => known[other]))
    const doc = docs[author]!
    for (; applied[author] < saw; applied[author]++) Y.applyUpdate(doc, updates[other][applied[author]]!, other)
    for (const [position, deletedCount, text] of txn.patches) {
      const firstClock = Y.getState(doc.store, doc.clientID)
      const deleted = editText(doc, position, deletedCount, text)
      patches.push({ author, position, saw, text, firstClock, deleted })
    }
    knows.push(author === 0 ? [updates[0].length, saw] : [saw, updates[1].length])
  }
  for (const update of updates[1].slice(applied[0])) Y.applyUpdate(docs[0]!, update, 1)
  const text = docs[0]!.getText('body')
  return { patches, ...placesIn(text), endContent: text.toString() }
}

function editText(doc: Y.Doc, position: number, deletedCount: number, inserted: string): CharacterId[] {
  const text = doc.getText('body')
  const transaction = doc.transact((current) => {
    if (deletedCount > 0) text.delete(position, deletedCount)
    if (inserted !== '') text.insert(position, inserted)
    return current
  })
  return [...transaction.deleteSet.clients].flatMap(([client, runs]) =>
    runs.flatMap((run) => Array.from({ length: run.len }, (_, i) => ({ client, clock: run.clock + i }))),
  )
}

/** Numbers every character that was ever typed, in final order, deleted ones included. */
function placesIn(text: Y.Text): Pick<Replay, 'placeOf' | 'places'> {
  const byClient = new Map<number, number[]>()
  let places = 0
  for (let item = text._start; item !== null; item = item.right) {
    const clocks = byClient.get(item.id.client) ?? []
    byClient.set(item.id.client, clocks)
    for (let i = 0; i < item.length; i++) clocks[item.id.clock + i] = places++
  }
  return { placeOf: ({ client, clock }) => byClient.get(client)![clock]!, places }
}

/** Not a replica's document: it keeps deleted characters, and its client id is fixed so that a plan is the same wherever it is made. */
function scratchDoc(author: Author): Y.Doc {
  return Object.assign(new Y.Doc({ gc: false }), { clientID: clientOf(author) })
}

function clientOf(author: Author): number {
  return author + 1
}
