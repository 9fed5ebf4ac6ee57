// The admin page as an operator uses it: a real browser, a real API, a real store. Several spaces are in admin-spaces.test.ts; the page as text is tested in
// packages/relay/test/admin-page.test.ts.

import { parseDocId } from '@syncline/protocol'
import { nodeClock } from '@syncline/replica/ws'
import { expect, onTestFinished, test } from 'vitest'
import { createDoorman } from '../../packages/relay/src/access/doorman.ts'
import { parsePolicy } from '../../packages/relay/src/access/policy-file.ts'
import { pageScript } from '../../packages/relay/src/admin/page/page-script.ts'
import { bundleAdminPage } from '../../scripts/admin-page-script.ts'
import { body, eventually, figure, focusIs, isThere, open, press, relayHere, row, stateIs, useBrowser } from './admin-browser.ts'
import { refusing, startRelay, storeFolder } from './admin-relay.ts'

useBrowser()

test('[PG-4] the script of the page is what its source says', async () => {
  expect(pageScript === (await bundleAdminPage()), 'write it anew: pnpm exec node scripts/admin-page-script.ts').toBe(true)
})

test.skipIf(!isThere)('[PG-1] the page shows the relay as it is, and as it changes', { timeout: 60_000 }, async () => {
  const relay = await relayHere({ doorman: refusing('closed/') })
  const room = await relay.room('note/broken')
  const writes = Array.from({ length: 130 }, (_, count) =>
    relay.write(`note/${String(count).padStart(3, '0')}`, body(`This is note ${count}.`)),
  )
  await Promise.all(writes)
  const { page, problems } = await open(relay.url)
  await stateIs(page, 'live')
  await eventually(() => figure(page, 'Documents').innerText()).toBe('130')
  await eventually(() => figure(page, 'y-websocket').innerText()).toBe('1')
  expect(await figure(page, 'Storage').innerText()).toBe('ok')
  await page.getByText(`replica ${relay.relay.replicaId.slice(0, 8)}`).waitFor()

  // A peer comes; samples and refusals are told as they happen, and what stays refused is listed.
  const peer = relay.link()
  const closed = peer.openDocument(parseDocId('closed/1'))
  closed.doc.getText('body').insert(0, 'not here')
  await row(page, 'Needs attention', 'closed/1').filter({ hasText: 'refused here' }).waitFor()
  await row(page, 'Peers', peer.replicaId.slice(0, 8)).filter({ hasText: 'synced' }).waitFor()
  await row(page, 'Live events', 'link live').waitFor()
  room.nonsense()
  await row(page, 'Live events', 'note/broken').filter({ hasText: 'update-malformed' }).waitFor()
  await eventually(() => figure(page, 'y-websocket').innerText()).toBe('0')
  await page.getByLabel('Which events').selectOption('link')
  await row(page, 'Live events', 'note/broken').waitFor({ state: 'hidden' })
  const rowsChart = page.getByRole('img', { name: /^Rows per second/ })
  expect(await page.getByRole('img').count()).toBe(6)
  await eventually(() => rowsChart.locator('path.line0').first().getAttribute('d')).toMatch(/^M[\d. ]+L/)

  // Documents: pages, the filter, one of them, and that it follows what is written.
  await page.getByRole('link', { name: 'Documents' }).click()
  await page.getByText('1–100 of more').waitFor()
  await page.getByRole('button', { name: 'Next' }).click()
  await page.getByText('101–130').waitFor()
  await page.getByLabel('Filter').fill('note/04')
  await page.getByText('1–10', { exact: true }).waitFor()
  expect(await row(page, 'Documents', 'note/042').innerText()).toMatch(/note\/042\s+\d+ B\s+1\s+43\s+\d\d:\d\d:\d\d/)
  await row(page, 'Documents', 'note/042').click()
  await page.getByRole('tree').getByText('"This is note 42."').waitFor()
  await relay.write('note/042', (doc) => doc.getMap('meta').set('done', { by: ['Ada', null] }))
  await page.getByRole('treeitem', { name: 'meta' }).waitFor()
  await page.getByText('2 writers').waitFor()
  await row(page, 'Log tail', '131').waitFor()
  for (const key of ['meta', 'done']) await page.locator('#content').getByText(key, { exact: true }).click()
  await page.locator('#content').getByText('2 items', { exact: true }).waitFor()
  expect(problems).toEqual([])
})

