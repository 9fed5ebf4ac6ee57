// The demo: three replica processes in a chain, ada - middle - charles, replay a recorded session of two people who write one text together. On the way
// ada's network is cut while both go on typing, ada is killed (kill -9) with edits that nobody else has, and later the one in the middle is killed.
// At the end all three must hold the recording's text, to the character.
//
//   pnpm demo [--edits N] [--generated]
//
//   --edits N      only the first N edits of the recording
//   --generated    generated text, as where the recordings are not at hand
//
// Exit code 0: the three are equal, equal the recording, and no edit was lost that was reported as saved. Otherwise 1.

import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Child } from './child.ts'
import { Display, thousands } from './display.ts'
import { firstEdits, generateSession, loadRecording } from './recording.ts'
import { bestMomentToPart, planSession } from './session-plan.ts'
import { Wire } from './wire.ts'

const DEADLINE_MS = 60_000
const EDITS_PER_SECOND = 1500
/** What each author types while they are apart, if the session allows as much. */
const OFFLINE_EDITS = 1500

const { values } = parseArgs({ options: { edits: { type: 'string' }, generated: { type: 'boolean', default: false } } })
const recorded = values.generated ? null : loadRecording('friendsforever')
const whole = recorded ?? generateSession(20_000)
const plan = planSession(values.edits === undefined ? whole : firstEdits(whole, Number(values.edits)))
const total = [plan.steps[0].length, plan.steps[1].length] as const
const folder = mkdtempSync(join(tmpdir(), 'syncline-demo-'))
const planFile = join(folder, 'plan.json')
writeFileSync(planFile, JSON.stringify(plan))

const shared = { planFile, editsPerSecond: EDITS_PER_SECOND }
const middle = new Child({ ...shared, name: 'middle', folder: join(folder, 'middle'), author: null, peers: [], port: 0 })
const deadline = setTimeout(() => fail(`not done within ${DEADLINE_MS / 1000} s`), DEADLINE_MS)
process.on('exit', () => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }))
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1))

const startedAt = performance.now()
await middle.start()
// Everything goes through wires that this process can cut.
const adasWire = await Wire.to(middle.port!)
const charlesWire = await Wire.to(middle.port!)
const ada = new Child({ ...shared, name: 'ada', folder: join(folder, 'ada'), author: 0, peers: [adasWire.url], port: null })
const charles = new Child({ ...shared, name: 'charles', folder: join(folder, 'charles'), author: 1, peers: [charlesWire.url], port: null })
const display = new Display([ada, middle, charles], total)
display.title(`${plan.source}: ${thousands(total[0])} edits by ada, ${thousands(total[1])} by charles`)

try {
  await replay()
  await conclude()
} catch (error) {
  fail(error instanceof Error ? error.message : String(error))
}

async function replay(): Promise<void> {
  display.phase('ada - middle - charles: all linked, both type')
  await Promise.all([ada.start(), charles.start()])
  const { typed, alone } = bestMomentToPart(plan)
  ada.type(typed[0])
  charles.type(typed[1])
  await Promise.all([ada, middle, charles].map((child) => child.until(({ has }) => has[0] === typed[0] && has[1] === typed[1])))

  display.phase('ada is cut off; both go on typing, each without the other')
  adasWire.cut()
  await ada.until(({ connected }) => !connected)
  const apart = [0, 1].map((author) => Math.min(alone[author]!, OFFLINE_EDITS, Math.floor((total[author]! - typed[author]!) / 2))) as [
    number,
    number,
  ]
  ada.type(typed[0] + apart[0])
  charles.type(typed[1] + apart[1])
  await ada.until(({ has }) => has[0] >= typed[0] + apart[0] / 2)

  display.phase('ada is killed (kill -9) while typing, still cut off')
  const savedByAda = ada.progress.savedLocal
  await ada.kill()
  const [adaHas] = await ada.start()
  if (adaHas < savedByAda) throw new Error(`ada had saved ${savedByAda} edits, and has ${adaHas} after the kill`)
  display.note(`ada is back with ${thousands(adaHas)} edits from disk; ${thousands(savedByAda)} had been reported as saved`)
  ada.type(typed[0] + apart[0])
  await Promise.all([ada.until(({ has }) => has[0] === typed[0] + apart[0]), charles.until(({ has }) => has[1] === typed[1] + apart[1])])
  display.note(`${thousands(apart[0])} edits by ada and ${thousands(apart[1])} by charles that the other does not have`)

  display.phase('the network is mended')
  adasWire.mend()
  const both = [typed[0] + apart[0], typed[1] + apart[1]] as const
  await Promise.all([ada.until(({ has }) => has[1] === both[1]), charles.until(({ has }) => has[0] === both[0])])
  await Promise.all([ada.until(({ savedRelay }) => savedRelay === both[0]), charles.until(({ savedRelay }) => savedRelay === both[1])])

  display.phase('the one in the middle is killed (kill -9) while both type')
  ada.type(total[0])
  charles.type(total[1])
  await middle.until(({ has }) => has[0] + has[1] > both[0] + both[1])
  const [savedOfAda, savedOfCharles] = [ada.progress.savedRelay, charles.progress.savedRelay]
  await middle.kill()
  adasWire.cut()
  charlesWire.cut()
  const middleHas = await middle.start()
  if (middleHas[0] < savedOfAda || middleHas[1] < savedOfCharles) {
    throw new Error(`the middle had acknowledged ${savedOfAda} + ${savedOfCharles} edits, and has ${middleHas.join(' + ')} after the kill`)
  }
  display.note(
    `middle is back with ${thousands(middleHas[0])} + ${thousands(middleHas[1])} edits from disk; ${thousands(savedOfAda)} + ${thousands(savedOfCharles)} had been acknowledged`,
  )
  adasWire.mend()
  charlesWire.mend()

  display.phase('all linked again, until everything is typed and everybody has it')
  await Promise.all([ada, middle, charles].map((child) => child.until(({ has }) => has[0] === total[0] && has[1] === total[1])))
}

async function conclude(): Promise<void> {
  const reports = await Promise.all([ada, middle, charles].map(async (child) => ({ name: child.name, ...(await child.report()) })))
  await Promise.all([ada.end(), middle.end(), charles.end()])
  await Promise.all([adasWire.close(), charlesWire.close()])
  const expected = createHash('sha256').update(plan.endContent).digest('hex')
  display.table([
    ['replica', 'characters', 'digest of what it knows', 'sha-256 of the text'],
    ...reports.map(({ name, text, digest, sha256 }) => [name, thousands(text.length), digest, sha256.slice(0, 32)]),
    ['recording', thousands(plan.endContent.length), '', expected.slice(0, 32)],
  ])
  const equal = new Set(reports.map(({ digest }) => digest)).size === 1 && reports[0]!.digest !== ''
  const right = reports.every(({ text }) => text === plan.endContent)
  if (!equal) fail('the replicas differ')
  if (!right) fail(`the text is not the recording's: ${firstDifference(reports[0]!.text, plan.endContent)}`)
  clearTimeout(deadline)
  display.end(`The three replicas are equal, and equal the recording's end. ${((performance.now() - startedAt) / 1000).toFixed(1)} s`)
}

function firstDifference(found: string, expected: string): string {
  let at = 0
  while (found[at] === expected[at]) at++
  return `at ${at} it reads ${JSON.stringify(found.slice(at, at + 20))} and not ${JSON.stringify(expected.slice(at, at + 20))}`
}

function fail(reason: string): never {
  display.end(`Failed: ${reason}. The replicas were in ${folder}`)
  // The processes end when this one is gone.
  process.exit(1)
}
