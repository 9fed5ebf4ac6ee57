// The doorman over real time and over a clock that the test moves: admission, expiry, policy changes, renewal, revocation.

import { afterEach, describe, expect, test } from 'vitest'
import { DEFAULT_SPACE, parseDocId, SynclineError } from '@syncline/protocol'
import type { Clock } from '@syncline/replica'
import { nodeClock } from '@syncline/replica/ws'
import type { Action, Credentials, Identity, Pass } from '../src/access/access.ts'
import { ACCESS_LIMITS } from '../src/access/access-limits.ts'
import type { Authenticator } from '../src/access/authenticator.ts'
import { createDoorman, type DoormanOptions, type PolicyDoorman } from '../src/access/doorman.ts'
import { parsePolicy } from '../src/access/policy-file.ts'

const note = parseDocId('note/1')
const editors = parsePolicy(
  JSON.stringify({
    version: 1,
    roles: {
      editor: [{ allow: ['read', 'write'], space: '**', doc: '**' }],
      anonymous: [{ allow: ['read'], space: '**', doc: 'public/**' }],
    },
  }),
)
const readers = parsePolicy(JSON.stringify({ version: 1, roles: { editor: [{ allow: ['read'], space: '**', doc: '**' }] } }))

const doormen: PolicyDoorman[] = []
afterEach(() => {
  for (const doorman of doormen.splice(0)) doorman.close()
})

/** Tokens are "subject", "subject:ms until it ends" or words for what goes wrong. */
function byName(clock: Clock): Authenticator {
  return ({ token }) => {
    const [subject = '', ms] = token!.split(':')
    if (subject === 'bad') return Promise.resolve(null)
    if (subject === 'throws') throw new Error('the database is away')
    if (subject === 'rejects') return Promise.reject(new SynclineError('auth-expired', 'Too late.'))
    if (subject === 'never') return new Promise(() => undefined)
    if (subject === 'nonsense') return Promise.resolve({ subject: 7 } as unknown as Identity)
    return Promise.resolve({ subject, roles: ['editor'], claims: {}, expiresAtMs: ms === undefined ? null : clock.wallMs() + Number(ms) })
  }
}

function doormanHere(options: Partial<DoormanOptions> = {}): PolicyDoorman {
  const clock = options.clock ?? nodeClock()
  const doorman = createDoorman({ authenticator: byName(clock), policy: editors, anonymous: false, ...options, clock })
  doormen.push(doorman)
  return doorman
}

function withToken(token: string | null): Credentials {
  return { token, door: 'native', space: DEFAULT_SPACE, address: '127.0.0.1' }
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'none',
    (error: unknown) => (error instanceof SynclineError ? error.code : String(error)),
  )
}

/** Resolves at the next call of the pass's listener, with the time that it took. */
function changed(pass: Pass, clock: Clock): Promise<number> {
  const beginMs = clock.now()
  return new Promise((resolve) => {
    const stop = pass.onChange(() => {
      stop()
      resolve(clock.now() - beginMs)
    })
  })
}

/** A clock that stands still until it is moved. `soon` runs in a real later turn. */
class HandClock implements Clock {
  #nowMs = 1_000_000
  readonly #timers = new Set<{ atMs: number; readonly everyMs: number | null; readonly fn: () => void }>()

