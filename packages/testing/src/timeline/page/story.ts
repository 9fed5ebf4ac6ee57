// What a recording tells, as one list of items in order of time, and which of them are shown. Decides: lanes, fates, who is down when, which documents a
// message is about, filters and search. Part of the page.

import type { Recording, RecordedMessage } from '../recording.ts'

export interface Item {
  readonly type: 'point' | 'message' | 'fault'
  /** A kind of point, what became of a message, or a kind of fault. */
  readonly kind: string
  readonly atMs: number
  /** When it arrived or ended; atMs where it did neither. */
  readonly endMs: number
  readonly arrived: boolean
  /** Point: its lane. Message: from, to. Fault: all that it covers. */
  readonly lanes: readonly number[]
  readonly text: string
  readonly idle: boolean
  readonly documents: readonly string[]
}

/** A time in which a replica does not run. */
export interface Gap {
  readonly lane: number
  readonly fromMs: number
  readonly toMs: number
}

export class Story {
  readonly recording: Recording
  readonly lanes: string[]
  readonly items: readonly Item[]
  readonly gaps: readonly Gap[]
  readonly documents: readonly string[]
  readonly startMs: number
  readonly endMs: number
  /** What the filters leave, in order of time. */
  shown: readonly Item[] = []
  /** Of these, what the search finds; null: nothing is searched for. */
  found: ReadonlySet<Item> | null = null
  /** Keys (`point:crash`, `message:lost`, `fault:partition`) that are switched off. */
  readonly hidden: Set<string> = new Set<string>()
  showIdle = false
  onlyFound = false
  query = ''
  document = ''

  constructor(recording: Recording) {
    this.recording = recording
    this.lanes = [...recording.replicas]
    const items = [...this.#points(), ...this.#messages(), ...this.#faults()]
    this.items = items.sort((a, b) => a.atMs - b.atMs)
    this.startMs = Math.min(0, items[0]?.atMs ?? 0)
    this.endMs = items.reduce((latest, item) => Math.max(latest, item.endMs), Math.max(recording.endMs, recording.healedMs ?? 0))
    this.gaps = this.#findGaps()
    this.documents = [...new Set(items.flatMap((item) => item.documents))].sort()
    this.refresh()
  }

  static key(item: Item): string {
    return `${item.type}:${item.kind}`
  }

  /** Applies the filters anew. */
  refresh(): void {
    const query = this.query.trim().toLowerCase()
    const passes = this.items.filter((item) => !this.hidden.has(Story.key(item)) && (this.showIdle || !item.idle))
    const isSearching = query !== '' || this.document !== ''
    const found = isSearching ? passes.filter((item) => this.#isFound(item, query)) : null
    this.found = found === null ? null : new Set(found)
    this.shown = this.onlyFound && found !== null ? found : passes
  }

  /** Every moment at which something shown happens, ascending, no two equal. */
  moments(): Float64Array {
    const all = [this.startMs, this.endMs, this.recording.endMs, this.recording.healedMs ?? this.endMs]
    for (const item of this.shown) all.push(item.atMs, item.endMs)
    const sorted = Float64Array.from(all).sort()
    return sorted.filter((ms, index) => index === 0 || ms > sorted[index - 1]!)
  }

  /** Who an item is about, in words. */
  where(item: Item): string {
    const names = item.lanes.map((lane) => this.lanes[lane]!)
    if (item.type === 'message') return names.join(' → ')
    return item.type === 'fault' && names.length === this.lanes.length ? 'all replicas' : names.join(', ')
  }

  #isFound(item: Item, query: string): boolean {
    if (this.document !== '' && !item.documents.includes(this.document) && !item.text.includes(this.document)) return false
    return query === '' || `${item.kind} ${this.where(item)} ${item.text} ${item.documents.join(' ')}`.toLowerCase().includes(query)
  }

  #lane(name: string): number {
    const at = this.lanes.indexOf(name)
    return at >= 0 ? at : this.lanes.push(name) - 1
  }

  #points(): Item[] {
    return this.recording.points.map(({ atMs, replica, kind, text }) => {
      const named = /(?:^edits |^write \d+ to )([^\s:]+)/.exec(text)?.[1]
      const documents = named === undefined ? [] : [named]
      return { type: 'point', kind, atMs, endMs: atMs, arrived: true, lanes: [this.#lane(replica)], text, idle: false, documents }
    })
  }

  #messages(): Item[] {
    const aliases = new Map<string, Map<string, string>>()
    const inOrder = [...this.recording.messages].sort((a, b) => a.sentMs - b.sentMs)
    return inOrder.map((message) => {
      const direction = `${message.from}\n${message.to}`
      if (!aliases.has(direction)) aliases.set(direction, new Map())
      const { sentMs, arrivedMs, fate, from, to, text, idle } = message
      const kind = fate !== '' ? fate : arrivedMs === null ? 'unarrived' : 'delivered'
      const lanes = [this.#lane(from), this.#lane(to)]
      const documents = this.#documentsOf(message, aliases.get(direction)!)
      return { type: 'message', kind, atMs: sentMs, endMs: arrivedMs ?? sentMs, arrived: arrivedMs !== null, lanes, text, idle, documents }
    })
  }

  /** Frames name a document once (`4=notes/a`) and by its number from then on (`doc 4`, `doc:4`). */
  #documentsOf({ text }: RecordedMessage, aliases: Map<string, string>): string[] {
    const names = new Set<string>()
    for (const [, alias, name] of text.matchAll(/doc[ :](\d+)(?:=([^\s\])]+))?/g)) {
      if (name !== undefined) aliases.set(alias!, name)
      const known = aliases.get(alias!)
      if (known !== undefined) names.add(known)
    }
    return [...names]
  }

  #faults(): Item[] {
    return this.recording.bands.map(({ fromMs, toMs, kind, replicas, text }) => {
      const lanes = (replicas.length === 0 ? this.lanes : replicas).map((name) => this.#lane(name)).sort((a, b) => a - b)
      return { type: 'fault', kind, atMs: fromMs, endMs: Math.max(fromMs, toMs), arrived: true, lanes, text, idle: false, documents: [] }
    })
  }

  /** A replica is down before its first start and from a crash to the next start; one without a start is always up. */
  #findGaps(): Gap[] {
    const gaps: Gap[] = []
    for (const lane of this.lanes.keys()) {
      const turns = this.items.filter((item) => item.lanes[0] === lane && item.type === 'point' && /^(start|crash)$/.test(item.kind))
      let downMs = turns[0]?.kind === 'start' ? this.startMs : null
      for (const { kind, atMs } of turns) {
        if (kind === 'crash') downMs ??= atMs
        else if (downMs !== null) {
          if (atMs > downMs) gaps.push({ lane, fromMs: downMs, toMs: atMs })
          downMs = null
        }
      }
      if (downMs !== null) gaps.push({ lane, fromMs: downMs, toMs: this.endMs })
    }
    return gaps
  }
}
