// The relay itself: figures, charts, peers, what needs attention. Shows what the feed knows; decides from when on a figure is coloured. Read by page.ts.
// Rules: PG-1, PG-3.

import { isOfRelay, type RelayStatusAnswer, type SpaceStatusAnswer, type StatusAnswer } from './answers.ts'
import { Charts } from './charts.ts'
import { documentHref, element, part, setText } from './elements.ts'
import type { Feed } from './feed.ts'
import { RowTable, type Cell, type Row, type Tone } from './row-table.ts'
import { bytesText, countText, nameText, shortId, spanText } from './shown-text.ts'

/** A quiet link is pinged after 15 s. */
const SILENT_MS = 20_000
const GONE_MS = 60_000
const EVENT_LOOP_MS = 100
/** Of one table. */
const ROWS_MAX = 200

interface Figure<S extends StatusAnswer> {
  readonly name: string
  text(status: S): string
  title?(status: S): string
  tone?(status: S): Tone | undefined
}

const figures: readonly Figure<RelayStatusAnswer>[] = [
  {
    name: 'Storage',
    text: ({ storage }) => storage,
    title: ({ storageError }) => (storageError === null ? '' : `${storageError.code}: ${storageError.reason}`),
    tone: ({ storage }) => (storage === 'ok' ? 'good' : 'bad'),
  },
  {
    name: 'Survives',
    text: ({ relay }) => survivesText(relay.durability),
    title: ({ relay }) => relay.durability,
  },
  { name: 'Up', text: ({ relay }) => spanText(relay.uptimeMs) },
  { name: 'Head', text: ({ head }) => countText(head), title: () => 'newest committed position of the log' },
  { name: 'Documents', text: ({ documents }) => countText(documents) },
  { name: 'Peers', text: ({ peers }) => countText(peers.length) },
  { name: 'Memory', text: ({ memoryBytes }) => bytesText(memoryBytes) },
  { name: 'Unsent', text: ({ unsentBytes }) => bytesText(unsentBytes), title: () => 'sent to clients that have not taken it yet' },
  {
    name: 'Event loop',
    text: ({ eventLoop }) => `${eventLoop.p50Ms.toFixed(1)} / ${eventLoop.p99Ms.toFixed(1)} ms`,
    title: () => 'delay, p50 and p99',
    tone: ({ eventLoop }) => (eventLoop.p99Ms > EVENT_LOOP_MS ? 'warn' : undefined),
  },
]

const spacesFigure: Figure<RelayStatusAnswer> = {
  name: 'Spaces',
  text: ({ spaces }) => `${countText(spaces.open)} of ${countText(spaces.stored)}`,
  title: () => 'open, of those that have a file',
}

/** Of a space that is not the default one. What a closed one does not know is a dash. */
const spaceFigures: readonly Figure<SpaceStatusAnswer>[] = [
  {
    name: 'State',
    text: ({ open, trouble }) => trouble ?? (open ? 'open' : 'closed'),
    title: ({ open }) => (open ? '' : 'nobody uses it; looking at its documents opens it'),
    tone: ({ open, trouble }) => (trouble !== null ? 'bad' : open ? 'good' : undefined),
  },
  {
    name: 'Storage',
    text: ({ storage = '–' }) => storage,
    title: ({ storageError = null }) => (storageError === null ? '' : `${storageError.code}: ${storageError.reason}`),
    tone: ({ storage }) => (storage === undefined ? undefined : storage === 'ok' ? 'good' : 'bad'),
  },
  { name: 'Size', text: ({ bytes }) => bytesText(bytes), title: () => 'of the file and its log' },
  { name: 'Head', text: ({ head }) => countOrDash(head), title: () => 'newest committed position of the log' },
  { name: 'Documents', text: ({ documents }) => countOrDash(documents) },
  { name: 'Native links', text: ({ links }) => countOrDash(links) },
  { name: 'Attached', text: ({ guests }) => countOrDash(guests), title: () => 'documents attached by connections of other doors' },
]

function countOrDash(count: number | null | undefined): string {
  return count === null || count === undefined ? '–' : countText(count)
}

export class RelayView {
  private readonly feed: Feed
  private readonly figures = part('figures')
  private readonly doors = part('doors')
  private readonly charts = new Charts(part('charts'))
  private readonly peers = new RowTable(part('peers'), 'Peers', [
    { heading: 'Replica', kind: 'name' },
    { heading: 'Role', kind: 'text' },
    { heading: 'Survives', kind: 'text' },
    { heading: 'State', kind: 'text' },
    { heading: 'Rows behind', kind: 'number' },
    { heading: 'Silent for', kind: 'number' },
  ])
  private readonly troubles = new RowTable(part('troubles'), 'Needs attention', [
    { heading: 'What', kind: 'text' },
    { heading: 'Document', kind: 'name' },
    { heading: 'Peer', kind: 'name' },
    { heading: 'Why', kind: 'text' },
  ])

  constructor(feed: Feed) {
    this.feed = feed
    this.peers.show([], '')
    this.troubles.show([], '')
  }

