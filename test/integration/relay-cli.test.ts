// The `syncline` commands as a user runs them: real processes, real folders, a relay running meanwhile.

import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import Database from 'better-sqlite3'
import { afterEach, expect, test } from 'vitest'
import * as Y from 'yjs'
import { commandHere } from './command-here.ts'
import { runCommand, spawnCommand, startRelay, temporaryFolder, type RelayProcess } from './relay-process.ts'
import { BareClient, freshUpdate, idsOf } from './room-client.ts'
import * as codec from '../../packages/relay/src/y-websocket-codec.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

function folderHere(): string {
  const folder = temporaryFolder()
  cleanups.push(folder.remove)
  return folder.path
}

async function relayOn(folder: string, args: readonly string[] = []): Promise<RelayProcess> {
  const relay = await startRelay(folder, { args })
  cleanups.push(() => relay.end('SIGKILL'))
  return relay
}

/** Writes documents through the relay's y-websocket door and waits until they are committed. */
async function write(relay: RelayProcess, documents: Record<string, Uint8Array>): Promise<void> {
  await Promise.all(
    Object.entries(documents).map(async ([room, update]) => {
      const bare = new BareClient(`${relay.url}/${encodeURI(room)}`)
      await bare.opened
      bare.send(codec.updateFrame(update))
      await bare.echoOf(update)
      bare.terminate()
    }),
  )
}

const jsonLines = (text: string): Record<string, unknown>[] =>
  text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)

test('[CL-1] help, version, and words with exit code 2 for what makes no sense', async () => {
  const manifest = JSON.parse(readFileSync(new URL('../../packages/relay/package.json', import.meta.url), 'utf8')) as { version: string }
  expect(await runCommand('--version')).toMatchObject({ code: 0, stdout: `${manifest.version}\n` })
  expect(await commandHere('--help')).toMatchObject({ code: 0, stdout: expect.stringContaining('Exit codes: 0 done') })
  const commands = ['serve', 'ls', 'inspect', 'export', 'import', 'verify']
  for (const help of await Promise.all(commands.map((name) => commandHere(name, '--help')))) {
    expect(help).toMatchObject({ code: 0, stdout: expect.stringContaining('\nExamples\n  syncline ') })
  }
  const wrong: [args: string[], words: RegExp][] = [
    [[], /Commands/],
    [['sevre'], /no command "sevre"/],
    [['serve', '--prot', '1'], /--prot/],
    [['serve', '--port', 'http'], /whole number from 0 to 65535/],
    [['serve', '--durability', 'memory'], /disk or process/],
    [['serve', '--peer', 'http://127.0.0.1'], /ws:\/\//],
    [['inspect'], /DOCUMENT is missing/],
    [['inspect', 'a', 'b'], /unexpected argument "b"/],
    [['export'], /name documents, or give --all/],
    [['export', 'a', '--all'], /name documents, or give --all/],
  ]
  for (const [args, words] of wrong)
    expect(await commandHere(...args), args.join(' ')).toMatchObject({ code: 2, stderr: expect.stringMatching(words) })
})

test('[CL-3] ls, inspect, export and verify work while a relay runs, take no lock and change nothing', async () => {
  const folder = folderHere()
  const relay = await relayOn(folder)
  const doc = new Y.Doc()
  doc.getText('body').insert(0, 'räum')
  doc.getMap('meta').set('title', 'x')
  await write(relay, {
    'note/1': Y.encodeStateAsUpdate(doc),
    'räum mit leer/zeichen': freshUpdate('leer'),
    'Note/1': freshUpdate('capital'),
  })

  const listed = await commandHere('ls', '--data', folder)
  expect(listed).toMatchObject({ code: 0, stderr: expect.stringContaining('3 documents') })
  expect(
    listed.stdout
      .trim()
      .split('\n')
      .slice(1)
      .map((line) =>
        line
          .trim()
          .split(/\s{2,}/)
          .at(-1),
      ),
  ).toEqual(['Note/1', 'note/1', 'räum mit leer/zeichen'])
  const listedJson = jsonLines((await commandHere('ls', '--data', folder, '--json', '--prefix', 'note/')).stdout)
  expect(listedJson).toEqual([
    {
      doc: 'note/1',
      bytes: expect.any(Number),
      tailRows: 1,
      lastSeq: expect.any(Number),
      digest: expect.stringMatching(/^[0-9a-f]{32}$/),
      quarantined: false,
    },
  ])

  const seen = await commandHere('inspect', 'note/1', '--data', folder)
  expect(seen).toMatchObject({ code: 0, stdout: expect.stringMatching(/root types +body, meta/) })
  const [inspected] = jsonLines((await commandHere('inspect', 'note/1', '--data', folder, '--json')).stdout)
  expect(inspected).toMatchObject({
    doc: 'note/1',
    digest: listedJson[0]!['digest'],
    writers: 1,
    tailRows: 1,
    rootTypes: ['body', 'meta'],
    heldUpdates: { count: 0, bytes: 0 },
    quarantined: false,
  })

  const out = join(folder, 'out')
  expect(await commandHere('export', '--all', '--data', folder, '--out', out)).toMatchObject({ code: 0 })
  const exported = new Y.Doc()
  Y.applyUpdate(exported, readFileSync(join(out, 'note%2F1.yupdate')))
  expect(exported.getText('body').toString()).toBe('räum')
  expect(await runCommand('verify', folder)).toMatchObject({ code: 0, stdout: '3 documents checked, no problems\n' })

  // The relay still writes, and still holds the only lock.
  await write(relay, { 'note/2': freshUpdate('later') })
  const missing = await commandHere('inspect', 'nowhere', '--data', folder)
  expect(missing).toMatchObject({ code: 1, stderr: expect.stringContaining('There is no document "nowhere"') })
  expect(await commandHere('ls', '--data', join(folder, 'none'))).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('[store-missing]'),
  })
})

