// Catalogue 1 to 30 through raw sockets into a real relay: HTTP, WebSocket, frames and handshakes, at every door.

import { afterAll, beforeAll, expect, test } from 'vitest'
import { documentOf, runCase, titleOf } from './attack.ts'
import { RelayUnderAttack, STALL_MS_MAX } from './relay-under-attack.ts'
import { doorTransportCases } from './door-transport-cases.ts'
import { transportCases } from './transport-cases.ts'

const cases = [...transportCases, ...doorTransportCases]

let scene: RelayUnderAttack
beforeAll(async () => {
  scene = await RelayUnderAttack.start()
})
afterAll(() => scene?.stop())

cases.forEach((row, index) => {
  if (row.slow !== true) test(`[IN-1] ${titleOf(row)}`, () => runCase(scene, row, index))
})

test(
  `[IN-1] what takes its time is cut by a deadline: ${cases
    .filter(({ slow }) => slow)
    .map(titleOf)
    .join('; ')}`,
  { timeout: 40_000 },
  async () => {
    const beside = cases.map(documentOf)
    await Promise.all(cases.flatMap((row, index) => (row.slow === true ? [runCase(scene, row, index, beside)] : [])))
  },
)

test('[IN-1] while all of these came in, an honest pair never waited a second for the relay', async () => {
  const { stallMs } = await scene.verdict('transport')
  expect(stallMs).toBeLessThan(STALL_MS_MAX)
})
