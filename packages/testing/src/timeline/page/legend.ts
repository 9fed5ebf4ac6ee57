// The legend, which is also the filter: a button for each kind of point, fate of a message and kind of fault that the recording has, with its sign and how many
// there are. Pressed: shown. Part of the page.

import { Arrows } from './arrows.ts'
import { Marks } from './marks.ts'
import { Story, type Item } from './story.ts'
import { Surface } from './surface.ts'
import { TimeScale } from './time-scale.ts'

export class Legend {
  /** Kinds of faults, each with the number of its colour. */
  readonly hues: ReadonlyMap<string, number>
  readonly #root: HTMLElement
  readonly #story: Story
  readonly #changed: () => void
  readonly #kinds: ReadonlyMap<string, readonly Item[]>

  static readonly hueCount: number = 8
  static readonly titles: Readonly<Record<Item['type'], string>> = { point: 'Points', message: 'Messages', fault: 'Faults' }
  static readonly meanings: Readonly<Record<string, string>> = {
    'point:start': 'a replica starts',
    'point:crash': 'a replica dies; hatched until it starts again',
    'point:commit': 'a transaction is durable',
    'point:edit': 'somebody edits here',
    'point:event': 'the engine reports something',
    'message:delivered': 'arrived as it was sent',
    'message:unarrived': 'had not arrived when the run ended',
    'message:lost': 'never arrived',
    'message:stalled': 'was held back by a partition',
    'message:late': 'was overtaken by later ones',
    'message:corrupted': 'arrived with a bit flipped',
    'message:truncated': 'arrived cut short',
  }

  constructor(root: HTMLElement, story: Story, changed: () => void) {
    this.#root = root
    this.#story = story
    this.#changed = changed
    const kinds = new Map<string, Item[]>()
    for (const item of story.items) {
      const key = Story.key(item)
      const group = kinds.get(key) ?? []
      group.push(item)
      kinds.set(key, group)
    }
    this.#kinds = kinds
    const faults = [...kinds.keys()].filter((key) => key.startsWith('fault:')).sort()
    this.hues = new Map(faults.map((key, index) => [key.slice(6), index % Legend.hueCount]))
  }

  build(): void {
    for (const type of ['point', 'message', 'fault'] as const) {
      const keys = [...this.#kinds.keys()].filter((key) => key.startsWith(`${type}:`)).sort()
      if (keys.length === 0) continue
      const group = document.createElement('div')
      group.setAttribute('role', 'group')
      group.setAttribute('aria-label', Legend.titles[type])
      const title = document.createElement('span')
      title.className = 'group-title'
      title.textContent = Legend.titles[type]
      group.append(title, ...keys.map((key) => this.#button(key)))
      this.#root.append(group)
    }
  }

  /** Draws the signs; again whenever the colours change. */
  paint(colours: ReadonlyMap<string, string>): void {
    for (const canvas of this.#root.querySelectorAll('canvas')) {
      const key = canvas.dataset['key']!
      const item = this.#kinds.get(key)![0]!
      canvas.width = 60
      canvas.height = 32
      const ctx = canvas.getContext('2d')!
      ctx.setTransform(2, 0, 0, 2, 0, 0)
      const scale = new TimeScale(Float64Array.of(0, 1), 1, 1)
      const surface = new Surface(ctx, scale, { width: 30, height: 16, topPx: 0, leftPx: 0 }, 1, colours)
      if (item.type === 'point') new Marks(surface).shape(item.kind, 15, 8, 1)
      else if (item.type === 'message') {
        const arrived = !/^(lost|unarrived)$/.test(item.kind)
        const arrow = { item: { ...item, arrived }, x1: 2, y1: 8, x2: arrived ? 28 : 24, y2: 8 }
        new Arrows(surface).stroke([arrow], item.kind, 'plain')
      } else {
        const hue = `band${this.hues.get(item.kind) ?? 0}`
        ctx.fillStyle = surface.colour(hue)
        ctx.globalAlpha = 0.2
        ctx.fillRect(3, 2, 24, 12)
        ctx.globalAlpha = 1
        ctx.fillRect(3, 2, 3, 12)
      }
    }
  }

  #button(key: string): HTMLButtonElement {
    const items = this.#kinds.get(key)!
    const name = key.slice(key.indexOf(':') + 1)
    const button = document.createElement('button')
    button.type = 'button'
    button.className = 'chip'
    button.dataset['key'] = key
    button.setAttribute('aria-pressed', 'true')
    button.title = Legend.meanings[key] ?? name
    const sign = document.createElement('canvas')
    sign.dataset['key'] = key
    sign.setAttribute('aria-hidden', 'true')
    const count = document.createElement('span')
    count.className = 'count'
    count.textContent = items.length.toLocaleString('en')
    button.append(sign, name === 'unarrived' ? 'not arrived' : name, ' ', count)
    button.addEventListener('click', () => {
      const { hidden } = this.#story
      if (!hidden.delete(key)) hidden.add(key)
      button.setAttribute('aria-pressed', String(!hidden.has(key)))
      this.#changed()
    })
    return button
  }
}