test('[CL-3] what is read while a relay writes is whole: inspect, export and verify find no damage that is only a race', async () => {
  const folder = folderHere()
  const relay = await relayOn(folder)
  await write(relay, { busy: freshUpdate('start'), quiet: freshUpdate('quiet') })
  const bare = new BareClient(`${relay.url}/busy`)
  cleanups.push(() => bare.terminate())
  await bare.opened
  const doc = new Y.Doc()
  let echoes = 0
  doc.on('update', (update: Uint8Array) => bare.send(codec.updateFrame(update)))
  bare.onMessage = (message) => {
    if (message.kind !== 'update') return
    echoes++
    bare.messages.length = 0
    doc.getText('body').insert(0, `${echoes} `)
  }
  for (let window = 0; window < 20; window++) doc.getText('body').insert(0, 'begin ')
  for (let round = 0; round < 15; round++) {
    const before = echoes
    const ends = [
      await commandHere('inspect', 'busy', '--data', folder),
      await commandHere('export', '--all', '--data', folder, '--out', join(folder, 'out')),
      await commandHere('verify', folder),
    ]
    for (const end of ends) expect(end, end.stdout + end.stderr).toMatchObject({ code: 0 })
    await bare.messageWhere(() => echoes > before)
  }
})

test('[CL-5] what export writes, import reads: same documents, same content; importing twice adds nothing', async () => {
  const [source, target] = [folderHere(), folderHere()]
  const relay = await relayOn(source)
  const long = `long/${'ä'.repeat(200)}`
  await write(relay, {
    'note/1': freshUpdate('one'),
    'Note/1': freshUpdate('other'),
    [long]: freshUpdate('long'),
    'r-%41': freshUpdate('escaped'),
  })
  const out = join(source, 'out')
  expect(await commandHere('export', '--all', '--data', source, '--out', out)).toMatchObject({
    code: 0,
    stderr: expect.stringContaining('documents in'),
  })

  const locked = await runCommand('import', out, '--data', source)
  expect(locked).toMatchObject({ code: 1, stderr: expect.stringMatching(new RegExp(`open in process ${relay.pid} .*\\[store-locked\\]`)) })
  expect(await relay.end('SIGTERM')).toEqual({ code: 0, signal: null })

  const documents = jsonLines((await commandHere('ls', '--data', source, '--json')).stdout).length
  expect(await commandHere('import', out, '--data', target)).toMatchObject({
    code: 0,
    stderr: expect.stringContaining(`${documents} documents imported, 0 known already, 0 refused`),
  })
  expect(await commandHere('verify', source, target)).toMatchObject({ code: 0, stdout: `${documents} documents checked, equal\n` })
  expect(await commandHere('import', out, '--data', target)).toMatchObject({
    code: 0,
    stderr: expect.stringContaining(`0 documents imported, ${documents} known already`),
  })
})

test('[CL-5] import refuses file by file, with a code, and takes the rest', async () => {
  const [folder, files] = [folderHere(), folderHere()]
  writeFileSync(join(files, 'good.yupdate'), freshUpdate('good'))
  writeFileSync(join(files, 'bad.yupdate'), 'no update')
  const doc = new Y.Doc()
  const updates: Uint8Array[] = []
  doc.on('update', (update: Uint8Array) => updates.push(update))
  doc.getText('body').insert(0, 'a')
  doc.getText('body').insert(1, 'b')
  writeFileSync(join(files, 'part.yupdate'), updates[1]!)
  const imported = await commandHere('import', files, '--data', folder, '--json')
  expect(imported.code).toBe(4)
  expect(Object.fromEntries(jsonLines(imported.stdout).map((line) => [line['doc'], line['code'] ?? line['kind']]))).toEqual({
    bad: 'update-malformed',
    good: 'new',
    part: 'incomplete',
  })
  writeFileSync(join(files, 'loose.bin'), freshUpdate('named'))
  expect(await commandHere('import', join(files, 'loose.bin'), '--data', folder)).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('--as'),
  })
  expect(await commandHere('import', join(files, 'loose.bin'), '--as', 'note/7', '--data', folder)).toMatchObject({ code: 0 })
  expect(jsonLines((await commandHere('ls', '--data', folder, '--json')).stdout).map((line) => line['doc'])).toEqual(['good', 'note/7'])
})