test.skipIf(!isThere)('[PG-2] everything is reached by keys, in the dark as well', { timeout: 60_000 }, async () => {
  const relay = await relayHere()
  for (const name of ['note/a', 'note/b', 'note/c', 'task/a']) {
    await relay.write(name, (doc) => {
      doc.getArray('list').push(Array.from({ length: 450 }, (_, index) => index))
      doc.getMap('meta').set('title', 'A long story. '.repeat(40))
    })
  }
  const { page, problems } = await open(relay.url, 'dark')
  await stateIs(page, 'live')
  expect(await page.evaluate(() => getComputedStyle(document.body).backgroundColor)).toBe('rgb(21, 24, 29)')

  // A chart is read second by second.
  const chart = page.getByRole('img', { name: /^Commits per second/ })
  await eventually(() => chart.locator('path.line0').first().getAttribute('d')).toMatch(/L/)
  await chart.focus()
  await press(page, 'Home')
  await page.locator('figure', { has: chart }).getByText(/ ago$/).waitFor()

  // Into the filter from anywhere, to the rows, along them, into a document and back.
  await press(page, '/')
  await focusIs(page, 'filter')
  await page.keyboard.type('note/')
  await press(page, 'Enter')
  await focusIs(page, 'row note/a')
  await press(page, 'ArrowDown', 'End', 'ArrowUp')
  await focusIs(page, 'row note/b')
  await press(page, 'Enter')
  await page.getByRole('heading', { name: 'note/b' }).waitFor()
  await focusIs(page, 'list')
  // Long lists and texts come in parts.
  const items = page.getByRole('treeitem')
  expect(await items.count()).toBe(204)
  await press(page, 'ArrowLeft', 'ArrowDown', 'ArrowDown', 'ArrowRight')
  await page.locator('#content pre').getByText('A long story.').waitFor()
  await press(page, 'ArrowLeft', 'ArrowLeft', 'ArrowUp')
  await focusIs(page, 'list')
  await press(page, 'ArrowRight', 'ArrowRight', 'ArrowUp')
  expect(await page.locator('#content [data-more]').innerText()).toContain('250 more')
  await page.locator('#content [data-more]').focus()
  await press(page, 'Enter')
  await page.getByText('50 more').waitFor()
  await press(page, 'Escape')
  await page.locator('#inspector').waitFor({ state: 'hidden' })
  await focusIs(page, 'row note/b')

  // The keys are told; a view is one key away; no shortcut is taken from who types.
  await press(page, '?')
  await page.getByRole('dialog', { name: 'Keys' }).waitFor()
  await press(page, 'Escape')
  await page.getByRole('dialog').waitFor({ state: 'hidden' })
  await press(page, '1')
  await page.getByRole('grid', { name: 'Peers' }).waitFor()
  await press(page, '/', '1', '?', 'r')
  expect(await page.getByLabel('Filter').inputValue()).toBe('1?r')
  await page.getByText('No document begins like this.').waitFor()

  // The Tab key passes everything and stays nowhere: one stop for a table.
  await press(page, 'Escape', '1')
  const stops: string[] = []
  for (let count = 0; count < 20; count++) {
    await press(page, 'Tab')
    stops.push(await page.evaluate(() => document.activeElement!.closest('[id]')?.id ?? 'the end'))
  }
  expect([...new Set(stops)].slice(0, 6)).toEqual(['documents-link', 'keys', 'charts', 'happenings-filter', 'the end', 'relay-link'])
  expect(problems).toEqual([])
})

