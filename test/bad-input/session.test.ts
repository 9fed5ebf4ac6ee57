// Catalogue 42, 43 and 86 to 94 over connections that a real relay has let in: names, scopes, positions, requests without end, answers unread, presence; and what the
// other doors are told.

import { afterAll, beforeAll, expect, test } from 'vitest'
import { runCase, titleOf } from './attack.ts'
import { doorSessionCases } from './door-session-cases.ts'
import { RelayUnderAttack, STALL_MS_MAX } from './relay-under-attack.ts'
import { sessionCases } from './session-cases.ts'

const cases = [...sessionCases, ...doorSessionCases]

let scene: RelayUnderAttack
beforeAll(async () => {
  scene = await RelayUnderAttack.start()
})
afterAll(() => scene?.stop())

cases.forEach((row, index) => {
  test(`[IN-1] ${titleOf(row)}`, () => runCase(scene, row, index))
})

test('[IN-1] while all of these came in, an honest pair never waited a second for the relay', async () => {
  const { stallMs } = await scene.verdict('session')
  expect(stallMs).toBeLessThan(STALL_MS_MAX)
})