  showStatus(): void {
    const { status } = this.feed
    this.doors.hidden = status === null || !isOfRelay(status)
    if (status === null) return this.clear()
    if (isOfRelay(status)) this.showRelay(status)
    else showPairs(this.figures, pairsOf(spaceFigures, status))
    const { peers = [] } = status
    this.peers.show(peerRows(peers), 'No peer is linked.')
    setText(part('peers-count'), countOf(peers.length))
    const troubles = troubleRows(status)
    this.troubles.show(troubles.slice(0, ROWS_MAX), 'Nothing: no document is refused, diverged, quarantined or stuck.')
    setText(part('troubles-count'), countOf(troubles.length))
  }

  /** Nothing is known yet, of this space. */
  private clear(): void {
    showPairs(this.figures, [])
    for (const table of [this.peers, this.troubles]) table.show([], '')
    for (const count of ['peers-count', 'troubles-count']) setText(part(count), '')
  }

  private showRelay(status: RelayStatusAnswer): void {
    const { many } = status.spaces
    showPairs(this.figures, pairsOf(many ? [...figures, spacesFigure] : figures, status))
    const connections = Object.entries(status.connections)
    const all = connections.reduce((sum, [, count]) => sum + count, 0)
    const doors = [['Connections', all] as const, ...connections].map(([name, count]) => ({
      name,
      text: countText(count),
      title: '',
      tone: undefined,
    }))
    showPairs(this.doors, doors)
  }

  showSamples(): void {
    this.charts.show(this.feed.samples, this.feed.everyMs)
  }
}

function countOf(count: number): string {
  if (count === 0) return ''
  return count > ROWS_MAX ? `the first ${countText(ROWS_MAX)} of ${countText(count)}` : countText(count)
}

interface Pair {
  readonly name: string
  readonly text: string
  readonly title: string
  readonly tone: Tone | undefined
}

function pairsOf<S extends StatusAnswer>(of: readonly Figure<S>[], status: S): Pair[] {
  return of.map(({ name, text, title, tone }) => ({ name, text: text(status), title: title?.(status) ?? '', tone: tone?.(status) }))
}

/** A list of figures, changed in place. */
function showPairs(list: HTMLElement, pairs: readonly Pair[]): void {
  if (list.childElementCount !== pairs.length) list.replaceChildren(...pairs.map(() => element('div', {}, element('dt'), element('dd'))))
  pairs.forEach(({ name, text, title, tone }, index) => {
    const shown = list.children[index] as HTMLElement
    setText(shown.firstElementChild!, nameText(name))
    setText(shown.lastElementChild!, nameText(text))
    shown.title = nameText(title)
    if (tone === undefined) delete shown.dataset['tone']
    else shown.dataset['tone'] = tone
  })
}

/** Relays and followers before devices, and whoever is furthest behind first. */
function peerRows(peers: RelayStatusAnswer['peers']): Row[] {
  const rank = (role: string): number => (role === 'device' ? 1 : 0)
  return [...peers]
    .sort((a, b) => rank(a.role) - rank(b.role) || b.lag - a.lag || (a.replicaId < b.replicaId ? -1 : 1))
    .slice(0, ROWS_MAX)
    .map(({ replicaId, role, durability, synced, lag, silentMs }) => ({
      key: replicaId,
      cells: [
        { text: shortId(replicaId), title: replicaId },
        { text: role },
        { text: survivesText(durability), title: durability },
        synced ? { text: 'synced', tone: 'good' } : { text: 'first exchange', tone: 'warn' },
        { text: countText(lag), ...(lag > 0 ? { tone: 'warn' } : {}) },
        silenceCell(silentMs),
      ],
    }))
}

/** What a commit there survives. */
function survivesText(durability: string): string {
  return { disk: 'power cut', process: 'kill -9', memory: 'nothing' }[durability] ?? durability
}

function silenceCell(silentMs: number): Cell {
  const text = silentMs < 1000 ? '< 1 s' : spanText(silentMs)
  if (silentMs >= GONE_MS) return { text, tone: 'bad' }
  return silentMs >= SILENT_MS ? { text, tone: 'warn' } : { text }
}

function troubleRows({ rejected = [], diverged = [], quarantined = [], stuck = [] }: StatusAnswer): Row[] {
  return [
    ...diverged.map(({ doc, peer, range }) =>
      troubleRow('diverged', doc, peer, range === null ? 'same ids, other content' : `same ids, other content: ${rangeText(range)}`, 'bad'),
    ),
    ...quarantined.map((doc) => troubleRow('quarantined', doc, null, 'its stored rows failed their checksum', 'bad')),
    ...stuck.map((doc) => troubleRow('stuck', doc, null, 'an open copy shows less than is committed', 'bad')),
    ...rejected.map(({ doc, peer, direction, code, reason }) =>
      troubleRow(direction === 'in' ? 'refused here' : 'refused by peer', doc, peer, `${code}: ${reason}`, 'warn'),
    ),
  ]
}

function troubleRow(what: string, doc: string, peer: string | null, why: string, tone: Tone): Row {
  return {
    key: JSON.stringify([what, doc, peer]),
    cells: [
      { text: what, tone },
      { text: doc, title: doc, href: documentHref(doc) },
      peer === null ? { text: '–' } : { text: shortId(peer), title: peer },
      { text: why, title: why },
    ],
  }
}

function rangeText({ client, from, to }: NonNullable<RelayStatusAnswer['diverged'][number]['range']>): string {
  return `client ${client}, clocks ${from} to ${to}`
}
