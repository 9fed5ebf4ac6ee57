// Which list (a root or nested type, or one key of its map) every struct of a document belongs to, by following origins as Yjs does, and so which structs Yjs
// collects: those whose parent is deleted. Decides when the bytes alone do not tell what Yjs would make of them: then a Y.Doc has to.
// Read by byte-compactor.ts. Rules: I4; hole H5.
//
// Yjs collects a struct when its parent is deleted, when it was collected before, or when a struct that it names as its neighbour was: that one's place is gone.
// It deletes such structs by itself, and entries of a map that another entry follows. Where the updates do not delete them, too, the answer is null.

import { coversRange } from './delete-ranges.ts'
import type { ClientStructs, StructIndex } from './byte-structs.ts'
import { REF, UpdateReader } from './update-reader.ts'

/** Lists by number, from 1 on. */
const UNKNOWN = 0
const COLLECTED = -1
const ON_PATH = -2

const decoder = /* @__PURE__ */ new TextDecoder('utf-8', { ignoreBOM: true })

/** Says per client and struct whether Yjs collects it. */
export interface CollectedStructs {
  isCollected(structs: ClientStructs, index: number): boolean
}

const NOTHING_COLLECTED: CollectedStructs = { isCollected: () => false }

/** What Yjs collects of a document. Null when it would delete something that the updates do not, or when a struct names neighbours of two lists, or
 *  neighbours that are not there. Cost: nothing for a document without maps and without deleted types, else a search or two for each struct. */
export function collectedStructs(index: StructIndex): CollectedStructs | null {
  if (!index.hasCollected && !index.hasKeys && !hasDeletedParent(index)) return NOTHING_COLLECTED
  return new ListFinder(index).run()
}

function hasDeletedParent({ parents, byClient }: StructIndex): boolean {
  for (let i = 0; i < parents.length; i += 2) if (isDeleted(byClient.get(parents[i]!), parents[i + 1]!)) return true
  return false
}

function isDeleted(structs: ClientStructs | undefined, clock: number): boolean {
  return structs !== undefined && coversRange(structs.deleted, clock, clock + 1)
}

class ListFinder implements CollectedStructs {
  private readonly index: StructIndex
  private readonly reader = new UpdateReader()
  private readonly lists = new Map<ClientStructs, Int32Array>()
  private readonly numbers = new Map<string, number>()
  /** By list number: it is one key of a map; and some struct in it is live. */
  private readonly keyed: boolean[] = [false]
  private readonly live: boolean[] = [false]
  /** Structs under way, outermost first: each waits for the next. */
  private readonly path: [structs: ClientStructs, index: number][] = []

  constructor(index: StructIndex) {
    this.index = index
    for (const structs of index.clients) this.lists.set(structs, new Int32Array(structs.ends.length))
  }

  isCollected(structs: ClientStructs, index: number): boolean {
    return this.lists.get(structs)![index] === COLLECTED
  }

  run(): CollectedStructs | null {
    for (const structs of this.index.clients) {
      const lists = this.lists.get(structs)!
      for (let i = 0; i < lists.length; i++) {
        if (lists[i] === UNKNOWN && !this.find(structs, lists, i)) return null
        if (!this.settle(structs, i, lists[i]!)) return null
      }
    }
    return this
  }

  /** False when Yjs deletes something of this struct that the updates do not delete. */
  private settle(structs: ClientStructs, index: number, list: number): boolean {
    if (coversRange(structs.deleted, structs.fromOf(index), structs.ends[index]!)) return true
    if (list === COLLECTED) return false
    if (!this.keyed[list]) return true
    if (this.live[list]) return false
    return (this.live[list] = true)
  }

  /** Finds the list of one struct and of all that it depends on. */
  private find(structs: ClientStructs, lists: Int32Array, index: number): boolean {
    const { path } = this
    lists[index] = ON_PATH
    path.push([structs, index])
    while (path.length > 0) {
      const [waiting, at] = path[path.length - 1]!
      const list = this.listOf(waiting, at)
      if (list === null) return false
      if (list === UNKNOWN) continue
      this.lists.get(waiting)![at] = list
      path.pop()
    }
    return true
  }

  /** UNKNOWN after pushing what has to be found first; null when there is no answer. */
  private listOf(structs: ClientStructs, index: number): number | null {
    const { reader } = this
    reader.seek(this.index.updates[structs.updates[index]!]!, structs.offsets[index]!, structs.client, structs.clocks[index]!)
    reader.struct()
    if (reader.ref === REF.gc) return COLLECTED
    const { originClient, originClock, rightClient, rightClock } = reader
    if (originClient === 0 && rightClient === 0) return this.namedList()
    const left = originClient === 0 ? null : this.listAt(originClient, originClock)
    if (left === UNKNOWN || left === ON_PATH) return left === ON_PATH ? null : UNKNOWN
    const right = rightClient === 0 ? null : this.listAt(rightClient, rightClock)
    if (right === UNKNOWN || right === ON_PATH) return right === ON_PATH ? null : UNKNOWN
    if (left === null || right === null) return left ?? right
    if (left !== right) return left === COLLECTED || right === COLLECTED ? COLLECTED : null
    return left
  }

  /** The list of the struct that holds an id. UNKNOWN: it was pushed onto the path. */
  private listAt(client: number, clock: number): number {
    const structs = this.index.byClient.get(client)
    const index = structs === undefined ? 0 : structs.indexOf(clock)
    if (structs === undefined || index === structs.ends.length) return ON_PATH
    const lists = this.lists.get(structs)!
    const list = lists[index]!
    if (list === UNKNOWN) {
      lists[index] = ON_PATH
      this.path.push([structs, index])
    }
    return list
  }

  /** The list that the struct read last names itself. */
  private namedList(): number {
    const { reader } = this
    const { bytes, parentClient, parentClock } = reader
    if (parentClient !== 0 && isDeleted(this.index.byClient.get(parentClient), parentClock)) return COLLECTED
    const key = reader.keyStart < 0 ? '' : `=${decoder.decode(bytes.subarray(reader.keyStart, reader.keyEnd))}`
    const root = parentClient === 0 ? decoder.decode(bytes.subarray(reader.rootStart, reader.rootEnd)) : ''
    const name = parentClient === 0 ? `${root.length}.${root}${key}` : `${parentClient}:${parentClock}${key}`
    let number = this.numbers.get(name)
    if (number === undefined) {
      this.numbers.set(name, (number = this.keyed.length))
      this.keyed.push(reader.keyStart >= 0)
      this.live.push(false)
    }
    return number
  }
}
