// The spaces of the relay: which are open, what they take, who is there, and the way into each. Decides nothing about who may see them: the relay does. Looking at the list opens
// none. Read by page.ts. Rules: PG-1, PG-2, PG-7.

import type { SpaceRow, SpacesAnswer } from './answers.ts'
import { part, setText } from './elements.ts'
import { wordsOf } from './inspector.ts'
import { after } from './page-clock.ts'
import { hrefOf } from './place.ts'
import { Refused, type RelayClient } from './relay-client.ts'
import { RowTable, type Cell, type Row } from './row-table.ts'
import { bytesText, countText } from './shown-text.ts'

const PAGE_ROWS = 200
const TYPING_MS = 150

export class SpacesView {
  readonly filter: HTMLInputElement = part('spaces-filter') as HTMLInputElement
  /** The list came: names for the chooser. */
  onNames: (names: readonly string[]) => void = () => undefined
  private readonly client: RelayClient
  private readonly table = new RowTable(part('spaces'), 'Spaces', [
    { heading: 'Space', kind: 'name' },
    { heading: 'State', kind: 'text' },
    { heading: 'Size', kind: 'number' },
    { heading: 'Documents', kind: 'number' },
    { heading: 'Connections', kind: 'number' },
  ])
  private readonly trouble = part('spaces-trouble')
  private readonly place = part('spaces-page')
  private readonly buttons = { next: part('spaces-next') as HTMLButtonElement, before: part('spaces-before') as HTMLButtonElement }
  private starts: string[] = []
  private next: string | null = null
  private answer: SpacesAnswer | null = null
  private current: string | null = null
  private asked = 0
  private stopTyping: () => void = () => undefined

  constructor(client: RelayClient) {
    this.client = client
    this.table.show([], 'Loading …')
    this.filter.addEventListener('input', () => {
      this.stopTyping()
      this.stopTyping = after(TYPING_MS, () => this.restart())
    })
    this.filter.addEventListener('keydown', (event) => {
      if (event.key !== 'ArrowDown' && event.key !== 'Enter') return
      event.preventDefault()
      this.focusRows()
    })
    this.buttons.next.addEventListener('click', () => this.turnPage(1))
    this.buttons.before.addEventListener('click', () => this.turnPage(-1))
  }

  /** Asks for the page in view. `current`: the space whose documents and peers the other views show. */
  async load(current: string | null): Promise<void> {
    this.current = current
    const asked = ++this.asked
    const query = new URLSearchParams({ limit: String(PAGE_ROWS) })
    if (this.filter.value !== '') query.set('prefix', this.filter.value)
    const start = this.starts.at(-1)
    if (start !== undefined) query.set('after', start)
    try {
      const answer = await this.client.getOfRelay<SpacesAnswer>(`spaces?${query.toString()}`)
      if (asked !== this.asked) return
      this.answer = answer
      this.next = answer.next
      setText(this.trouble, '')
      this.onNames(answer.spaces.map(({ name }) => name))
    } catch (error) {
      if (asked !== this.asked) return
      const isForbidden = error instanceof Refused && error.status === 403
      setText(
        this.trouble,
        isForbidden ? 'This token may not see the list of spaces: s takes the name of one that it may see.' : wordsOf(error),
      )
    }
    this.draw()
  }

  turnPage(by: 1 | -1): void {
    if (by === 1 && this.next === null) return
    if (by === -1 && this.starts.length === 0) return
    if (by === 1) this.starts.push(this.next!)
    else this.starts.pop()
    void this.load(this.current).then(() => this.table.focusFirst())
  }

  /** False: there is none. */
  focusRows(): boolean {
    return this.table.focus()
  }

  private restart(): void {
    this.starts = []
    void this.load(this.current)
  }

  private draw(): void {
    const spaces = this.answer?.spaces ?? []
    const rows = spaces.map((space) => rowOf(space, this.current ?? 'default'))
    this.table.show(rows, this.answer === null ? '' : 'No space begins like this.')
    this.buttons.next.disabled = this.next === null
    this.buttons.before.disabled = this.starts.length === 0
    const first = this.starts.length * PAGE_ROWS
    const words = `${countText(first + 1)}–${countText(first + spaces.length)}${this.next === null ? '' : ' of more'}`
    setText(this.place, spaces.length === 0 ? '' : words)
  }
}

function rowOf({ name, open, bytes, documents, links, guests, trouble }: SpaceRow, current: string): Row {
  const href = hrefOf({ space: name === 'default' ? null : name, view: 'relay', name: null })
  const soft: Cell = { text: '–', tone: 'soft' }
  const connections = (links ?? 0) + (guests ?? 0)
  const title = `${countText(links ?? 0)} native links, ${countText(guests ?? 0)} documents attached by other connections`
  return {
    key: name,
    isCurrent: name === current,
    cells: [
      { text: name, title: name, href },
      trouble === null ? { text: open ? 'open' : 'closed', tone: open ? 'good' : 'soft' } : { text: trouble, tone: 'bad' },
      { text: bytesText(bytes) },
      documents === null ? soft : { text: countText(documents) },
      open ? { text: countText(connections), title } : soft,
    ],
  }
}
