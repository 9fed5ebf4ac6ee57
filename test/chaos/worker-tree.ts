// The processes of a relay with workers, as the system shows them (Linux: /proc): which there are, which of them hold the file of a space open, and whether ever two did at a
// time. Looks again and again from its making to its end, so that processes of a tree whose port is gone already are known, too. Read by kill-workers.ts. Rules: WK-1, WK-4.

import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import type { SpaceId } from '@syncline/protocol'
import { nodeClock } from '@syncline/replica/ws'
import { storeFile } from './stored-content.ts'

const LOOK_EVERY_MS = 25

export class WorkerTree {
  /** Looks at which processes of two trees lived. */
  overlaps = 0
  looks = 0
  /** Of a space and the processes that had its file open at once. */
  readonly doubles: string[] = []
  readonly #files: ReadonlyMap<string, SpaceId>
  /** Living, by the process with the port that they were started by. */
  readonly #workers = new Map<number, number>()
  readonly #stop: () => void
  #port = 0

  /** Null where the system does not show it. */
  static of(folder: string, spaces: readonly SpaceId[]): WorkerTree | null {
    return existsSync(`/proc/${process.pid}/task/${process.pid}/children`) ? new WorkerTree(folder, spaces) : null
  }

  private constructor(folder: string, spaces: readonly SpaceId[]) {
    this.#files = new Map(spaces.map((space) => [storeFile(folder, space), space]))
    this.#stop = nodeClock().every(LOOK_EVERY_MS, () => this.#look())
  }

  /** From now on its children are watched. */
  watch(port: number): void {
    this.#port = port
    this.#look()
  }

  /** Workers of the watched process, oldest first. */
  workers(): number[] {
    return childrenOf(this.#port)
  }

  /** Workers that live, of any tree that was watched. */
  living(): number[] {
    for (const pid of this.#workers.keys()) if (!lives(pid)) this.#workers.delete(pid)
    return [...this.#workers.keys()]
  }

  /** The process that has the file of a space open; null: none. */
  ownerOf(space: SpaceId): number | null {
    return this.living().find((pid) => this.#spacesOf(pid).includes(space)) ?? null
  }

  /** Ends the watching, and what is left of the trees. */
  end(): void {
    this.#stop()
    for (const pid of this.living()) process.kill(pid, 'SIGKILL')
  }

  #look(): void {
    for (const pid of childrenOf(this.#port)) if (!this.#workers.has(pid)) this.#workers.set(pid, this.#port)
    const living = this.living()
    const owners = new Map<SpaceId, number[]>()
    for (const pid of living) for (const space of this.#spacesOf(pid)) owners.set(space, [...(owners.get(space) ?? []), pid])
    this.looks++
    if (new Set(living.map((pid) => this.#workers.get(pid))).size > 1) this.overlaps++
    // One that ends meanwhile leaves a file that the next one opens: only who has it still is told of.
    for (const [space, pids] of owners) {
      const still = pids.length < 2 ? [] : pids.filter((pid) => this.#spacesOf(pid).includes(space))
      if (still.length > 1) this.doubles.push(`${space} is open in ${still.join(' and ')}`)
    }
  }

  #spacesOf(pid: number): SpaceId[] {
    const spaces = new Set<SpaceId>()
    for (const descriptor of entriesOf(`/proc/${pid}/fd`)) {
      const space = this.#files.get(targetOf(`/proc/${pid}/fd/${descriptor}`))
      if (space !== undefined) spaces.add(space)
    }
    return [...spaces]
  }
}

function childrenOf(pid: number): number[] {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim()
    return children === '' ? [] : children.split(' ').map(Number)
  } catch {
    return [] // it ended
  }
}

/** One that ended and was not waited for does nothing any more. */
export function lives(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'latin1'))
  } catch {
    return false
  }
}

function entriesOf(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return [] // it ended
  }
}

function targetOf(link: string): string {
  try {
    return readlinkSync(link)
  } catch {
    return '' // it was closed
  }
}
