// The content of a document as a tree that is opened and walked with the arrow keys. Makes elements only for what is open, and of long lists and texts only a
// part until more is asked for, so that a large document opens at once. What was open stays open when the content changes. Read by inspector.ts.
// Rules: PG-2, PG-3.

import { element } from './elements.ts'
import { countedText, countText, nameText } from './shown-text.ts'

const CHILDREN_AT_ONCE = 200
const ROOTS_OPEN_MAX = 20
const LINE_CHARS_MAX = 120
const TEXT_CHARS_MAX = 100_000
const TITLE_CHARS_MAX = 1_000
const GLANCE_VALUES = 5
const GLANCE_CHARS = 24

interface Node {
  readonly path: string
  readonly name: string
  readonly value: unknown
  readonly level: number
}

type Walk = (items: readonly HTMLElement[], at: number) => HTMLElement | undefined

const walks: Readonly<Record<string, Walk>> = {
  ArrowDown: (items, at) => items[at + 1],
  ArrowUp: (items, at) => items[at - 1],
  PageDown: (items, at) => items[Math.min(items.length - 1, at + 15)],
  PageUp: (items, at) => items[Math.max(0, at - 15)],
  Home: (items) => items[0],
  End: (items) => items.at(-1),
}

export class ContentTree {
  private readonly root: HTMLElement
  private readonly nodes = new WeakMap<HTMLElement, Node>()
  private open = new Set<string>()
  /** How many children of a node are shown, where it is not the first hundreds. */
  private readonly limits = new Map<string, number>()
  private content: Readonly<Record<string, unknown>> = {}
  private stopPath = ''
  private kinds: Readonly<Record<string, string>> = {}

  constructor(root: HTMLElement) {
    this.root = root
    root.addEventListener('keydown', (event) => this.press(event))
    root.addEventListener('click', (event) => this.click(event))
    root.addEventListener('focusin', ({ target }) => this.stopAt((target as HTMLElement).closest<HTMLElement>('[role=treeitem]')))
  }

  /** `kinds`: of roots. `isOther`: another document than before, of which nothing is open but its roots. */
  show(content: Readonly<Record<string, unknown>>, kinds: Readonly<Record<string, string>>, isOther: boolean): void {
    this.content = content
    this.kinds = kinds
    const roots = Object.keys(content)
    if (isOther) {
      this.open = new Set(roots.slice(0, ROOTS_OPEN_MAX).map((name) => pathOf('', name)))
      this.limits.clear()
      this.stopPath = ''
    }
    this.draw()
  }

  focus(): boolean {
    const stop = this.root.querySelector<HTMLElement>('[tabindex="0"]')
    stop?.focus()
    return stop !== null
  }

  private draw(): void {
    const hadFocus = this.root.contains(document.activeElement)
    const items = this.children({ path: '', name: '', value: this.content, level: 0 })
    this.root.replaceChildren(...(items.length > 0 ? items : [element('p', { class: 'empty' }, 'Nothing: no root type holds anything.')]))
    const stop = this.items().find((item) => this.nodes.get(item)!.path === this.stopPath) ?? this.items()[0]
    if (stop === undefined) return
    stop.tabIndex = 0
    if (hadFocus) stop.focus({ preventScroll: true })
  }

  private children({ path, value, level }: Node): HTMLElement[] {
    const entries: [string, unknown][] = Array.isArray(value)
      ? value.map((one, index) => [String(index), one])
      : Object.entries(value as object)
    const limit = this.limits.get(path) ?? CHILDREN_AT_ONCE
    const items = entries.slice(0, limit).map(([name, one]) => this.item({ path: pathOf(path, name), name, value: one, level: level + 1 }))
    if (entries.length > limit) items.push(this.moreItem(path, entries.length - limit, level + 1))
    return items
  }

  private item(node: Node): HTMLElement {
    const { name, value, level, path } = node
    const kind = level === 1 ? (this.kinds[name] ?? '') : ''
    const key = element('span', { class: 'key', title: titleOf(name) }, nameText(name))
    const line = element(
      'div',
      { class: 'line' },
      key,
      ...(kind === '' ? [] : [element('span', { class: 'size' }, nameText(kind))]),
      valueOf(value),
    )
    const item = element('div', { role: 'treeitem', 'aria-level': String(level), tabindex: '-1' }, line)
    this.nodes.set(item, node)
    if (!isOpenable(value)) return item
    const isOpen = this.open.has(path)
    item.setAttribute('aria-expanded', String(isOpen))
    if (!isOpen) return item
    if (typeof value === 'string') item.append(element('pre', {}, textBlock(value)))
    else item.append(element('div', { role: 'group' }, ...this.children(node)))
    return item
  }

  private moreItem(parent: string, count: number, level: number): HTMLElement {
    const line = element(
      'div',
      { class: 'line more' },
      `${countText(count)} more: Enter shows ${countText(Math.min(count, CHILDREN_AT_ONCE))}`,
    )
    const item = element('div', { role: 'treeitem', 'aria-level': String(level), tabindex: '-1', 'data-more': '' }, line)
    this.nodes.set(item, { path: parent, name: '', value: null, level })
    return item
  }

