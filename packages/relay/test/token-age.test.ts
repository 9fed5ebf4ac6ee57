// A relay that is told how old a token may be: from the setting to the end of a pass.

import { DEFAULT_SPACE } from '@syncline/protocol'
import { nodeClock } from '@syncline/replica/ws'
import { SignJWT } from 'jose'
import { afterEach, expect, test } from 'vitest'
import type { Credentials } from '../src/access/access.ts'
import { loadConfig } from '../src/config/load-config.ts'
import { openConfiguredDoorman, type ConfiguredDoorman } from '../src/config/doorman-of.ts'

const secret = 'a secret of this test, long enough for HS256'
const YEAR_S = 365 * 24 * 3600
const AGE_MS = 60_000

const cleanups: (() => unknown)[] = []
afterEach(() => cleanups.splice(0).forEach((cleanup) => cleanup()))

/** Real time, and a calendar that the test moves on. */
let laterMs = 0
const real = nodeClock()
const clock = { ...real, wallMs: () => real.wallMs() + laterMs }

async function doormanHere(flags: Record<string, string>): Promise<ConfiguredDoorman> {
  const { values } = loadConfig({ flags, environment: { SYNCLINE_AUTH_JWT_SECRET: secret } })
  const opened = await openConfiguredDoorman(values, clock, () => undefined)
  cleanups.push(() => opened.stop())
  return opened
}

async function admitted({ doorman }: ConfiguredDoorman, issuedS: number | null): ReturnType<ConfiguredDoorman['doorman']['admit']> {
  const nowS = Math.floor(clock.wallMs() / 1000)
  const unsigned = new SignJWT({})
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject('ada')
    .setExpirationTime(nowS + 10 * YEAR_S)
  if (issuedS !== null) unsigned.setIssuedAt(nowS + issuedS)
  const token = await unsigned.sign(new TextEncoder().encode(secret))
  const credentials: Credentials = { token, door: 'native', space: DEFAULT_SPACE, address: '127.0.0.1' }
  return doorman.admit(credentials)
}

test('[AC-10] a token for ten years ends at the age that the relay allows, and its connection with it', async () => {
  const here = await doormanHere({ 'auth-token-age-ms-max': String(AGE_MS) })
  const pass = await admitted(here, 0)
  expect(pass.identity.expiresAtMs! - clock.wallMs()).toBeLessThanOrEqual(AGE_MS + 5_000)
  expect(pass.ended).toBeNull()
  const told = new Promise<void>((resolve) => void pass.onChange(resolve))
  laterMs += AGE_MS + 5_000
  await told
  expect(pass.ended?.code).toBe('auth-expired')
  await expect(admitted(here, -2 * (AGE_MS / 1000))).rejects.toMatchObject({ code: 'auth-expired' })
  await expect(admitted(here, null), 'nobody knows how old it is').rejects.toMatchObject({ code: 'auth-invalid' })
})

test('[AC-10] without the setting a token lasts until its own end', async () => {
  const here = await doormanHere({})
  for (const issuedS of [0, -YEAR_S, null]) {
    const { identity } = await admitted(here, issuedS)
    expect(identity.expiresAtMs! - clock.wallMs()).toBeGreaterThan(9 * YEAR_S * 1000)
  }
})