test.skipIf(!isThere)('[PG-3] names and content of strangers are text: nothing runs, nothing hides', { timeout: 60_000 }, async () => {
  const relay = await relayHere({ doorman: refusing('closed/') })
  const peer = relay.link()
  const names = [
    `<img src=x onerror="alert(1)">`,
    `</script><script>alert(2)</script>`,
    `javascript:alert(3)//'"\`\${alert(4)}`,
    `%2e%2e/&lt;b&gt;?a=1#document=x`,
    `plan\u202Egnp.exe\nnext\u200B`,
    `__proto__`,
  ]
  for (const name of names) {
    // The gate refuses this one as a key.
    const key = name === '__proto__' ? 'constructor' : name
    await relay.write(name, (doc) => doc.getMap(key).set(key, name))
    peer
      .openDocument(parseDocId(`closed/${name}`))
      .doc.getText('body')
      .insert(0, name)
  }
  const { page, problems } = await open(relay.url)
  await stateIs(page, 'live')
  // The heading, the link, and the refusals.
  await eventually(() => page.getByRole('grid', { name: 'Live events' }).getByRole('row').count()).toBe(2 + names.length)
  await eventually(() => page.getByRole('grid', { name: 'Needs attention' }).getByRole('row').count()).toBe(1 + names.length)
  await press(page, '2')
  await eventually(() => page.getByRole('grid', { name: 'Documents' }).getByRole('row').count()).toBe(1 + names.length)
  for (const name of names) {
    const shown = name.replace('\u202E', '\\u{202E}').replace('\n', '\\u{A}').replace('\u200B', '\\u{200B}')
    await page.getByRole('grid', { name: 'Documents' }).getByRole('link', { name: shown, exact: true }).click()
    await eventually(() => page.locator('#inspector-name').textContent()).toBe(shown)
    await page.getByRole('treeitem').nth(1).waitFor()
    const keys = await page.locator('#content .key').allTextContents()
    const key = shown === '__proto__' ? 'constructor' : shown
    expect(keys).toEqual([key, key])
  }
  expect(await page.locator('img, iframe, script, b').count()).toBe(1)
  expect(problems).toEqual([])

  // And if something did get in: the policy of the page leaves it nothing to do.
  const other = await relayHere()
  const reached = await page.evaluate(async (address) => {
    const wrote = await Promise.resolve()
      .then(() => (document.body.innerHTML = '<img src=x>'))
      .then(
        () => true,
        () => false,
      )
    const element = document.createElement('script')
    const ran = await Promise.resolve()
      .then(() => {
        element.textContent = 'globalThis.didRun = true'
        document.body.append(element)
      })
      .then(
        () => 'didRun' in globalThis,
        () => false,
      )
    const fetched = await fetch(address, { mode: 'no-cors' }).then(
      () => true,
      () => false,
    )
    return { wrote, ran, fetched }
  }, other.url)
  expect(reached).toEqual({ wrote: false, ran: false, fetched: false })
})

