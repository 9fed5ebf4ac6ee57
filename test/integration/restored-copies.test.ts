// Yesterday's copy of a replica's file, over it in place, beside it, or twice: nothing forks, and what others have comes back. Real files, real sockets, seeded.

import { copyFile, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createReplica, type Replica } from '@syncline/client'
import { expect, onTestFinished, test } from 'vitest'

const SEEDS = Array.from({ length: 6 }, (_, i) => Number(process.env['RESTORE_SEED'] ?? i + 1))
const DOCUMENTS = ['note/1', 'note/2']

/** A small seeded generator of numbers below `max`. */
function seeded(seed: number): (max: number) => number {
  let state = seed
  return (max) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff
    return state % max
  }
}

interface Author {
  readonly name: string
  readonly replica: Replica
}

class Desk {
  /** Characters written by all authors. */
  characters = 0
  readonly below: (max: number) => number
  readonly folder: string
  #count = 0

  constructor(seed: number, folder: string) {
    this.below = seeded(seed)
    this.folder = folder
  }

  open(name: string, copyOf: string, peers: string[]): Author {
    return { name, replica: createReplica({ name, storage: join(this.folder, copyOf), peers }) }
  }

  /** A few edits, each with a word of its own, saved here. */
  async edit({ name, replica }: Author): Promise<void> {
    for (let i = 0; i < 4; i++) {
      const note = await replica.open(DOCUMENTS[this.below(DOCUMENTS.length)]!)
      const text = note.doc.getText('body')
      const word = `<${name}${this.#count++}>`
      text.insert(this.below(text.length + 1), word)
      this.characters += word.length
      if (text.length > 40 && this.below(3) === 0) text.format(this.below(text.length - 5), 5, { bold: true })
      note.doc.getMap('meta').set(`k${this.below(3)}`, word)
      await note.whenSaved('local')
      await note.release()
    }
  }
}

/** Characters in all texts: nothing here deletes, so it is the sum of what was written. */
async function lengthOf(replica: Replica): Promise<number> {
  let length = 0
  for (const name of DOCUMENTS) {
    const note = await replica.open(name)
    length += note.doc.getText('body').length
    await note.release()
  }
  return length
}

async function textsOf(replica: Replica): Promise<string[]> {
  const texts: string[] = []
  for (const name of DOCUMENTS) {
    const note = await replica.open(name)
    texts.push(
      JSON.stringify([
        note.doc.getText('body').toDelta(),
        [...note.doc.getMap<string>('meta').entries()].map(([key, value]) => `${key}=${value}`).toSorted(),
      ]),
    )
    await note.release()
  }
  return texts
}

async function digestsOf(replica: Replica): Promise<string> {
  const rows: string[] = []
  for await (const { id, digest } of replica.list()) rows.push(`${id} ${digest}`)
  return rows.toSorted().join('\n')
}

async function untilEqual(replicas: readonly Replica[]): Promise<void> {
  for (let turn = 0; turn < 600; turn++) {
    const digests = await Promise.all(replicas.map(digestsOf))
    if (new Set(digests).size === 1) return
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
  throw new Error('the replicas did not become equal')
}

for (const how of ['over it in place', 'beside it', 'twice'] as const) {
  test.each(SEEDS)(`[ID-1] yesterday's copy of a file, opened ${how}, never forks (RESTORE_SEED=%i)`, { timeout: 60_000 }, async (seed) => {
    const folder = await mkdtemp(join(tmpdir(), 'syncline-restore-'))
    const opened: Replica[] = []
    onTestFinished(async () => {
      await Promise.all(opened.map((replica) => replica.close()))
      await rm(folder, { recursive: true, force: true })
    })
    const desk = new Desk(seed, folder)
    const hub = createReplica({ name: 'hub', storage: join(folder, 'hub'), listen: { port: 0 } })
    opened.push(hub)
    await hub.whenReady()
    const url = hub.status.get().listening!.url
    const start = (name: string, copyOf: string): Author => {
      const author = desk.open(name, copyOf, [url])
      opened.push(author.replica)
      return author
    }
    const yesterday = join(folder, 'yesterday.db')

    const before = start('a', 'a')
    await desk.edit(before)
    await untilEqual([hub, before.replica])
    await before.replica.close()
    await copyFile(join(folder, 'a', 'default.db'), yesterday)
    const today = start('b', 'a')
    await desk.edit(today)
    await untilEqual([hub, today.replica])
    await today.replica.close()

    const copies = how === 'twice' ? ['c1', 'c2'] : [how === 'beside it' ? 'c1' : 'a']
    for (const copy of copies) {
      await mkdir(join(folder, copy), { recursive: true })
      await copyFile(yesterday, join(folder, copy, 'default.db'))
    }
    const authors = [...copies, ...(how === 'beside it' ? ['a'] : [])].map((copy, i) => start(`x${i}`, copy))
    // They write before they have heard of anybody, and go on while they meet.
    await Promise.all(authors.map((author) => desk.edit(author)))
    await Promise.all(authors.map((author) => desk.edit(author)))

    const replicas = [hub, ...authors.map(({ replica }) => replica)]
    await untilEqual(replicas)
    const texts = await Promise.all(replicas.map(textsOf))
    for (const text of texts) expect(text).toEqual(texts[0])
    expect(await lengthOf(hub), 'every word that was ever saved is there once').toBe(desk.characters)
    for (const replica of replicas) expect(replica.status.get().diverged).toEqual([])
    if (how !== 'over it in place') expect(new Set(replicas.map((replica) => replica.status.get().replicaId)).size).toBe(replicas.length)
  })
}
