// Points on the lanes: a shape for each kind, those that fall together side by side, with their words where there is room. Part of the page: no import but
// types.

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
  static readonly sideBySideMax: number = 5

  constructor(surface: Surface) {
    this.#surface = surface
  }

  draw(points: readonly Item[], found: ReadonlySet<Item> | null): void {
    const surface = this.#surface
    const clusters = this.#clusters(points)
    for (const { lane, y, items } of clusters) {
      for (const [i, item] of items.entries()) {
        const x = surface.x(lane) + Math.min(i, Marks.sideBySideMax - 1) * Marks.stepPx
        this.drawn.push({ item, x, y })
        if (i >= Marks.sideBySideMax) continue
        surface.ctx.globalAlpha = found === null || found.has(item) ? 1 : 0.2
        this.shape(item.kind, x, y, 1)
        surface.ctx.globalAlpha = 1
      }
      const width = (Math.min(items.length, Marks.sideBySideMax) - 1) * Marks.stepPx
      surface.claim(surface.x(lane) - 6, surface.x(lane) + width + 6, y)
    }
    surface.ctx.font = surface.colour('font')
    // Crashes and starts first: their words matter most.
    const weight = ({ items }: Cluster): number => (items.some(({ kind }) => kind === 'crash' || kind === 'start') ? 0 : 1)
    for (const cluster of clusters.sort((a, b) => weight(a) - weight(b))) this.#label(cluster, found)
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
    const across = Math.min(items.length, Marks.sideBySideMax) * Marks.stepPx
    const room = surface.columnPx - across - 22
    const texts = told.map(({ text }) => text).join(' · ')
    surface.label(told.length > 3 ? `${told.length}× ${texts}` : texts, surface.x(lane) + across, y, room, told[0]!.kind === 'crash' ? 'crash' : 'ink')
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
