// The admin page of a relay with several spaces, in a real browser: each by itself, with the rights in it, and none opened or kept open by looking.

import { nodeClock } from '@syncline/replica/ws'
import { expect, onTestFinished, test } from 'vitest'
import { createDoorman } from '../../packages/relay/src/access/doorman.ts'
import { parsePolicy } from '../../packages/relay/src/access/policy-file.ts'
import { body, eventually, figure, focusIs, isThere, open, press, relayHere, row, stateIs, useBrowser } from './admin-browser.ts'

useBrowser()

test.skipIf(!isThere)(
  '[PG-7] every space of a relay is looked at by itself, and looking keeps none open',
  { timeout: 90_000 },
  async () => {
    const relay = await relayHere({ spaceIdleMs: 1_500 })
    await relay.write('note/1', body('of the default one'))
    await relay.write('note/1', body('of acme'), 'acme')
    await relay.write('note/2', body('of bolt'), 'bolt')
    const { page, problems } = await open(relay.url)
    const status = async (space: string): Promise<{ open: boolean }> =>
      (await (await fetch(`${relay.url}api/spaces/${space}/status`)).json()) as { open: boolean }
    await stateIs(page, 'live')
    await eventually(() => figure(page, 'Spaces').innerText()).toMatch(/^\d of 3$/)
    await eventually(async () => (await status('acme')).open).toBe(false)

    // The list opens none of them; one is entered by keys, and a reload stays there.
    await press(page, '3')
    await row(page, 'Spaces', 'acme').filter({ hasText: 'closed' }).waitFor()
    await row(page, 'Spaces', 'default').filter({ hasText: 'open' }).waitFor()
    await press(page, '/')
    await page.keyboard.type('ac')
    await row(page, 'Spaces', 'default').waitFor({ state: 'hidden' })
    await press(page, 'Enter')
    await focusIs(page, 'row acme')
    await press(page, 'Enter')
    await eventually(() => figure(page, 'State').innerText()).toBe('closed')
    await page.getByText('space acme').waitFor()
    expect([page.url(), (await status('acme')).open]).toEqual([`${relay.url}#/space=acme/relay`, false])
    await page.reload()
    await eventually(() => figure(page, 'State').innerText()).toBe('closed')
    expect(await page.getByLabel('Space', { exact: true }).inputValue()).toBe('acme')

    // Its documents open it, and following them does not keep it open.
    await press(page, '2')
    await row(page, 'Documents', 'note/1').click()
    await page.getByRole('tree').getByText('"of acme"').waitFor()
    expect(page.url()).toBe(`${relay.url}#/space=acme/document=note%2F1`)
    await page.locator('#documents-trouble').getByText('Nobody uses this space').waitFor({ timeout: 30_000 })
    expect((await status('acme')).open).toBe(false)
    expect(await page.getByRole('tree').getByText('"of acme"').count()).toBe(1)

    // Another one by its name; the same document name is another document, and charts and events are of that space.
    await press(page, 's')
    await focusIs(page, 'space')
    await page.keyboard.type('bolt')
    await press(page, 'Enter')
    await row(page, 'Documents', 'note/2').waitFor()
    expect([page.url(), await page.getByRole('grid', { name: 'Documents' }).getByRole('row').count()]).toEqual([
      `${relay.url}#/space=bolt/documents`,
      2,
    ])
    const { replica, release } = await relay.relay.space('bolt')
    onTestFinished(() => release())
    await press(page, '1')
    await eventually(() => figure(page, 'State').innerText()).toBe('open')
    await eventually(() =>
      page
        .getByRole('img', { name: /^Rows per second/ })
        .locator('path.line0')
        .first()
        .getAttribute('d'),
    ).toMatch(/L/)
    await relay.write('note/3', body('more'), 'bolt')
    await eventually(() => figure(page, 'Head').innerText()).toBe(String(replica.status().head))
    await press(page, 's')
    await page.keyboard.type('ghost')
    await press(page, 'Enter')
    await stateIs(page, 'forbidden')
    await page.getByText('There is no such space').first().waitFor()
    await press(page, 's')
    await page.keyboard.type('default')
    await press(page, 'Enter')
    await stateIs(page, 'live')
    await eventually(() => figure(page, 'Documents').innerText()).toBe('1')
    expect(problems.filter((problem) => !/^Failed to load resource.* (404|409) /.test(problem))).toEqual([])
  },
)

test.skipIf(!isThere)('[PG-7] whoever administers one space sees that one, by its name, and no other', { timeout: 90_000 }, async () => {
  const own = { eq: [{ get: 'space' }, { get: 'subject' }] }
  const doorman = createDoorman({
    clock: nodeClock(),
    policy: parsePolicy(JSON.stringify({ version: 1, roles: { owner: [{ allow: 'all', space: '**', doc: '**', when: own }] } })),
    anonymous: false,
    authenticator: ({ token }) =>
      Promise.resolve(token === null ? null : { subject: token, roles: ['owner'], claims: {}, expiresAtMs: null }),
  })
  onTestFinished(() => doorman.close())
  const relay = await relayHere({ doorman, spaceIdleMs: 600_000 })
  await relay.write('plan', body('of acme'), 'acme')
  await relay.write('plan', body('of bolt'), 'bolt')
  const { page } = await open(`${relay.url}#/relay`)
  await page.getByRole('dialog', { name: 'Token' }).getByRole('textbox').fill('acme')
  await press(page, 'Enter')
  await stateIs(page, 'forbidden')
  await press(page, 's')
  await page.keyboard.type('acme')
  await press(page, 'Enter')
  await stateIs(page, 'live')
  await press(page, '2')
  await row(page, 'Documents', 'plan').click()
  await page.getByRole('tree').getByText('"of acme"').waitFor()
  await page.goto(`${relay.url}#/space=bolt/document=plan`)
  await stateIs(page, 'forbidden')
  await page.locator('#inspector-trouble').getByText('There is no such space').waitFor()
  await press(page, '3')
  await page.getByText('This token may not see the list of spaces').waitFor()
  expect(await page.getByText('of bolt').count()).toBe(0)
})