test('[CL-6] verify finds flipped bits, names the document, and ends with 3', async () => {
  const folder = folderHere()
  const relay = await relayOn(folder)
  const marker = 'find me in the file'
  await write(relay, { whole: freshUpdate('whole'), broken: freshUpdate(marker) })
  await relay.end('SIGTERM')
  expect(await commandHere('verify', folder)).toMatchObject({ code: 0 })
  const file = join(folder, 'default.db')
  const bytes = readFileSync(file)
  const at = bytes.indexOf(marker)
  expect(at).toBeGreaterThan(0)
  bytes[at]! ^= 1
  // In place: a new file would be a copy to its next opener.
  writeFileSync(file, bytes, { flag: 'r+' })
  const found = await commandHere('verify', folder)
  expect(found).toMatchObject({ code: 3, stdout: expect.stringMatching(/^broken: .*fails its checksum/m) })
  expect(found.stdout).toMatch(/2 documents checked, 1 problem/)
  const [problem, sums] = jsonLines((await commandHere('verify', folder, '--json')).stdout)
  expect(problem).toMatchObject({ doc: 'broken', problem: expect.stringContaining('checksum') })
  expect(sums).toEqual({ documents: 2, problems: 1 })
  const partly = await commandHere('export', '--all', '--data', folder, '--out', join(folder, 'out'))
  expect(partly).toMatchObject({ code: 4, stderr: expect.stringContaining('1 could not be read') })
  expect(readdirSync(join(folder, 'out')).sort()).toEqual(['index.jsonl', 'whole.yupdate'])
})

test('[CL-6] verify of two folders names documents that only one has, that differ, and that are forked', async () => {
  const [one, two] = [folderHere(), folderHere()]
  const relays = [await relayOn(one), await relayOn(two)] as const
  await write(relays[0], {
    same: freshUpdate('same', 1),
    only: freshUpdate('left', 2),
    behind: freshUpdate('short', 3),
    forked: freshUpdate('AAAA', 4),
  })
  await write(relays[1], { same: freshUpdate('same', 1), behind: freshUpdate('longer', 3), forked: freshUpdate('BBBB', 4) })
  const compared = await commandHere('verify', one, two)
  expect(compared.code).toBe(3)
  const words = Object.fromEntries(compared.stdout.split('\n').map((line) => /^(.*?): (.*)$/.exec(line)?.slice(1) ?? [line, '']))
  expect(words).toMatchObject({
    only: expect.stringContaining('only in'),
    behind: expect.stringContaining('different updates'),
    forked: expect.stringContaining('a fork'),
  })
  expect(words).not.toHaveProperty('same')
})

test('[CL-6] import and verify work through thousands of documents, and show how far they are', async () => {
  const [folder, files] = [folderHere(), folderHere()]
  const count = 3000
  for (let index = 0; index < count; index++) writeFileSync(join(files, `${index}.yupdate`), freshUpdate(`document ${index}`, index + 1))
  const imported = await commandHere('import', files, '--data', folder)
  expect(imported).toMatchObject({ code: 0, stderr: expect.stringContaining(`${count} documents imported`) })
  expect(imported.progress.at(-1)).toBe(`${count} of ${count} files`)
  const verified = await commandHere('verify', folder)
  expect(verified).toMatchObject({ code: 0, stdout: `${count} documents checked, no problems\n` })
  expect(verified.progress).toContain(`1500 of ${count} documents`)
})