test.skipIf(!isThere)('[PG-5] a relay that authenticates is shown to a token, which stays in its tab', { timeout: 60_000 }, async () => {
  const clock = nodeClock()
  const policy = parsePolicy(
    JSON.stringify({
      version: 1,
      roles: {
        operator: [{ allow: ['read', 'admin'], space: '**', doc: '**' }],
        reader: [{ allow: ['read'], space: '**', doc: 'public/**' }],
      },
    }),
  )
  const roles: Readonly<Record<string, string>> = { 'operator-token': 'operator', 'reader-token': 'reader' }
  const doorman = createDoorman({
    clock,
    policy,
    anonymous: false,
    authenticator: ({ token }) => {
      const role = roles[token ?? '']
      return Promise.resolve(role === undefined ? null : { subject: role, roles: [role], claims: {}, expiresAtMs: null })
    },
  })
  onTestFinished(() => doorman.close())
  const relay = await relayHere({ doorman })
  await relay.write('public/plan', body('for everybody'))
  await relay.write('secret/plan', body('for few'))
  const { page, problems } = await open(relay.url)
  const dialog = page.getByRole('dialog', { name: 'Token' })
  const token = dialog.getByRole('textbox')

  await dialog.waitFor()
  await stateIs(page, 'token wanted')
  await page.keyboard.type('nonsense')
  await press(page, 'Enter')
  await page.locator('#token-trouble').getByText(/\S/).waitFor()
  await token.fill('operator-token')
  await press(page, 'Enter')
  await stateIs(page, 'live')
  await row(page, 'Live events', 'turned away').filter({ hasText: 'auth-invalid' }).waitFor()
  await press(page, '2')
  await row(page, 'Documents', 'secret/plan').waitFor()

  // It outlives a reload and nothing more: not this tab, not the address, not a cookie.
  await page.reload()
  await stateIs(page, 'live')
  const kept = await page.evaluate(() => ({ cookie: document.cookie, local: localStorage.length, href: location.href }))
  expect(kept).toEqual({ cookie: '', local: 0, href: `${relay.url}#/documents` })
  const second = await page.context().newPage()
  await second.goto(relay.url)
  await second.getByRole('dialog', { name: 'Token' }).waitFor()
  await second.close()

  // Whoever may only read some documents sees these, and is told of the rest.
  await page.getByRole('button', { name: 'Forget token' }).click()
  await dialog.waitFor()
  await token.fill('reader-token')
  await press(page, 'Enter')
  await stateIs(page, 'forbidden')
  await row(page, 'Documents', 'secret/plan').waitFor({ state: 'hidden' })
  await row(page, 'Documents', 'public/plan').click()
  await page.getByText('"for everybody"').waitFor()
  await page.goto(`${relay.url}#/document=secret%2Fplan`)
  await page.getByText('There is no such document, or this token may not read it.').waitFor()
  expect(problems.filter((problem) => !/^Failed to load resource.* (401|403|404) /.test(problem))).toEqual([])
})

test.skipIf(!isThere)(
  '[PG-6] a relay that drains or is gone is shown as such, and followed when it is back',
  { timeout: 60_000 },
  async () => {
    const { folder, remove } = storeFolder()
    const relay = await startRelay({ folder, port: 0 })
    await relay.write('note/1', body('one'))
    const { page, problems } = await open(relay.url)
    await stateIs(page, 'live')
    await eventually(() => figure(page, 'Documents').innerText()).toBe('1')
    // Somebody does not answer when told that it is over: the drain takes its time.
    const { client } = await relay.room('note/1')
    client.socket.pause()
    const closing = relay.relay.close()
    await stateIs(page, 'draining')
    await page.getByText('This relay is shutting down').waitFor()
    expect(problems).toEqual([])

    await Promise.all([closing, relay.stop()])
    await stateIs(page, 'no answer')
    await page.getByText(/The relay does not answer\. Asking again.*What is shown is of \d\d:\d\d:\d\d/).waitFor()
    expect(await page.title()).toContain('(no answer)')
    expect(await figure(page, 'Documents').innerText()).toBe('1')
    await press(page, '2')
    await page.locator('#documents-trouble').getByText('The relay does not answer.').waitFor()

    const again = await startRelay({ folder, port: Number(new URL(relay.url).port) })
    onTestFinished(async () => {
      await again.stop()
      remove()
    })
    await again.write('note/2', body('two'))
    await press(page, 'r')
    await stateIs(page, 'live')
    await page.locator('#banner').waitFor({ state: 'hidden' })
    await row(page, 'Documents', 'note/2').waitFor()
    expect(problems.filter((problem) => !problem.startsWith('Failed to load resource: net::ERR_'))).toEqual([])
  },
)
