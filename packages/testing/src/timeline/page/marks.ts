// Points on the lanes: a shape for each kind, those that fall together side by side, with their words where there is room. Part of the page.

import type { Item } from './story.ts'
import type { Surface } from './surface.ts'

export interface DrawnMark {
  readonly item: Item
  readonly x: number
  readonly y: number
}

interface Cluster {
  readonly lane: number
  readonly y: number
  readonly items: Item[]
}

export class Marks {
  readonly drawn: DrawnMark[] = []
  readonly #surface: Surface
  /** Marks of one lane closer than this share a line. */
  static readonly togetherPx: number = 8
  static readonly stepPx: number = 11
  static readonly sideBySideMax: number = 3
  /** Above this many in view only starts and crashes have words. */
  static readonly labelledMax: number = 260

  constructor(surface: Surface) {
    this.#surface = surface
  }

  draw(points: readonly Item[], found: ReadonlySet<Item> | null): void {
    const surface = this.#surface
    const clusters = this.#clusters(points)
    for (const cluster of clusters) this.#signs(cluster, found)
    surface.ctx.font = surface.colour('font')
    // Crashes and starts first: their words matter most. Where all is dense, they alone have words.
    const isWeighty = ({ items }: Cluster): boolean => items.some(({ kind }) => kind === 'crash' || kind === 'start')
    for (const cluster of clusters.filter(isWeighty)) this.#label(cluster, found)
    if (points.length > Marks.labelledMax && found === null) return
    for (const cluster of clusters) if (!isWeighty(cluster)) this.#label(cluster, found)
  }

  /** One sign for each item, or, where there are many, for each kind. */
  #signs({ lane, y, items }: Cluster, found: ReadonlySet<Item> | null): void {
    const surface = this.#surface
    const kinds = Marks.#kindsOf(items)
    const places = items.length > Marks.sideBySideMax ? kinds : items.map((_, i) => String(i))
    for (const [i, item] of items.entries()) {
      const place = items.length > Marks.sideBySideMax ? kinds.indexOf(item.kind) : i
      const x = surface.x(lane) + place * Marks.stepPx
      this.drawn.push({ item, x, y })
      surface.ctx.globalAlpha = found === null || found.has(item) ? 1 : 0.2
      if (place === i || items.findIndex(({ kind }) => kind === item.kind) === i || found !== null) this.shape(item.kind, x, y, 1)
      surface.ctx.globalAlpha = 1
    }
    surface.claim(surface.x(lane) - 6, surface.x(lane) + (places.length - 1) * Marks.stepPx + 6, y)
  }

  static #kindsOf(items: readonly Item[]): string[] {
    return [...new Set(items.map(({ kind }) => kind))]
  }

  #clusters(points: readonly Item[]): Cluster[] {
    const open = new Map<number, Cluster>()
    const clusters: Cluster[] = []
    for (const item of points) {
      const [lane, y] = [item.lanes[0]!, this.#surface.y(item.atMs)]
      const last = open.get(lane)
      if (last !== undefined && y - last.y < Marks.togetherPx) {
        last.items.push(item)
        continue
      }
      const cluster = { lane, y, items: [item] }
      open.set(lane, cluster)
      clusters.push(cluster)
    }
    return clusters
  }

  #label({ lane, y, items }: Cluster, found: ReadonlySet<Item> | null): void {
    const surface = this.#surface
    const told = found === null ? items : items.filter((item) => found.has(item))
    if (told.length === 0) return
    const isMany = items.length > Marks.sideBySideMax
    const across = (isMany ? Marks.#kindsOf(items).length : items.length) * Marks.stepPx
    const room = surface.columnPx - across - 30
    const heavy = told.find(({ kind }) => kind === 'crash' || kind === 'start')
    const counts = Marks.#kindsOf(told).map((kind) => `${told.filter((item) => item.kind === kind).length} ${kind}`)
    const texts = heavy !== undefined && isMany ? [heavy.text, ...counts] : isMany ? counts : told.map(({ text }) => text)
    const colour = heavy === undefined ? (isMany ? 'soft' : 'ink') : heavy.kind
    surface.label(texts.join(' · '), surface.x(lane) + across, y, room, colour)
  }

  shape(kind: string, x: number, y: number, size: number): void {
    const { ctx } = this.#surface
    ctx.save()
    ctx.translate(x, y)
    ctx.scale(size, size)
    ctx.beginPath()
    Marks.outline(ctx, kind)
    ctx.lineWidth = kind === 'crash' ? 5.5 : 3
    ctx.strokeStyle = this.#surface.colour('paper')
    ctx.stroke()
    ctx.strokeStyle = ctx.fillStyle = this.#surface.colour(Marks.colour(kind))
    ctx.lineWidth = 2.6
    if (kind === 'crash') ctx.stroke()
    else ctx.fill()
    ctx.restore()
  }

  static colour(kind: string): string {
    return /^(start|crash|commit|edit|event)$/.test(kind) ? kind : 'event'
  }

  static outline(ctx: CanvasRenderingContext2D, kind: string): void {
    const corners: Readonly<Record<string, readonly number[]>> = {
      start: [-4, -5.5, 6, 0, -4, 5.5],
      edit: [0, -5.5, 5.5, 0, 0, 5.5, -5.5, 0],
      event: [-4, -4, 4, -4, 4, 4, -4, 4],
    }
    if (kind === 'crash') {
      for (const side of [-1, 1]) {
        ctx.moveTo(-4.5, -4.5 * side)
        ctx.lineTo(4.5, 4.5 * side)
      }
      return
    }
    const path = corners[kind]
    if (path === undefined) return ctx.arc(0, 0, 4.2, 0, 7)
    for (let i = 0; i < path.length; i += 2) ctx.lineTo(path[i]!, path[i + 1]!)
    ctx.closePath()
  }
}