  private showMore(item: HTMLElement): void {
    const { path } = this.nodes.get(item)!
    const limit = this.limits.get(path) ?? CHILDREN_AT_ONCE
    this.limits.set(path, limit + CHILDREN_AT_ONCE)
    const before = item.previousElementSibling as HTMLElement
    this.stopPath = this.nodes.get(before)!.path
    this.draw()
    ;(this.root.querySelector('[tabindex="0"]') as HTMLElement).nextElementSibling?.scrollIntoView({ block: 'nearest' })
  }

  private turn(item: HTMLElement): void {
    const node = this.nodes.get(item)!
    if (item.dataset['more'] !== undefined) return this.showMore(item)
    if (!isOpenable(node.value)) return
    if (!this.open.delete(node.path)) this.open.add(node.path)
    const drawn = this.item(node)
    item.replaceWith(drawn)
    drawn.focus({ preventScroll: true })
  }

  private press(event: KeyboardEvent): void {
    const item = (event.target as HTMLElement).closest<HTMLElement>('[role=treeitem]')
    if (item === null || event.altKey || event.ctrlKey || event.metaKey) return
    const items = this.items()
    const at = items.indexOf(item)
    const walk = walks[event.key]
    if (walk !== undefined) walk(items, at)?.focus()
    else if (event.key === 'Enter' || event.key === ' ') this.turn(item)
    else if (event.key === 'ArrowRight') this.goIn(item, items, at)
    else if (event.key === 'ArrowLeft') this.goOut(item)
    else return
    event.preventDefault()
  }

  private goIn(item: HTMLElement, items: readonly HTMLElement[], at: number): void {
    if (item.getAttribute('aria-expanded') === 'true') items[at + 1]?.focus()
    else this.turn(item)
  }

  private goOut(item: HTMLElement): void {
    if (item.getAttribute('aria-expanded') === 'true') this.turn(item)
    else item.parentElement?.closest<HTMLElement>('[role=treeitem]')?.focus()
  }

  private click({ target }: MouseEvent): void {
    const line = (target as HTMLElement).closest('.line')
    const item = line?.parentElement
    if (item === null || item === undefined || (getSelection()?.toString() ?? '') !== '') return
    item.focus({ preventScroll: true })
    this.turn(item)
  }

  private stopAt(item: HTMLElement | null): void {
    if (item === null) return
    for (const other of this.root.querySelectorAll<HTMLElement>('[tabindex="0"]')) other.tabIndex = -1
    item.tabIndex = 0
    this.stopPath = item.dataset['more'] === undefined ? this.nodes.get(item)!.path : ''
  }

  private items(): HTMLElement[] {
    return [...this.root.querySelectorAll<HTMLElement>('[role=treeitem]')]
  }
}

function pathOf(parent: string, name: string): string {
  return `${parent}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`
}

function isOpenable(value: unknown): boolean {
  if (typeof value === 'string') return isLongText(value)
  return typeof value === 'object' && value !== null && Object.keys(value).length > 0
}

function isLongText(text: string): boolean {
  return text.length > LINE_CHARS_MAX || text.includes('\n')
}

function textBlock(text: string): string {
  const shown = text.slice(0, TEXT_CHARS_MAX).split('\n').map(nameText).join('\n')
  return text.length > TEXT_CHARS_MAX ? `${shown}\n… ${countText(text.length - TEXT_CHARS_MAX)} more characters` : shown
}

/** The first few values of a list or map, as far as they are short. */
function glance(value: object): string {
  const isList = Array.isArray(value)
  const entries = Object.entries(isList ? value.slice(0, GLANCE_VALUES) : value)
  if (entries.length === 0) return ''
  const parts = entries.slice(0, GLANCE_VALUES).map(([name, one]: readonly [string, unknown]) => {
    const isShort = typeof one === 'string' ? one.length <= GLANCE_CHARS : typeof one !== 'object' || one === null
    const text = isShort ? JSON.stringify(one) : '…'
    return isList ? text : `${name.length <= GLANCE_CHARS ? name : '…'}: ${text}`
  })
  const isAll = (isList ? value.length : entries.length) <= GLANCE_VALUES
  const inside = `${parts.join(', ')}${isAll ? '' : ', …'}`
  return nameText(isList ? `[${inside}]` : `{${inside}}`)
}

/** For what may be cut off at the edge. */
function titleOf(text: string): string {
  return nameText(text.slice(0, TITLE_CHARS_MAX))
}

/** One line for a value. */
function valueOf(value: unknown): HTMLElement {
  if (value === null) return element('span', { class: 'value other' }, 'null')
  if (typeof value === 'object') {
    const size = Array.isArray(value) ? countedText(value.length, 'item') : countedText(Object.keys(value).length, 'key')
    return element(
      'span',
      { class: 'value' },
      element('span', { class: 'size' }, size),
      element('span', { class: 'glance' }, glance(value)),
    )
  }
  if (typeof value !== 'string') return element('span', { class: 'value other' }, JSON.stringify(value))
  if (!isLongText(value)) return element('span', { class: 'value text', title: titleOf(value) }, nameText(JSON.stringify(value)))
  const start = nameText(JSON.stringify(value.slice(0, LINE_CHARS_MAX)).slice(0, -1))
  return element(
    'span',
    { class: 'value' },
    element('span', { class: 'text' }, `${start}…`),
    element('span', { class: 'size' }, ` ${countText(value.length)} characters`),
  )
}
