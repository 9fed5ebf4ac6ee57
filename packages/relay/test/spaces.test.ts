// The spaces of a relay over real SQLite files: what opens when, what closes when, and what has to wait. Time passes only where a test lets it.

import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { parseDocId, parseSpaceId, type SpaceId } from '@syncline/protocol'
import type { Clock, Replica } from '@syncline/replica'
import { nodeClock } from '@syncline/replica/ws'
import { spaceOrNull } from '../src/data-folder.ts'
import { Spaces, type SpaceBounds, type SpaceWatch } from '../src/spaces.ts'

const cleanups: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

const [ACME, BOLT, CHIP, DEAL] = ['acme', 'bolt', 'chip', 'deal'].map(parseSpaceId) as [SpaceId, SpaceId, SpaceId, SpaceId]
const IDLE_MS = 1_000_000
const NOTE = parseDocId('note')

interface Here {
  readonly spaces: Spaces<SpaceWatch>
  readonly folder: string
  /** `opened acme`, `closing acme`, `closed acme`. */
  readonly told: string[]
  readonly failed: string[]
  /** Ends of the next opening wait for the returned function. */
  holdClosing(): () => void
  /** Lets time pass and closes what is idle. */
  pass(ms: number): void
  close(): Promise<void>
}

function spacesHere(bounds: Partial<SpaceBounds> = {}, folder = folderHere()): Here {
  const real = nodeClock()
  let passedMs = 0
  let sweep: (() => void) | null = null
  let gate = Promise.resolve()
  // The first to ask is the map of spaces, then come the replicas.
  const every: Clock['every'] = (ms, fn) => (sweep === null ? ((sweep = fn), () => undefined) : real.every(ms, fn))
  const clock: Clock = { ...real, now: () => real.now() + passedMs, every }
  const told: string[] = []
  const failed: string[] = []
  const spaces = new Spaces<SpaceWatch>({
    folder,
    durability: 'process',
    clock,
    bounds: { spacesMax: 10, spacesOpenMax: 3, spaceIdleMs: IDLE_MS, ...bounds },
    onFailed: (space, error) => failed.push(`${space} ${(error as { code: string }).code}`),
    watch: (space) => ({
      opened: () => void told.push(`opened ${space}`),
      async closing() {
        told.push(`closing ${space}`)
        await gate
      },
      closed: () => void told.push(`closed ${space}`),
    }),
  })
  const here: Here = {
    spaces,
    folder,
    told,
    failed,
    holdClosing() {
      let release = (): void => undefined
      gate = new Promise((resolve) => (release = resolve))
      return release
    },
    pass(ms) {
      passedMs += ms
      sweep!()
    },
    close: () => spaces.close(),
  }
  cleanups.push(() => spaces.close())
  return here
}