  get timers(): number {
    return this.#timers.size
  }
  now(): number {
    return this.#nowMs
  }
  wallMs(): number {
    return this.#nowMs
  }
  every(ms: number, fn: () => void): () => void {
    return this.#add(ms, ms, fn)
  }
  after(ms: number, fn: () => void): () => void {
    return this.#add(ms, null, fn)
  }
  soon(fn: () => void): void {
    setImmediate(fn)
  }
  move(ms: number): void {
    const endMs = this.#nowMs + ms
    for (;;) {
      const due = [...this.#timers].filter(({ atMs }) => atMs <= endMs).toSorted((a, b) => a.atMs - b.atMs)[0]
      if (due === undefined) break
      this.#nowMs = due.atMs
      if (due.everyMs === null) this.#timers.delete(due)
      else due.atMs += due.everyMs
      due.fn()
    }
    this.#nowMs = endMs
  }
  #add(ms: number, everyMs: number | null, fn: () => void): () => void {
    const timer = { atMs: this.#nowMs + ms, everyMs, fn }
    this.#timers.add(timer)
    return () => void this.#timers.delete(timer)
  }
}

describe('admission', () => {
  test('[AC-4] each reason to refuse a connection has its code, and a failing authenticator is no verdict', async () => {
    const doorman = doormanHere()
    const table: readonly (readonly [string | null, string])[] = [
      [null, 'auth-required'],
      ['bad', 'auth-invalid'],
      ['nonsense', 'auth-invalid'],
      ['x'.repeat(17 * 1024), 'auth-invalid'],
      ['ada:-1', 'auth-expired'],
      ['rejects', 'auth-expired'],
      ['throws', 'auth-unavailable'],
      ['ada', 'none'],
    ]
    for (const [token, code] of table) expect(await codeOf(doorman.admit(withToken(token))), String(token).slice(0, 20)).toBe(code)
    expect(doorman.size).toBe(1)
  })

  test('[AC-4] an authenticator that does not answer costs bounded time', async () => {
    const clock = new HandClock()
    const code = codeOf(doormanHere({ clock }).admit(withToken('never')))
    clock.move(ACCESS_LIMITS.authenticateMsMax)
    expect(await code).toBe('auth-unavailable')
    expect(clock.timers).toBe(0)
  })

  test('[AC-4] without a token and with anonymous access the policy decides, and a bad token makes nobody anonymous', async () => {
    const doorman = doormanHere({ anonymous: true })
    const pass = await doorman.admit(withToken(null))
    expect(pass.identity.subject).toBeNull()
    expect(pass.may('read', parseDocId('public/a'))).toBe(true)
    expect(pass.may('write', parseDocId('public/a'))).toBe(false)
    expect(pass.may('read', note)).toBe(false)
    expect(await codeOf(doorman.admit(withToken('bad')))).toBe('auth-invalid')
    expect(await codeOf(doorman.admit(withToken('')))).toBe('auth-invalid')
    expect(await codeOf(pass.renew('ada'))).toBe('auth-invalid')
  })

  test('[AC-4] a closed doorman admits nobody, ends who is in, and leaves no timer behind', async () => {
    const clock = new HandClock()
    const doorman = doormanHere({ clock })
    const pass = await doorman.admit(withToken('ada:5000'))
    expect(clock.timers).toBe(1)
    doorman.close()
    expect(pass.may('read', note)).toBe(false)
    expect([clock.timers, doorman.size]).toEqual([0, 0])
    expect(await codeOf(doorman.admit(withToken('ada')))).toBe('auth-unavailable')
  })
})

describe('passes', () => {
  test('[AU-1] a change of policy changes the answers of live passes at once, and tells them in a later turn within 1 s', async () => {
    const clock = nodeClock()
    const doorman = doormanHere({ clock })
    const passes = await Promise.all(Array.from({ length: 1_000 }, (_, i) => doorman.admit(withToken(`user${i}`))))
    for (const pass of passes) expect(pass.may('write', note)).toBe(true)
    const told = Promise.all(passes.map((pass) => changed(pass, clock)))
    let early = true
    void told.then(() => (early = false))
    doorman.setPolicy(readers)
    expect(early).toBe(true)
    for (const pass of passes) expect([pass.may('write', note), pass.may('read', note), pass.ended]).toEqual([false, true, null])
    expect(Math.max(...(await told)), 'ms until the last of 1,000 was told').toBeLessThan(1_000)
  })

  test('[AU-1] a pass ends within 1 s of the end of its token, and says so', async () => {
    const clock = nodeClock()
    const doorman = doormanHere({ clock })
    const pass = await doorman.admit(withToken('ada:300'))
    const lasting = await doorman.admit(withToken('bob'))
    expect(pass.may('write', note)).toBe(true)
    expect(await changed(pass, clock)).toBeLessThan(1_300)
    expect([pass.may('write', note), pass.may('read', note), pass.ended?.code]).toEqual([false, false, 'auth-expired'])
    expect([lasting.may('write', note), lasting.ended, doorman.size]).toEqual([true, null, 1])
    expect(await codeOf(pass.renew('ada'))).toBe('auth-expired')
  })

  test('[AU-1] an answer after the end of the token is no, before any timer has run', async () => {
    const clock = new HandClock()
    const doorman = doormanHere({ clock: { ...handed(clock), every: () => () => undefined } })
    const pass = await doorman.admit(withToken('ada:1000'))
    clock.move(999)
    expect(pass.may('read', note)).toBe(true)
    clock.move(1)
    expect(pass.may('read', note)).toBe(false)
    expect(pass.ended?.code).toBe('auth-expired')
  })

  test('[AC-4] tokens that end in years and tokens that end soon share one timer, which rests when there is nothing to wait for', async () => {
    const clock = new HandClock()
    const doorman = doormanHere({ clock })
    const [years, soon] = await Promise.all([doorman.admit(withToken(`ada:${2 ** 40}`)), doorman.admit(withToken('bob:2000'))])
    const third = await doorman.admit(withToken('cyd'))
    expect(clock.timers).toBe(1)
    clock.move(3_000)
    expect([years.ended, soon.ended?.code, third.ended]).toEqual([null, 'auth-expired', null])
    expect(third.may('read', note)).toBe(true)
    const next = await doorman.admit(withToken('dan:1000'))
    years.drop()
    clock.move(1_000)
    expect([next.ended?.code, clock.timers]).toEqual(['auth-expired', 0])
  })

  test('[AC-4] a renewal keeps the subject and moves the end; one that is refused leaves what was', async () => {
    const clock = new HandClock()
    const doorman = doormanHere({ clock })
    const pass = await doorman.admit(withToken('ada:1000'))
    for (const token of ['bad', 'bob', 'throws', 'ada:-1']) expect(await codeOf(pass.renew(token)), token).not.toBe('none')
    expect(pass.identity.expiresAtMs).toBe(clock.wallMs() + 1000)
    const told = changed(pass, clock)
    await pass.renew('ada:5000')
    await told
    clock.move(4_999)
    expect(pass.may('write', note)).toBe(true)
    clock.move(1)
    expect(pass.may('write', note)).toBe(false)
  })

  test('[AC-4] of two renewals the one begun later counts, whichever is answered first', async () => {
    const clock = new HandClock()
    const answers: ((ms: number) => void)[] = []
    const doorman = doormanHere({
      clock,
      authenticator: () =>
        new Promise((resolve) =>
          answers.push((ms) => resolve({ subject: 'ada', roles: ['editor'], claims: {}, expiresAtMs: clock.wallMs() + ms })),
        ),
    })
    const admitted = doorman.admit(withToken('first'))
    answers[0]!(1_000)
    const pass = await admitted
    const [older, newer] = [pass.renew('older'), pass.renew('newer')]
    answers[2]!(9_000)
    await newer
    answers[1]!(2_000)
    await older
    expect(pass.identity.expiresAtMs).toBe(clock.wallMs() + 9_000)
  })

  test('[AU-1] revoking ends the chosen passes and no others, and they say why', async () => {
    const clock = nodeClock()
    const doorman = doormanHere({ clock })
    const [ada, second, bob] = await Promise.all(['ada', 'ada', 'bob'].map((name) => doorman.admit(withToken(name))))
    const told = changed(ada!, clock)
    expect(doorman.revoke(({ subject }) => subject === 'ada')).toBe(2)
    expect([ada!, second!].map((pass) => [pass.may('read', note), pass.ended?.code])).toEqual([
      [false, 'auth-revoked'],
      [false, 'auth-revoked'],
    ])
    await told
    await changed(ada!, clock)
    expect([bob!.may('read', note), doorman.size]).toEqual([true, 1])
  })

  test('[AC-4] a dropped pass allows nothing and is told nothing', async () => {
    const doorman = doormanHere()
    const pass = await doorman.admit(withToken('ada'))
    let calls = 0
    pass.onChange(() => calls++)
    doorman.setPolicy(readers)
    pass.drop()
    pass.drop()
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
    expect([calls, doorman.size, pass.may('read', note)]).toEqual([0, 0, false])
  })

  test('[AC-4] a decision is made once per action and document, until the policy changes, in bounded memory', async () => {
    const asked: string[] = []
    const recording = (): ((action: Action, space: string, doc: string) => boolean) => (action, _, doc) => {
      asked.push(`${action} ${doc}`)
      return action === 'read'
    }
    const doorman = doormanHere({ policy: recording })
    const pass = await doorman.admit(withToken('ada'))
    for (let i = 0; i < 10; i++) expect([pass.may('read', note), pass.may('write', note)]).toEqual([true, false])
    expect(asked).toEqual(['read note/1', 'write note/1'])
    doorman.setPolicy(recording)
    expect(pass.may('read', note)).toBe(true)
    expect(asked).toHaveLength(3)
    for (let i = 0; i < ACCESS_LIMITS.decisionsPerPassMax; i++) pass.may('read', parseDocId(`other/${i}`))
    expect(pass.may('read', note)).toBe(true)
    expect(asked).toHaveLength(3 + ACCESS_LIMITS.decisionsPerPassMax + 1)
  })

  test('[AC-4] another authenticator counts for later tokens and leaves who is in', async () => {
    const doorman = doormanHere()
    const pass = await doorman.admit(withToken('ada'))
    doorman.setAuthenticator(() => Promise.resolve(null))
    expect(await codeOf(doorman.admit(withToken('bob')))).toBe('auth-invalid')
    expect(await codeOf(pass.renew('ada'))).toBe('auth-invalid')
    expect(pass.may('read', note)).toBe(true)
  })
})

function handed(clock: HandClock): Clock {
  return {
    now: () => clock.now(),
    wallMs: () => clock.wallMs(),
    every: (ms, fn) => clock.every(ms, fn),
    after: (ms, fn) => clock.after(ms, fn),
    soon: (fn) => clock.soon(fn),
  }
}
