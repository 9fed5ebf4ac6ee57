// Reads recorded editing sessions (keystrokes of real people) and makes one up where no recording is at hand. Read by the demo and by
// test/integration/trace.test.ts. The recordings are looked for in the folder that SYNCLINE_TRACES names, then in ../shared/traces beside the
// repository; they are data of the public repository josephg/editing-traces (CC BY 4.0), and are not part of this one.

import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import * as Y from 'yjs'

/** Position, deleted count, inserted text; in UTF-16 code units. */
export type Patch = readonly [position: number, deleted: number, inserted: string]

/** `parents` and `agent` are absent in a recording of one author. Positions are relative to the merged state of the parents. */
export interface RecordedEdit {
  readonly parents?: readonly number[]
  readonly agent?: number
  readonly patches: readonly Patch[]
}

export interface Recording {
  /** Where it came from, for a reader. */
  readonly source: string
  readonly txns: readonly RecordedEdit[]
  /** The text at the end; null when only a replay can tell. */
  readonly endContent: string | null
}

/** The recording `name`, or null where no folder of recordings is at hand. */
export function loadRecording(name: 'automerge-paper' | 'friendsforever' | 'clownschool'): Recording | null {
  const file = `${name}.json.gz`
  const repository = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..')
  const folders = [process.env['SYNCLINE_TRACES'], join(repository, '..', 'shared', 'traces')]
  const folder = folders.find((candidate) => candidate !== undefined && existsSync(join(candidate, file)))
  if (folder === undefined) return null
  const { txns, endContent } = JSON.parse(gunzipSync(readFileSync(join(folder, file))).toString('utf8')) as Recording
  return { source: `recorded session ${file}`, txns, endContent }
}

/** The recording up to an edit; what its text is then is left to who replays it. */
export function firstEdits({ source, txns }: Recording, count: number): Recording {
  return { source: `${source}, first ${count} edits`, txns: txns.slice(0, count), endContent: null }
}

/** One author who types `edits` characters and takes some back. The same for the same arguments. */
export function generateTyping(edits: number, seed = 1): Recording {
  const random = numbers(seed)
  const txns: RecordedEdit[] = []
  let text = ''
  for (let i = 0; i < edits; i++) {
    const position = random(10) === 0 ? random(text.length + 1) : text.length
    const patch: Patch = random(8) === 0 && position > 0 ? [position - 1, 1, ''] : [position, 0, letter(random)]
    text = text.slice(0, patch[0]) + patch[2] + text.slice(patch[0] + patch[1])
    txns.push({ patches: [patch] })
  }
  return { source: `generated text (${edits} edits)`, txns, endContent: text }
}

/** Two authors who type at once, each in a part of the text of their own, and read each other now and then. */
export function generateSession(edits: number, seed = 1): Recording {
  const random = numbers(seed)
  const docs = [1, 2].map((clientID) => Object.assign(new Y.Doc(), { clientID }))
  const texts = docs.map((doc) => doc.getText('body'))
  // Author 0 writes above the rule, author 1 below it; the rule is the first edit, and both have it.
  const rule = '\n---\n'
  texts[0]!.insert(0, rule)
  Y.applyUpdate(docs[1]!, Y.encodeStateAsUpdate(docs[0]!))
  const txns: RecordedEdit[] = [{ parents: [], agent: 0, patches: [[0, 0, rule]] }]
  const latest = [0, 0]
  for (let i = 1; i < edits; i++) {
    const agent = random(2)
    const [doc, text] = [docs[agent]!, texts[agent]!]
    const meets = random(200) === 0
    if (meets) Y.applyUpdate(doc, Y.encodeStateAsUpdate(docs[1 - agent]!))
    const ruleAt = text.toString().indexOf(rule)
    const [first, last] = agent === 0 ? [0, ruleAt] : [ruleAt + rule.length, text.length]
    const patch: Patch =
      last > first && random(6) === 0 ? [last - 1, 1, ''] : [random(20) === 0 ? first + random(last - first + 1) : last, 0, letter(random)]
    doc.transact(() => {
      if (patch[1] > 0) text.delete(patch[0], patch[1])
      if (patch[2] !== '') text.insert(patch[0], patch[2])
    })
    const parents = meets ? [...new Set([latest[agent]!, latest[1 - agent]!])] : [latest[agent]!]
    latest[agent] = txns.push({ parents, agent, patches: [patch] }) - 1
  }
  Y.applyUpdate(docs[0]!, Y.encodeStateAsUpdate(docs[1]!))
  return { source: `generated session (${edits} edits by two authors)`, txns, endContent: texts[0]!.toString() }
}

function letter(random: (below: number) => number): string {
  return random(6) === 0 ? ' ' : String.fromCharCode(97 + random(26))
}

/** A repeatable row of numbers (mulberry32). */
function numbers(seed: number): (below: number) => number {
  let state = seed >>> 0
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}
