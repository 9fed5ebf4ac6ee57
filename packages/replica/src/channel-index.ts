// Who is served what: from a document to the channels that its rows go to. The rows of a commit are put down with each of them, and nobody else hears of them: a channel that
// is not mentioned has been told all of the log, or it is not for it, however far the log has grown. Scopes are ranges of keys (protocol scope.ts): one key, one collection (its
// leading 8 digits), or all. Filled by server.ts, told by the commit queue. Rules: I8, CV-2.

import type { DocKey, KeyRange } from '@syncline/protocol'
import type { Channel } from './channel.ts'
import type { LinkSession } from './link-session.ts'
import type { LinkWork } from './link-work.ts'
import type { RecentRow } from './recent-rows.ts'
import { RowRun } from './row-run.ts'

const COLLECTION_DIGITS = 8

type Served = Map<Channel, LinkSession>

export class ChannelIndex {
  readonly #work: LinkWork
  readonly #ofKey = new Map<string, Served>()
  readonly #ofCollection = new Map<string, Served>()
  readonly #ofAll: Served = new Map()

  constructor(work: LinkWork) {
    this.#work = work
  }

  /** The channel is served from now on. */
  add(link: LinkSession, channel: Channel): void {
    const { scope, range } = channel
    if (scope.kind === 'space') this.#ofAll.set(channel, link)
    else if (scope.kind === 'document') servedOf(this.#ofKey, range.first).set(channel, link)
    else servedOf(this.#ofCollection, collectionIn(range)).set(channel, link)
  }

  /** Harmless for one that was never served. */
  remove(channel: Channel): void {
    const { scope, range } = channel
    if (scope.kind === 'space') this.#ofAll.delete(channel)
    else if (scope.kind === 'document') forget(this.#ofKey, range.first, channel)
    else forget(this.#ofCollection, collectionIn(range), channel)
  }

  /** Links that are served the document; one may come more than once. */
  *linksServed(key: DocKey): Generator<LinkSession, void> {
    for (const served of this.#servedBy(key)) yield* served.values()
  }

  /** The rows of a commit, in log order. */
  landed(rows: readonly RecentRow[]): void {
    if (rows.length === 0) return
    if (this.#ofAll.size > 0) this.#tell(this.#ofAll, new RowRun(rows))
    if (this.#ofKey.size > 0)
      for (const [key, ofDoc] of Map.groupBy(rows, (row) => row.doc)) this.#tell(this.#ofKey.get(key), new RowRun(ofDoc))
    if (this.#ofCollection.size === 0) return
    for (const [prefix, ofCollection] of Map.groupBy(rows, (row) => collectionOf(row.doc)))
      this.#tell(this.#ofCollection.get(prefix), new RowRun(ofCollection))
  }

  #tell(served: Served | undefined, run: RowRun): void {
    if (served === undefined) return
    for (const [channel, link] of served) {
      channel.summary = null
      // It came from there (H3: within this link only).
      if (link.id === run.onlyLink) continue
      channel.owes(run)
      this.#work.wake(link)
    }
  }

  *#servedBy(key: DocKey): Generator<Served, void> {
    const ofKey = this.#ofKey.get(key)
    if (ofKey !== undefined) yield ofKey
    const ofCollection = this.#ofCollection.size === 0 ? undefined : this.#ofCollection.get(collectionOf(key))
    if (ofCollection !== undefined) yield ofCollection
    if (this.#ofAll.size > 0) yield this.#ofAll
  }
}

function collectionIn(range: KeyRange): string {
  return collectionOf(range.first)
}

function collectionOf(key: DocKey): string {
  return key.slice(0, COLLECTION_DIGITS)
}

function servedOf(all: Map<string, Served>, name: string): Served {
  let served = all.get(name)
  if (served === undefined) all.set(name, (served = new Map()))
  return served
}

function forget(all: Map<string, Served>, name: string, channel: Channel): void {
  const served = all.get(name)
  if (served?.delete(channel) === true && served.size === 0) all.delete(name)
}
