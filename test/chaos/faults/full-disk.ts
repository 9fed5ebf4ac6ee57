// C5: the disk under a relay is full: a small tmpfs, filled by somebody else. Rules: SQ-16, DU-1.

import { execFileSync } from 'node:child_process'
import { appendFileSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { nodeClock } from '@syncline/replica/ws'
import { verdict, type Scenario } from '../scenario.ts'
import type { Scene } from '../scene.ts'
import { faultsIn } from '../stored-content.ts'
import { Typist } from '../typist.ts'
import { meetFailingStore } from './failing-store.ts'

const DISK_MIB = 24
const DOCUMENTS = ['note/1', 'note/2', 'note/3']

export const fullDisk: Scenario = {
  id: 'full-disk',
  fault: 'the disk of a relay is full',
  how: `a tmpfs of ${DISK_MIB} MiB, while clients write; another file takes whatever room there is, also what the relay gives up, then goes`,
  expected:
    'the relay lives, acknowledges nothing, says storage-failed with store-full to itself and to writers, serves reads, and takes writes again by itself within 60 s of the room; nothing acknowledged is lost',
  deadlineMs: 180_000,
  async run(scene) {
    const disk = scene.subfolder('disk')
    const problem = mountSmallDisk(scene, disk)
    if (problem !== null) return { ok: false, observed: '', skipped: `a tmpfs cannot be mounted here: ${problem}` }
    const folder = join(disk, 'data')
    mkdirSync(folder)
    const relay = await scene.relay(folder)
    const writer = await Typist.open(scene, { name: 'writer', peers: [relay.url], documents: DOCUMENTS, valueBytes: 30_000 })
    const hog = new Hog(join(disk, 'filler'))
    scene.atEnd(() => hog.end())
    const { observed, problems } = await meetFailingStore(scene, {
      relay,
      folder,
      writer,
      documents: DOCUMENTS,
      codes: ['store-full'],
      break: () => hog.start(),
      mend: () => hog.end(),
    })
    return verdict(observed, [...problems, ...(await faultsIn(folder))])
  },
}

/** A file that grows until the disk is full, and takes again whatever is freed. */
class Hog {
  readonly #path: string
  #stop: () => void = () => undefined

  constructor(path: string) {
    this.#path = path
  }

  start(): void {
    this.#stop = nodeClock().every(50, () => this.#grow())
  }

  #grow(): void {
    for (const bytes of [1 << 20, 1 << 16, 1 << 12]) {
      try {
        for (;;) appendFileSync(this.#path, Buffer.alloc(bytes))
      } catch {
        // Full at this size.
      }
    }
  }

  end(): void {
    this.#stop()
    rmSync(this.#path, { force: true })
  }
}

/** Null, or why it cannot be done. */
function mountSmallDisk(scene: Scene, path: string): string | null {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MIB}m`, 'tmpfs', path], { stdio: 'pipe' })
  } catch (error) {
    return String((error as { stderr?: Buffer }).stderr ?? error).trim()
  }
  scene.atEnd(() => execFileSync('umount', ['--lazy', path], { stdio: 'pipe' }))
  return null
}
