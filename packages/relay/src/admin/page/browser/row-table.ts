// A table that changes in place and is walked with the arrow keys: rows keep their element while their key lives, so focus, selection and scrolling stay. One
// stop of the Tab key for the whole table. Read by the views. Rules: PG-2, PG-3.

import { element, setText } from './elements.ts'
import { nameText } from './shown-text.ts'

export type Tone = 'bad' | 'warn' | 'good' | 'soft'

export interface Cell {
  readonly text: string
  /** The whole value, when `text` is short for it. */
  readonly title?: string
  readonly href?: string
  readonly tone?: Tone
}

export interface Column {
  readonly heading: string
  /** number: to the right, digits in columns; name: cut off at the edge, in a fixed pitch. */
  readonly kind: 'number' | 'name' | 'text'
}

export interface Row {
  readonly key: string
  readonly cells: readonly Cell[]
  readonly isCurrent?: boolean
}

const steps: Readonly<Record<string, (at: number, count: number) => number>> = {
  ArrowDown: (at) => at + 1,
  ArrowUp: (at) => at - 1,
  PageDown: (at) => at + 15,
  PageUp: (at) => at - 15,
  Home: () => 0,
  End: (_, count) => count - 1,
}

export class RowTable {
  private readonly columns: readonly Column[]
  private readonly body: HTMLTableSectionElement
  private readonly rows = new Map<string, HTMLTableRowElement>()
  private readonly empty: HTMLElement
  /** The row that Tab reaches. */
  private stop: HTMLTableRowElement | null = null

  /** Fills `host`, an element of the page. `label`: what assistive technology calls the table. */
  constructor(host: HTMLElement, label: string, columns: readonly Column[]) {
    this.columns = columns
    this.body = element('tbody')
    this.empty = element('p', { class: 'empty' })
    const headings = columns.map(({ heading, kind }) => element('th', { scope: 'col', class: kind }, heading))
    const head = element('thead', {}, element('tr', {}, ...headings))
    host.append(element('table', { role: 'grid', 'aria-label': label }, head, this.body), this.empty)
    this.body.addEventListener('keydown', (event) => this.press(event))
    this.body.addEventListener('focusin', ({ target }) => this.stopAt((target as HTMLElement).closest('tr')))
    this.body.addEventListener('click', (event) => this.click(event))
  }

  get hasFocus(): boolean {
    return this.body.contains(document.activeElement)
  }

  /** `empty`: the words instead of rows. */
  show(rows: readonly Row[], empty: string): void {
    const focused = document.activeElement?.closest('tr') ?? null
    const keys = new Set(rows.map(({ key }) => key))
    for (const [key, row] of this.rows) {
      if (keys.has(key)) continue
      row.remove()
      this.rows.delete(key)
    }
    rows.forEach((row, index) => {
      const shown = this.rows.get(row.key) ?? this.makeRow(row)
      this.fill(shown, row)
      if (this.body.children[index] !== shown) this.body.insertBefore(shown, this.body.children[index] ?? null)
    })
    setText(this.empty, rows.length === 0 ? empty : '')
    this.empty.hidden = rows.length > 0
    if (this.stop?.isConnected !== true) this.stopAt(this.body.rows[0] ?? null)
    if (focused !== null && this.body.contains(focused) && document.activeElement !== focused) focused.focus({ preventScroll: true })
  }

  /** The row with this key, or the one that Tab reaches. False: there is none. */
  focus(key?: string): boolean {
    const row = (key === undefined ? undefined : this.rows.get(key)) ?? this.stop
    row?.focus()
    return row !== null
  }

  focusFirst(): void {
    this.body.rows[0]?.focus()
  }

  private makeRow({ key, cells }: Row): HTMLTableRowElement {
    const made = element('tr', { tabindex: '-1' }, ...cells.map((_, index) => element('td', { class: this.columns[index]!.kind })))
    this.rows.set(key, made)
    return made
  }

  private fill(shown: HTMLTableRowElement, { cells, isCurrent }: Row): void {
    if (isCurrent === true) shown.setAttribute('aria-current', 'true')
    else shown.removeAttribute('aria-current')
    cells.forEach((cell, index) => fillCell(shown.cells[index]!, cell))
  }

  private stopAt(row: HTMLTableRowElement | null): void {
    if (this.stop !== null) this.stop.tabIndex = -1
    this.stop = row
    if (row !== null) row.tabIndex = 0
  }

  private press(event: KeyboardEvent): void {
    if (event.altKey || event.ctrlKey || event.metaKey) return
    const row = (event.target as HTMLElement).closest('tr')
    if (row === null) return
    if (event.key === 'Enter') row.querySelector('a')?.click()
    const step = steps[event.key]
    if (step === undefined && event.key !== 'Enter') return
    event.preventDefault()
    if (step === undefined) return
    const rows = [...this.body.rows]
    const next = Math.max(0, Math.min(rows.length - 1, step(rows.indexOf(row), rows.length)))
    rows[next]!.focus()
  }

  private click({ target }: MouseEvent): void {
    const selected = getSelection()?.toString() ?? ''
    if (target instanceof HTMLAnchorElement || selected !== '') return
    ;(target as HTMLElement).closest('tr')?.querySelector('a')?.click()
  }
}

function fillCell(shown: HTMLTableCellElement, { text, title = '', href, tone }: Cell): void {
  const words = nameText(text)
  if (href === undefined) setText(shown, words)
  else {
    const link = shown.querySelector('a') ?? element('a', { tabindex: '-1' })
    if (link.parentNode === null) shown.replaceChildren(link)
    if (link.getAttribute('href') !== href) link.setAttribute('href', href)
    setText(link, words)
  }
  const told = nameText(title)
  if (shown.title !== told) shown.title = told
  if (shown.dataset['tone'] !== tone) {
    if (tone === undefined) delete shown.dataset['tone']
    else shown.dataset['tone'] = tone
  }
}
