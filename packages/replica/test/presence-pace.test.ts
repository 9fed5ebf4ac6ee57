// How fast presence goes on: in time that the test moves, so that every figure is exact. Guests stand for connections of foreign doors; the same through real doors is tested in
// test/integration/relay-presence-rates.test.ts.

import { decodePresence, encodePresence, parseDocId, type DocId, type PresenceEntry } from '@syncline/protocol'
import { expect, onTestFinished, test } from 'vitest'
import type { Clock, CoreLimits, GuestPort, ReplicaLoad } from '../src/index.ts'
import { clock as realClock, note, openHost, recordedGuest, type Host, type RecordedGuest } from './hosts.ts'

const limits = {
  presencePerSecondMax: 10,
  subjectPresencePerSecondMax: 30,
  relayPresencePerSecondMax: 1000,
  documentPresencePerSecondMax: 1000,
} satisfies Partial<CoreLimits>

/** What comes at once after a pause. */
const BURST = 10 * limits.presencePerSecondMax

interface HandClock extends Clock {
  pass(ms: number): void
  /** Time goes on by itself: for what has to end. */
  letGo(): void
}

/** Time that stands still until the test moves it, by 10 ms at a time. */
function handClock(): HandClock {
  let nowMs = 0
  let isFree = false
  let soon: (() => void)[] = []
  const timers = new Map<object, { readonly fn: () => void; readonly everyMs: number | null; atMs: number }>()
  const start = (fn: () => void, ms: number, everyMs: number | null): (() => void) => {
    const timer = {}
    timers.set(timer, { fn, everyMs, atMs: nowMs + ms })
    return () => void timers.delete(timer)
  }
  const turns = (): void => {
    for (let due = soon; due.length > 0; due = soon) {
      soon = []
      for (const fn of due) fn()
    }
  }
  return {
    now: () => nowMs,
    wallMs: () => nowMs,
    soon: (fn) => (isFree ? realClock.soon(fn) : void soon.push(fn)),
    every: (ms, fn) => start(fn, ms, ms),
    after: (ms, fn) => (isFree ? realClock.after(ms, fn) : start(fn, ms, null)),
    letGo() {
      isFree = true
      turns()
    },
    pass(ms) {
      turns()
      for (const end = nowMs + ms; nowMs < end;) {
        nowMs += 10
        for (const [key, timer] of timers) {
          if (timer.atMs > nowMs) continue
          if (timer.everyMs === null) timers.delete(key)
          else timer.atMs += timer.everyMs
          timer.fn()
        }
        turns()
      }
    },
  }
}

interface Scene {
  readonly host: Host
  readonly clock: HandClock
  delayed(): ReplicaLoad['presenceDelayed']
}

function scene(more: Partial<CoreLimits> = {}): Scene {
  const clock = handClock()
  const host = openHost({ role: 'relay', clock, limits: { ...limits, ...more } })
  onTestFinished(() => clock.letGo())
  return { host, clock, delayed: () => host.replica.load().presenceDelayed }
}

interface Person extends RecordedGuest {
  says(clock: number, state?: string | null, clientId?: number): void
  leave(): void
}

let people = 0

function join({ host }: Scene, facts: Pick<GuestPort, 'subject' | 'connection'> = {}, doc: DocId = note): Person {
  const id = ++people
  const port = Object.assign(recordedGuest(), facts)
  const guest = host.replica.attachGuest(doc, port)
  return Object.assign(port, {
    says: (clock: number, state: string | null = `{"at":${clock}}`, clientId = id) =>
      guest.presence(encodePresence([{ clientId, clock, state }])!),
    leave: () => guest.detach(),
  })
}

function heard({ presences }: RecordedGuest): PresenceEntry[] {
  return presences.flatMap((bytes) => decodePresence(bytes)!)
}

test('[PR-6] who sends above its rate is passed on at that rate: the newest state of each id, and the last one in any case', () => {
  const here = scene()
  const [ada, eve] = [join(here), join(here)]
  // A hundred a second for half a minute: ten times the rate.
  for (let clock = 1; clock <= 3000; clock++) {
    eve.says(clock)
    here.clock.pass(10)
  }
  const during = heard(ada).length
  here.clock.pass(1_000)
  const states = heard(ada)
  expect(during).toBeLessThanOrEqual(BURST + 30 * limits.presencePerSecondMax + 2)
  expect(during).toBeGreaterThan(29 * limits.presencePerSecondMax)
  expect(states.at(-1)).toMatchObject({ clock: 3000, state: '{"at":3000}' })
  expect(states.map(({ clock }) => clock)).toEqual(states.map(({ clock }) => clock).toSorted((one, other) => one - other))
  expect(here.delayed().connection).toBeGreaterThan(2_500)
  expect(heard(eve), 'nobody hears itself').toEqual([])
})

