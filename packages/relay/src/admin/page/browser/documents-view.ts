// The list of documents with its filter and pages, and the inspector beside it. Decides what is asked for when; keeps the list current while it is in view. Read
// by page.ts. Rules: PG-1, PG-2, PG-3.

import type { DocumentsAnswer } from './answers.ts'
import { documentHref, part, setText } from './elements.ts'
import { Inspector, wordsOf } from './inspector.ts'
import { after, wallMs } from './page-clock.ts'
import type { RelayClient } from './relay-client.ts'
import { RowTable, type Row } from './row-table.ts'
import { bytesText, countText, momentText } from './shown-text.ts'

const PAGE_ROWS = 100
const TYPING_MS = 150

export class DocumentsView {
  readonly inspector: Inspector
  readonly filter: HTMLInputElement = part('filter') as HTMLInputElement
  private readonly client: RelayClient
  private readonly table = new RowTable(part('documents'), 'Documents', [
    { heading: 'Name', kind: 'name' },
    { heading: 'Size', kind: 'number' },
    { heading: 'Writers', kind: 'number' },
    { heading: 'Position', kind: 'number' },
    { heading: 'Changed', kind: 'number' },
  ])
  private readonly trouble = part('documents-trouble')
  private readonly place = part('documents-page')
  private readonly buttons = { next: part('page-next') as HTMLButtonElement, before: part('page-before') as HTMLButtonElement }
  /** What each page up to this one starts after; the first starts at the beginning. */
  private starts: string[] = []
  private next: string | null = null
  private answer: DocumentsAnswer | null = null
  /** Counts the questions: only the newest one's answer is shown. */
  private asked = 0
  private stopTyping: () => void = () => undefined

  constructor(client: RelayClient) {
    this.client = client
    this.inspector = new Inspector(client)
    this.table.show([], 'Loading …')
    this.filter.addEventListener('input', () => {
      this.stopTyping()
      this.stopTyping = after(TYPING_MS, () => this.restart())
    })
    this.filter.addEventListener('keydown', (event) => this.leaveFilter(event))
    this.buttons.next.addEventListener('click', () => this.turnPage(1))
    this.buttons.before.addEventListener('click', () => this.turnPage(-1))
  }

  /** Another space is in view: nothing of the one before stays. */
  restartIn(): void {
    this.asked++
    this.starts = []
    this.next = null
    this.answer = null
    this.filter.value = ''
    setText(this.trouble, '')
    void this.inspector.show(null)
    this.draw()
  }

  /** Asks for the page in view. Resolves when it is shown, or why it is not. `isFollowing`: nobody asked for it, so a space that is closed stays so. */
  async load(isFollowing = false): Promise<void> {
    const asked = ++this.asked
    const query = new URLSearchParams({ limit: String(PAGE_ROWS) })
    if (this.filter.value !== '') query.set('prefix', this.filter.value)
    const start = this.starts.at(-1)
    if (start !== undefined) query.set('after', start)
    if (isFollowing) query.set('follow', '')
    try {
      const answer = await this.client.get<DocumentsAnswer>(`documents?${query.toString()}`)
      if (asked !== this.asked) return
      this.answer = answer
      this.next = answer.next
      setText(this.trouble, '')
    } catch (error) {
      if (asked === this.asked) setText(this.trouble, wordsOf(error))
    }
    this.draw()
  }

  /** The document that the inspector shows; null closes it and goes back to its row. */
  async open(name: string | null): Promise<void> {
    const before = this.inspector.name
    if (name === before) return
    const wasInside = part('inspector').contains(document.activeElement) || this.table.hasFocus
    const shown = this.inspector.show(name)
    this.draw()
    await shown
    if (name !== null && this.inspector.name === name && !isTyping()) this.inspector.focus()
    if (name === null && wasInside) this.table.focus(before ?? undefined)
  }

  /** n and p. */
  turnPage(by: 1 | -1): void {
    if (by === 1 && this.next === null) return
    if (by === -1 && this.starts.length === 0) return
    if (by === 1) this.starts.push(this.next!)
    else this.starts.pop()
    void this.load().then(() => this.table.focusFirst())
  }

  /** False: there is none. */
  focusRows(): boolean {
    return this.table.focus()
  }

  /** The filter changed: from the first page. */
  private restart(): void {
    this.starts = []
    void this.load()
  }

  private leaveFilter(event: KeyboardEvent): void {
    if (event.key !== 'ArrowDown' && event.key !== 'Enter') return
    event.preventDefault()
    this.stopTyping()
    if (event.key === 'ArrowDown') return void this.focusRows()
    this.starts = []
    void this.load().then(() => this.focusRows())
  }

  private draw(): void {
    // Pages are in the order of the store's keys, which says nothing to a person.
    const documents = [...(this.answer?.documents ?? [])].sort((a, b) => (a.name < b.name ? -1 : 1))
    const now = wallMs()
    const current = this.inspector.name
    const rows: Row[] = documents.map(({ name, bytes, writers, lastSeq, updatedAtMs, quarantined }) => ({
      key: name,
      isCurrent: name === current,
      cells: [
        { text: name, title: name, href: documentHref(name), ...(quarantined ? { tone: 'bad' } : {}) },
        quarantined ? { text: 'quarantined', tone: 'bad' } : { text: bytesText(bytes) },
        { text: writers === null ? '–' : countText(writers) },
        { text: countText(lastSeq) },
        { text: momentText(updatedAtMs, now), title: updatedAtMs === null ? '' : new Date(updatedAtMs).toISOString() },
      ],
    }))
    const empty = this.filter.value === '' ? 'No documents that may be read here.' : 'No document begins like this.'
    this.table.show(rows, this.answer === null ? 'Loading …' : empty)
    this.buttons.next.disabled = this.next === null
    this.buttons.before.disabled = this.starts.length === 0
    const first = this.starts.length * PAGE_ROWS
    setText(
      this.place,
      documents.length === 0 ? '' : `${countText(first + 1)}–${countText(first + documents.length)}${this.next === null ? '' : ' of more'}`,
    )
  }
}

function isTyping(): boolean {
  return document.activeElement instanceof HTMLInputElement
}
