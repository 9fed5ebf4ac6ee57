// One process of the demo: a replica with a folder of its own. An author types the steps of the plan into it; the one in the middle only passes on.
// Started by run.ts, which it tells how far it is.

import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createReplica } from '@syncline/client'
import { otherOf, type Author, type SessionPlan } from './session-plan.ts'
import { TextView } from './text-view.ts'

export interface ProcessOptions {
  readonly name: string
  readonly folder: string
  readonly planFile: string
  /** Null: types nothing. */
  readonly author: Author | null
  readonly peers: readonly string[]
  readonly port: number | null
  readonly editsPerSecond: number
}

/** What a process knows: how many steps of each author are in its replica, and how many of its own are committed here and at its peer. */
export interface Progress {
  readonly has: readonly [number, number]
  readonly savedLocal: number
  readonly savedRelay: number
  readonly connected: boolean
  /** Has typed all that it can type until it receives more of the other author's text. */
  readonly waiting: boolean
  readonly characters: number
}

export type FromProcess =
  | { readonly kind: 'ready'; readonly port: number | null; readonly has: readonly [number, number] }
  | { readonly kind: 'progress'; readonly progress: Progress }
  | { readonly kind: 'report'; readonly digest: string; readonly sha256: string; readonly text: string }
export type ToProcess =
  /** Go on typing, up to that many steps in all. */
  { readonly kind: 'type'; readonly upTo: number } | { readonly kind: 'report' } | { readonly kind: 'end' }

const TYPE_EVERY_MS = 10
const TELL_EVERY_MS = 100

const options = JSON.parse(process.argv[2]!) as ProcessOptions
const plan = JSON.parse(readFileSync(options.planFile, 'utf8')) as SessionPlan
const replica = createReplica({
  name: options.name,
  storage: options.folder,
  peers: options.peers,
  ...(options.port === null ? {} : { listen: { port: options.port } }),
  backoff: { firstMs: 50, maxMs: 400 },
  closeOnSignals: true,
})
const note = await replica.open('session')
const text = note.doc.getText('body')
// Each author counts the steps in the same transaction that types them, so that everybody knows exactly how far each one's text has arrived.
const counts = note.doc.getMap<number>('steps')
const has = (author: Author): number => counts.get(String(author)) ?? 0

const view = new TextView(plan.places)
const taken: [number, number] = [0, 0]
/** Own steps that were there when the newest successful wait for that tier began. */
const saved = { local: 0, relay: 0 }
const saving = { local: false, relay: false }
let mayType = 0
let waiting = false

function takeInWhatArrived(): void {
  for (const author of [0, 1] as const) for (; taken[author] < has(author); taken[author]++) view.take(plan.steps[author][taken[author]]!)
  if (text.length !== view.length)
    throw new Error(`${options.name}: the text has ${text.length} characters, and ${view.length} follow from the steps in it`)
}

function typeSteps(author: Author, most: number): void {
  takeInWhatArrived()
  const steps = plan.steps[author]
  const from = taken[author]
  let step = steps[taken[author]]
  for (
    ;
    taken[author] < Math.min(from + most, mayType) && step !== undefined && step.needs <= has(otherOf(author));
    step = steps[taken[author]]
  ) {
    const typed = step
    note.doc.transact(() => {
      view.take(typed, text)
      counts.set(String(author), ++taken[author])
    })
  }
  waiting = step === undefined || step.needs > has(otherOf(author))
  follow('local', taken[author])
  follow('relay', taken[author])
}

/** One wait at a time for each tier. */
function follow(tier: 'local' | 'relay', upTo: number): void {
  if (saving[tier] || saved[tier] >= upTo) return
  saving[tier] = true
  note.whenSaved(tier).then(
    () => {
      saved[tier] = upTo
      saving[tier] = false
    },
    () => undefined, // the replica is closing
  )
}

function progress(): Progress {
  const connected = replica.status.get().connection === 'connected'
  return { has: [has(0), has(1)], savedLocal: saved.local, savedRelay: saved.relay, connected, waiting, characters: text.length }
}

async function report(): Promise<FromProcess> {
  let digest = ''
  for await (const row of replica.list({ prefix: 'session' })) digest = row.digest
  const content = text.toString()
  return { kind: 'report', digest, sha256: createHash('sha256').update(content).digest('hex'), text: content }
}

function tell(message: FromProcess): void {
  if (process.connected) process.send!(message)
}

process.on('disconnect', () => process.exit(1))
process.on('message', (message: ToProcess) => {
  if (message.kind === 'type') mayType = message.upTo
  else if (message.kind === 'report') void report().then(tell)
  else void replica.close().then(() => process.disconnect())
})
if (options.author !== null) {
  const { author } = options
  let due = 0
  let last = performance.now()
  setInterval(() => {
    const now = performance.now()
    due = Math.min(due + ((now - last) / 1000) * options.editsPerSecond, options.editsPerSecond / 4)
    last = now
    const most = Math.floor(due)
    due -= most
    typeSteps(author, most)
  }, TYPE_EVERY_MS).unref()
}
setInterval(() => tell({ kind: 'progress', progress: progress() }), TELL_EVERY_MS).unref()
tell({ kind: 'ready', port: replica.status.get().listening?.port ?? null, has: [has(0), has(1)] })