test('[PR-6] others are not slowed: whoever stays below the rate is passed on at once', () => {
  const here = scene()
  const [ada, eve, ben] = [join(here), join(here), join(here)]
  for (let clock = 1; clock <= 500; clock++) {
    for (let more = 0; more < 10; more++) eve.says(clock * 10 + more)
    if (clock % 10 !== 0) continue
    ben.says(clock)
    here.clock.pass(0)
    expect(heard(ada).at(-1)).toMatchObject({ clock })
    here.clock.pass(100)
  }
  expect(here.delayed().document).toBe(0)
})

test('[PR-6] what stays below the rate, and a burst after a pause, never waits', () => {
  const here = scene()
  const [ada, ben] = [join(here), join(here)]
  for (let clock = 1; clock <= 600; clock++) {
    ben.says(clock)
    here.clock.pass(100)
  }
  for (let at = 0; at < BURST / 2; at++) ben.says(601 + at)
  here.clock.pass(0)
  expect([heard(ada).length, here.delayed()]).toEqual([600 + BURST / 2, { connection: 0, subject: 0, document: 0 }])
})

test.each([
  ['documents of one connection', { connection: {} }, 'connection', BURST],
  ['connections of one person', { subject: 'eve' }, 'subject', 10 * limits.subjectPresencePerSecondMax],
])('[PR-6] %s share a rate', (_, facts, by, burst) => {
  const here = scene()
  const docs = Array.from({ length: 8 }, (_none, at) => parseDocId(`note/${at}`))
  const onlookers = docs.map((doc) => join(here, {}, doc))
  const eves = docs.map((doc) => join(here, facts, doc))
  // Below the rate of a connection, all together above that of the connection or the person.
  for (let clock = 1; clock <= 60; clock++) for (const eve of eves) eve.says(clock)
  here.clock.pass(0)
  expect(onlookers.flatMap(heard)).toHaveLength(burst)
  expect(Object.entries(here.delayed()).flatMap(([one, states]) => (states > 0 ? [one] : []))).toEqual([by])
  here.clock.pass(2_000)
  expect(onlookers.map((onlooker) => heard(onlooker).at(-1)!.clock)).toEqual(docs.map(() => 60))
})

test('[PR-6] a crowd costs what its document may cost: however many move, everybody sees where all are, and gets it together', () => {
  const here = scene({ presencePerSecondMax: 1000, documentPresencePerSecondMax: 2000 })
  const crowd = Array.from({ length: 100 }, () => join(here))
  for (let clock = 1; clock <= 100; clock++) {
    for (const one of crowd) one.says(clock)
    here.clock.pass(20)
  }
  const messages = crowd.reduce((sum, { presences }) => sum + presences.length, 0)
  // Two seconds, and what may come at once; the last message may bring it below nothing.
  expect(messages).toBeLessThanOrEqual(2000 * 3 + 100)
  expect(here.delayed().document).toBeGreaterThan(9_000)
  here.clock.pass(1_000)
  for (const one of crowd) {
    const newest = new Map(heard(one).map(({ clientId, clock }) => [clientId, clock]))
    expect([newest.size, [...newest.values()].every((clock) => clock === 100)]).toEqual([crowd.length, true])
  }
})

test('[PR-6] who leaves while its states wait is gone for all, and newcomers never see it', () => {
  const here = scene()
  const [ada, eve] = [join(here), join(here)]
  for (let clock = 1; clock <= 2 * BURST; clock++) eve.says(clock)
  here.clock.pass(0)
  const shown = heard(ada).at(-1)!
  expect(shown.clock).toBe(BURST)
  eve.leave()
  const late = join(here)
  here.clock.pass(10_000)
  expect(heard(ada).at(-1)).toMatchObject({ clientId: shown.clientId, clock: 2 * BURST + 1, state: null })
  expect(heard(late).filter(({ state }) => state !== null)).toEqual([])
  expect(here.host.replica.load().presenceIds).toBe(0)
})

test('[PR-6] ids that come and go without end take bounded memory, and none of them stays', () => {
  const here = scene()
  const [ada, eve] = [join(here), join(here)]
  for (let clientId = 1_000_000; clientId < 1_005_000; clientId++) {
    eve.says(1, '{}', clientId)
    eve.says(2, null, clientId)
    if (clientId % 10 === 0) here.clock.pass(10)
  }
  eve.leave()
  here.clock.pass(200_000)
  const last = new Map(heard(ada).map(({ clientId, state }) => [clientId, state]))
  expect([...last.values()].filter((state) => state !== null)).toEqual([])
  expect(heard(ada).length).toBeLessThan(BURST + 1024 + 205 * limits.presencePerSecondMax)
})

test('[PR-6] who sends many times its rate for half a minute is ended, and who moves a fast pointer all day is not', () => {
  const here = scene()
  const [eve, ben] = [join(here), join(here)]
  let clock = 0
  // Ben: six times the rate, as 360 pictures a second are of the default. Eve: sixteen times.
  for (let second = 0; second < 120; second++) {
    for (let at = 0; at < 160; at++) eve.says(++clock)
    for (let at = 0; at < 60; at++) ben.says(second * 60 + at + 1)
    here.clock.pass(1_000)
    if (second === 15) expect(eve.closes).toEqual([])
  }
  expect([eve.closes[0], ben.closes]).toEqual(['rate-limited', []])
})