test('[CL-4] a taken port, a locked folder, a foreign and a newer file are told in words with exit code 1', async () => {
  const folder = folderHere()
  const relay = await relayOn(folder)
  const taken = await commandHere('serve', '--data', folderHere(), '--port', String(relay.port))
  expect(taken).toMatchObject({ code: 1, stderr: expect.stringMatching(/Another process listens on 127\.0\.0\.1:\d+\. \[port-taken\]/) })
  const locked = await commandHere('serve', '--data', folder, '--port', '0')
  expect(locked).toMatchObject({ code: 1, stderr: expect.stringMatching(new RegExp(`process ${relay.pid} .*\\[store-locked\\]`)) })
  const exposed = await commandHere('serve', '--data', folderHere(), '--host', '0.0.0.0', '--port', '0')
  expect(exposed).toMatchObject({ code: 1, stderr: expect.stringContaining('[host-not-loopback]') })
  const foreign = folderHere()
  writeFileSync(join(foreign, 'default.db'), 'not a database at all, but long enough to be looked at'.repeat(200))
  const newer = folderHere()
  const file = new Database(join(newer, 'default.db'))
  const first = new Database(join(folder, 'default.db'), { readonly: true })
  file.pragma(`application_id = ${first.pragma('application_id', { simple: true }) as number}`)
  file.exec('CREATE TABLE later(x)')
  file.pragma('user_version = 999')
  file.close()
  first.close()
  for (const name of ['serve', 'ls']) {
    const args = name === 'serve' ? ['--port', '0'] : []
    expect(await commandHere(name, '--data', newer, ...args), name).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('[store-newer]'),
    })
  }
  for (const args of [
    ['serve', '--port', '0', '--data', foreign],
    ['ls', '--data', foreign],
  ]) {
    expect(await commandHere(...args), args[0]).toMatchObject({ code: 1, stderr: expect.stringMatching(/\[store-(foreign|corrupt)\]/) })
  }
})

test('[CL-2] SIGTERM ends a relay with exit code 0 in bounded time, nothing lost, its clients told to come back', async () => {
  const folder = folderHere()
  const relay = await relayOn(folder)
  const writers = await Promise.all(
    Array.from({ length: 10 }, async (_, index) => {
      const bare = new BareClient(`${relay.url}/note-${index}`)
      cleanups.push(() => bare.terminate())
      await bare.opened
      return bare
    }),
  )
  // Under way when the signal comes: some committed, some on the wire.
  const sent = writers.map((bare, index) => {
    const updates = Array.from({ length: 40 }, (_, edit) => freshUpdate(`edit ${edit}`, 1000 * (index + 1) + edit))
    for (const update of updates) bare.send(codec.updateFrame(update))
    return updates
  })
  await writers[0]!.echoOf(sent[0]![0]!)
  const began = performance.now()
  relay.signal('SIGTERM')
  const ends = await Promise.all(writers.map((bare) => bare.closed))
  expect(await relay.exited).toEqual({ code: 0, signal: null })
  expect(performance.now() - began).toBeLessThan(10_000)
  for (const end of ends) expect(end).toEqual({ code: 1012, reason: expect.stringMatching(/^shutting-down: /) })
  const listed = await commandHere('export', '--all', '--data', folder, '--out', join(folder, 'out'))
  expect(listed.code).toBe(0)
  for (const [index, bare] of writers.entries()) {
    const doc = new Y.Doc()
    Y.applyUpdate(doc, readFileSync(join(folder, 'out', `note-${index}.yupdate`)))
    const kept = Y.decodeStateVector(Y.encodeStateVector(doc))
    const echoed = sent[index]!.filter((update) =>
      bare.messages.some((message) => message.kind === 'update' && Buffer.from(message.update).equals(update)),
    )
    for (const update of echoed) for (const { id } of Y.decodeUpdate(update).structs) expect(kept.has(id.client)).toBe(true)
  }
  // Checkpointed: nothing waits in the write-ahead log.
  const wal = statSync(join(folder, 'default.db-wal'), { throwIfNoEntry: false })?.size ?? 0
  expect(wal).toBe(0)
})

test('[CL-2] a signal right after the ready line ends a relay, a second one at once', async () => {
  const relay = await relayOn(folderHere())
  relay.signal('SIGINT')
  relay.signal('SIGINT')
  // Two signals may arrive as one.
  expect([0, 130]).toContain((await relay.exited).code)
})

test('[CL-2] serve --json tells line by line when it is ready and what happens; --peer keeps a link', async () => {
  const first = await relayOn(folderHere())
  await write(first, { shared: freshUpdate('over there') })
  const child = spawnCommand(['serve', '--json', '--port', '0', '--data', folderHere(), '--peer', first.url])
  cleanups.push(() => child.kill('SIGKILL'))
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]()
  const next = async (): Promise<Record<string, unknown>> => JSON.parse(String((await lines.next()).value)) as Record<string, unknown>
  const ready = await next()
  expect(ready).toEqual({
    type: 'ready',
    url: expect.stringMatching(/^ws:/),
    replicaId: expect.stringMatching(/^[0-9a-f]{32}$/),
    durability: 'disk',
    pid: child.pid,
  })
  let event = await next()
  while (event['type'] !== 'synced') event = await next()
  const bare = new BareClient(`${String(ready['url'])}/shared`)
  cleanups.push(() => bare.terminate())
  await bare.opened
  bare.send(codec.step1Frame(Uint8Array.of(0)))
  const answer = await bare.messageWhere((message) => message.kind === 'step-2')
  expect(idsOf((answer as { update: Uint8Array }).update)).toHaveLength('over there'.length)
})