function folderHere(): string {
  const folder = mkdtempSync(join(tmpdir(), 'syncline-spaces-'))
  cleanups.push(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

async function write(replica: Replica, words: string): Promise<void> {
  const handle = replica.openDocument(NOTE)
  handle.doc.getText('body').insert(0, words)
  await handle.saved()
  await handle.release()
}

function textIn(replica: Replica): string {
  const handle = replica.openDocument(NOTE)
  const text = handle.doc.getText('body').toString()
  void handle.release()
  return text
}

test('[SP-2] a space opens at its first use, once for all who come meanwhile, and has a file of its own', async () => {
  const { spaces, told, folder } = spacesHere()
  const uses = await Promise.all([spaces.use(ACME, true), spaces.use(ACME, true), spaces.use(ACME, false), spaces.use(BOLT, true)])
  expect(told.filter((words) => words === 'opened acme')).toHaveLength(1)
  expect(new Set(uses.map(({ replica }) => replica)).size).toBe(2)
  expect(uses[3].replica.space).toBe('bolt')
  for (const space of [ACME, BOLT]) expect(existsSync(join(folder, `${space}.db`))).toBe(true)
  expect([spaces.names(), spaces.storedCount]).toEqual([['acme', 'bolt'], 2])
})

test('[SP-1] no space is called as a file that the store keeps beside that of another', async () => {
  const { spaces, folder } = spacesHere()
  await spaces.use(ACME, true)
  for (const beside of readdirSync(folder).filter((name) => name.endsWith('.db') && name !== 'acme.db')) {
    const name = beside.slice(0, -'.db'.length)
    expect([beside, spaceOrNull(name), spaceOrNull(name.toUpperCase())]).toEqual([beside, null, null])
    await expect(spaces.use(parseSpaceId(name), true)).rejects.toMatchObject({ code: 'space-id-invalid' })
  }
  expect(spaceOrNull('acme.dbx')).toBe('acme.dbx')
})

test('[SP-3] whoever may not make a space makes no file, and hears the same as for a space that is forbidden', async () => {
  const { spaces, folder, told } = spacesHere()
  await expect(spaces.use(ACME, false)).rejects.toMatchObject({ code: 'access-denied' })
  expect([readdirSync(folder), told]).toEqual([[], []])
  const made = await spaces.use(ACME, true)
  made.release()
  const used = await spaces.use(ACME, false)
  expect(used.replica).toBe(made.replica)
})

test('[SP-4] a space closes when nobody has used it for a while, never while somebody does, and opens again with what it had', async () => {
  const here = spacesHere()
  const { spaces, told } = here
  const first = await spaces.use(ACME, true)
  const second = await spaces.use(ACME, true)
  await write(first.replica, 'kept')
  first.release()
  first.release()
  here.pass(10 * IDLE_MS)
  expect(told).toEqual(['opened acme'])
  second.release()
  here.pass(IDLE_MS / 2)
  expect(told).toEqual(['opened acme'])
  here.pass(IDLE_MS / 2)
  await new Promise((resolve) => setImmediate(resolve))
  expect(told[1]).toBe('closing acme')
  const again = await spaces.use(ACME, false)
  expect(told).toEqual(['opened acme', 'closing acme', 'closed acme', 'opened acme'])
  expect([again.replica === first.replica, first.replica.closed, textIn(again.replica)]).toEqual([false, true, 'kept'])
  // A release that comes late is of the space that was.
  second.release()
  here.pass(10 * IDLE_MS)
  expect(told).toHaveLength(4)
})

test('[SP-4] a use that comes while the space closes waits for the end, and one that comes while it opens keeps it open', async () => {
  const here = spacesHere()
  const { spaces, told } = here
  const held = await spaces.use(ACME, true)
  held.release()
  const release = here.holdClosing()
  here.pass(IDLE_MS)
  const waiting = spaces.use(ACME, false)
  here.pass(IDLE_MS)
  await new Promise((resolve) => setImmediate(resolve))
  expect(told).toEqual(['opened acme', 'closing acme'])
  release()
  const again = await waiting
  expect(told).toEqual(['opened acme', 'closing acme', 'closed acme', 'opened acme'])
  expect(again.replica.closed).toBe(false)
  const opening = spaces.use(BOLT, true)
  here.pass(10 * IDLE_MS)
  expect((await opening).replica.closed).toBe(false)
  expect(told.at(-1)).toBe('opened bolt')
})

test('[SP-4] when all places are taken the space that nobody has used for longest makes room; when all are in use others are refused for a while', async () => {
  const { spaces, told } = spacesHere()
  const [acme, bolt, chip] = await Promise.all([ACME, BOLT, CHIP].map((space) => spaces.use(space, true)))
  const busy = await spaces.use(DEAL, true).catch((error: unknown) => error)
  expect(busy).toMatchObject({ code: 'relay-busy', retry: 'later' })
  expect(existsSync(join(tmpdir(), 'deal.db'))).toBe(false)
  bolt!.release()
  acme!.release()
  chip!.release()
  const back = await spaces.use(BOLT, false)
  const deal = await spaces.use(DEAL, true)
  expect(told.slice(3)).toEqual(['closing acme', 'closed acme', 'opened deal'])
  back.release()
  deal.release()
  await Promise.all([spaces.use(ACME, false), spaces.use(CHIP, false)])
  expect(Array.from(spaces.opened(), ({ space }) => space).sort()).toEqual(['acme', 'chip', 'deal'])
})

test('[SP-4] many spaces with few places, used by many at once: each use sees its own space, and no more are open than may', async () => {
  const { spaces } = spacesHere({ spacesOpenMax: 3, spacesMax: 8 })
  const names = Array.from({ length: 8 }, (_, at) => parseSpaceId(`s${at}`))
  let most = 0
  const visitor = async (seed: number): Promise<void> => {
    for (let round = 0; round < 6; round++) {
      const space = names[(seed * 7 + round * 3) % names.length]!
      const use = await spaces.use(space, true).catch((error: { code: string }) => {
        expect(error.code).toBe('relay-busy')
        return null
      })
      if (use === null) continue
      most = Math.max(most, Array.from(spaces.opened()).length)
      expect([use.replica.space, use.replica.closed]).toEqual([space, false])
      await write(use.replica, '.')
      expect(use.replica.closed).toBe(false)
      use.release()
    }
  }
  await Promise.all(Array.from({ length: 6 }, (_, seed) => visitor(seed)))
  expect(most).toBeLessThanOrEqual(3)
})

test('[SP-4] the number of spaces in the folder is bounded; those that are there go on', async () => {
  const folder = folderHere()
  const before = spacesHere({ spacesMax: 2 }, folder)
  for (const space of [ACME, BOLT]) (await before.spaces.use(space, true)).release()
  await before.close()
  const { spaces } = spacesHere({ spacesMax: 2 }, folder)
  expect(spaces.storedCount).toBe(2)
  await expect(spaces.use(CHIP, true)).rejects.toMatchObject({ code: 'spaces-full', retry: 'later' })
  expect(existsSync(join(folder, 'chip.db'))).toBe(false)
  await spaces.use(BOLT, true)
})

test('[SP-5] a space that does not open is refused without the words of the store, and tried anew by the next who comes', async () => {
  const here = spacesHere()
  mkdirSync(here.folder, { recursive: true })
  writeFileSync(join(here.folder, 'acme.db'), 'no database, and long enough to be told from an empty file'.repeat(20))
  const [one, two] = await Promise.allSettled([here.spaces.use(ACME, true), here.spaces.use(ACME, true)])
  for (const { status, reason } of [one, two] as PromiseRejectedResult[]) {
    expect([status, reason]).toMatchObject(['rejected', { code: 'storage-failed', retry: 'later' }])
    expect(String(reason)).not.toContain(here.folder)
  }
  expect(here.failed).toEqual(['acme store-corrupt', 'acme store-corrupt'])
  expect(here.told).toEqual(['closed acme'])
  await expect(here.spaces.open(ACME), 'the relay itself hears why').rejects.toMatchObject({ code: 'store-corrupt' })
  rmSync(join(here.folder, 'acme.db'))
  await here.spaces.use(ACME, true)
})

test('[SP-5] closing ends all spaces, also one that is just opening, and lets nobody in any more', async () => {
  const { spaces, told } = spacesHere()
  const held = await spaces.use(ACME, true)
  const opening = spaces.use(BOLT, true)
  const closed = spaces.close()
  await expect(spaces.use(CHIP, true)).rejects.toMatchObject({ code: 'shutting-down' })
  const late = await opening
  await closed
  expect([held.replica.closed, late.replica.closed]).toEqual([true, true])
  expect(told.filter((words) => words.startsWith('closed')).sort()).toEqual(['closed acme', 'closed bolt'])
  await spaces.close()
})
