// Beside the chart: everything about the chosen item, and what happened around it as a list that can be read and clicked. All foreign text becomes text nodes.
// Part of the page.

import { Arrows } from './arrows.ts'
import { Marks } from './marks.ts'
import type { Item, Story } from './story.ts'
import { formatTime } from './time-scale.ts'

export class SidePanel {
  readonly #detail: HTMLElement
  readonly #around: HTMLElement
  readonly #story: Story
  readonly #choose: (item: Item) => void

  /** Lines of the list before and after the chosen item. */
  static readonly before: number = 12
  static readonly after: number = 18
  static readonly signs: Readonly<Record<string, string>> = {
    start: '▶',
    crash: '✕',
    commit: '●',
    edit: '◆',
    event: '■',
    message: '→',
    fault: '▒',
  }

  constructor(detail: HTMLElement, around: HTMLElement, story: Story, choose: (item: Item) => void) {
    this.#detail = detail
    this.#around = around
    this.#story = story
    this.#choose = choose
  }

  /** Null: nothing is chosen, and the list shows how it ended. */
  show(item: Item | null): void {
    this.#detail.replaceChildren(...(item === null ? [SidePanel.#text('p', 'hint', SidePanel.#hint)] : this.#facts(item)))
    document.getElementById('around-title')!.textContent = item === null ? 'How it ended' : 'Around it'
    const { shown } = this.#story
    const chosen = item === null ? shown.length : Math.max(0, shown.indexOf(item))
    const from = Math.max(0, chosen - (item === null ? SidePanel.after : SidePanel.before))
    const rows = shown.slice(from, from + SidePanel.before + SidePanel.after + 1).map((each) => this.#row(each, each === item))
    this.#around.replaceChildren(...rows)
  }

  /** One line about an item, for hovering and for the list. */
  summary(item: Item): string {
    return `${this.#time(item.atMs)}  ${this.#story.where(item)}  ${SidePanel.kind(item)}: ${item.text}`
  }

  static kind(item: Item): string {
    return item.kind === 'unarrived' ? 'not arrived' : item.kind
  }

  #facts(item: Item): HTMLElement[] {
    const rows: [string, string][] = [[item.type === 'message' ? 'sent' : item.type === 'fault' ? 'from' : 'at', this.#time(item.atMs)]]
    if (item.type === 'message') rows.push(['arrived', item.arrived ? `${this.#time(item.endMs)} (after ${this.#took(item)})` : 'never'])
    if (item.type === 'fault') rows.push(['to', `${this.#time(item.endMs)} (for ${this.#took(item)})`])
    if (item.type === 'message') rows.push(['fate', SidePanel.kind(item)])
    if (item.documents.length > 0) rows.push(['documents', item.documents.join(', ')])
    const title = SidePanel.#text(
      'h3',
      `is-${item.type}`,
      `${item.type === 'message' ? 'message' : SidePanel.kind(item)} · ${this.#story.where(item)}`,
    )
    const list = document.createElement('dl')
    for (const [name, value] of rows) list.append(SidePanel.#text('dt', '', name), SidePanel.#text('dd', '', value))
    return [title, list, SidePanel.#text('pre', '', item.text)]
  }

  #row(item: Item, isChosen: boolean): HTMLElement {
    const row = document.createElement('li')
    const button = document.createElement('button')
    button.type = 'button'
    button.className = `row is-${item.type}`
    if (isChosen) button.setAttribute('aria-current', 'true')
    if (this.#story.found?.has(item) === false) button.classList.add('faint')
    const sign = SidePanel.#text('span', 'sign', SidePanel.signs[item.type === 'point' ? item.kind : item.type] ?? '●')
    sign.setAttribute('aria-label', SidePanel.kind(item))
    sign.style.color = `var(--${this.#colourOf(item)})`
    const words = SidePanel.#text(
      'span',
      'words',
      `${item.type === 'point' || item.kind === 'delivered' ? '' : `${SidePanel.kind(item)}: `}${item.text}`,
    )
    if (item.type === 'message' && item.kind !== 'delivered') words.style.color = sign.style.color
    button.append(
      SidePanel.#text('span', 'when', this.#time(item.atMs)),
      sign,
      SidePanel.#text('span', 'who', this.#story.where(item)),
      words,
    )
    button.title = item.text
    button.addEventListener('click', () => this.#choose(item))
    row.append(button)
    return row
  }

  #colourOf(item: Item): string {
    if (item.type === 'message') return Arrows.colour(item.kind)
    return item.type === 'point' ? Marks.colour(item.kind) : 'soft'
  }

  #time(ms: number): string {
    return formatTime(ms, 1)
  }

  #took(item: Item): string {
    const ms = item.endMs - item.atMs
    return ms < 1000 ? `${ms.toFixed(1)} ms` : `${(ms / 1000).toFixed(2)} s`
  }

  static #text(tag: string, className: string, text: string): HTMLElement {
    const element = document.createElement(tag)
    if (className !== '') element.className = className
    element.textContent = text
    return element
  }

  static readonly #hint: string =
    'Nothing is chosen. Click a mark, an arrow or a band, or press n and p to walk through what happened. Press ? for all keys.'
}
