// What happens now: refusals, people turned away, links, divergence, storage trouble, newest first, as they are told. Decides which facts are shown where; facts
// it does not know by name are shown all the same. Read by page.ts. Rules: PG-1, PG-3.

import { documentHref, part, setText } from './elements.ts'
import { HAPPENINGS_MAX, type Feed, type Happening } from './feed.ts'
import { RowTable, type Cell, type Row, type Tone } from './row-table.ts'
import { clockText, countText, shortId } from './shown-text.ts'

const tones: Readonly<Record<string, Tone>> = { refused: 'warn', 'turned-away': 'warn', divergence: 'bad', storage: 'bad' }
const names: Readonly<Record<string, string>> = { 'turned-away': 'turned away' }
/** Shown in columns of their own, or as the time. */
const placed = new Set(['atMs', 'doc', 'code', 'state', 'reason'])
const ids = new Set(['peer'])

export class HappeningsView {
  private readonly feed: Feed
  private readonly table = new RowTable(part('happenings'), 'Live events', [
    { heading: 'Time', kind: 'number' },
    { heading: 'What', kind: 'text' },
    { heading: 'Code', kind: 'text' },
    { heading: 'Document', kind: 'name' },
    { heading: 'More', kind: 'text' },
  ])
  private readonly filter = part('happenings-filter') as HTMLSelectElement
  private readonly count = part('happenings-count')

  constructor(feed: Feed) {
    this.feed = feed
    this.filter.addEventListener('change', () => this.show())
    this.show()
  }

  show(): void {
    const wanted = this.filter.value === '' ? null : new Set(this.filter.value.split(' '))
    const shown = this.feed.happenings.filter(({ kind }) => wanted === null || wanted.has(kind))
    this.table.show(shown.map(rowOf), 'Nothing since this page was opened.')
    const isFull = this.feed.happenings.length === HAPPENINGS_MAX
    setText(this.count, shown.length === 0 ? '' : `${countText(shown.length)}${isFull ? `, of the last ${countText(HAPPENINGS_MAX)}` : ''}`)
  }
}

function rowOf({ id, atMs, kind, facts }: Happening): Row {
  const { doc, state, space } = facts
  const from = typeof space === 'string' && space !== 'default' ? space : null
  const what = [names[kind] ?? kind, ...(typeof state === 'string' ? [state] : [])].join(' ')
  const tone = tones[kind]
  return {
    key: String(id),
    cells: [
      { text: clockText(atMs) },
      { text: what, ...(tone === undefined ? {} : { tone }) },
      { text: textOf(facts['code']) },
      typeof doc === 'string' ? { text: doc, title: doc, href: documentHref(doc, from) } : { text: '–', tone: 'soft' },
      moreOf(facts),
    ],
  }
}

/** Everything else that was told: the words first, then name and value. */
function moreOf(facts: Readonly<Record<string, unknown>>): Cell {
  const words = typeof facts['reason'] === 'string' ? [facts['reason']] : []
  const rest = Object.entries(facts).filter(([name, value]) => !placed.has(name) && value !== null)
  const told = (isShort: boolean): string =>
    [...words, ...rest.map(([name, value]) => `${name} ${isShort && ids.has(name) ? shortId(textOf(value)) : textOf(value)}`)].join(' · ')
  return { text: told(true), title: told(false) }
}

function textOf(value: unknown): string {
  if (value === undefined || value === null) return '–'
  return typeof value === 'string' ? value : JSON.stringify(value)
}
