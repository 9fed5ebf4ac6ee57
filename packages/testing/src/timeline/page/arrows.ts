// Messages: a line from where it was sent to where it arrived, in the style of what became of it. Lost ones end in a cross on the way. Part of the page.

import type { Item } from './story.ts'
import type { Surface } from './surface.ts'

export interface DrawnArrow {
  readonly item: Item
  readonly x1: number
  readonly y1: number
  readonly x2: number
  readonly y2: number
}

export type Tone = 'plain' | 'faint' | 'strong'

export class Arrows {
  readonly drawn: DrawnArrow[] = []
  readonly #surface: Surface

  /** Above this many in view: lines only, thin. */
  static readonly detailedMax: number = 900
  static readonly labelledMax: number = 140
  static readonly dashes: Readonly<Record<string, readonly number[]>> = { stalled: [9, 4], late: [2, 3], lost: [5, 3], unarrived: [5, 3] }

  constructor(surface: Surface) {
    this.#surface = surface
  }

  /** `found`: all others are faint; null: none are. */
  draw(messages: readonly Item[], found: ReadonlySet<Item> | null): void {
    const styles = new Map<string, DrawnArrow[]>()
    for (const item of messages) {
      const arrow = this.place(item)
      if (arrow === null) continue
      this.drawn.push(arrow)
      const style = `${found === null || found.has(item) ? 'plain' : 'faint'} ${item.kind}`
      const group = styles.get(style) ?? []
      group.push(arrow)
      styles.set(style, group)
    }
    // Faint ones below, troubled ones on top.
    const rank = (style: string): number => (style.startsWith('faint') ? 0 : style.endsWith(' delivered') ? 1 : 2)
    for (const [style, group] of [...styles].sort(([a], [b]) => rank(a) - rank(b))) {
      const [tone, kind] = [style.slice(0, 5) as Tone, style.slice(6)]
      this.stroke(group, kind, tone)
    }
  }

  /** Null: it is out of view. */
  place(item: Item): DrawnArrow | null {
    const surface = this.#surface
    const [from, to] = [surface.x(item.lanes[0]!), surface.x(item.lanes[1] ?? item.lanes[0]!)]
    const direction = Math.sign(to - from) || 1
    const y1 = surface.y(item.atMs)
    const x1 = from + 3 * direction
    const arrow = item.arrived
      ? { item, x1, y1, x2: to - 4 * direction, y2: surface.y(item.endMs) }
      : { item, x1, y1, x2: from + (to === from ? 40 : (to - from) * 0.62), y2: y1 + 16 }
    return arrow.y2 < -10 || arrow.y1 > surface.height + 10 ? null : arrow
  }

  stroke(arrows: readonly DrawnArrow[], kind: string, tone: Tone): void {
    const { ctx } = this.#surface
    const detailed = this.drawn.length <= Arrows.detailedMax || tone === 'strong'
    ctx.save()
    ctx.globalAlpha = Arrows.#opacity(kind, tone, this.drawn.length)
    ctx.strokeStyle = ctx.fillStyle = this.#surface.colour(tone === 'strong' ? 'accent' : Arrows.colour(kind))
    ctx.lineWidth = tone === 'strong' ? 3 : detailed && kind !== 'delivered' ? 1.5 : 1
    ctx.setLineDash([...(Arrows.dashes[kind] ?? [])])
    ctx.beginPath()
    for (const { x1, y1, x2, y2 } of arrows) {
      ctx.moveTo(x1, y1)
      ctx.lineTo(x2, y2)
    }
    ctx.stroke()
    ctx.setLineDash([])
    if (detailed) for (const arrow of arrows) this.#ends(arrow, kind)
    ctx.restore()
  }

  /** What a message says, beside its beginning, where there is room. */
  label(found: ReadonlySet<Item> | null): void {
    if (this.drawn.length > Arrows.labelledMax) return
    const surface = this.#surface
    surface.ctx.font = surface.colour('smallFont')
    for (const { item, x1, y1, x2, y2 } of this.drawn) {
      if (found !== null && !found.has(item)) continue
      const widthPx = Math.min(Math.abs(x2 - x1), surface.columnPx) - 40
      const text = surface.cut(item.text, widthPx)
      const width = surface.ctx.measureText(text).width
      const x = x2 > x1 ? x1 + 16 : x1 - 16 - width
      const share = (16 + width / 2) / Math.max(1, Math.abs(x2 - x1))
      surface.label(text, x, y1 + (y2 - y1) * share - 7, widthPx, item.kind === 'delivered' ? 'soft' : Arrows.colour(item.kind))
    }
  }

  /** Thousands of lines over each other still let those show that did not arrive well. */
  static #opacity(kind: string, tone: Tone, count: number): number {
    if (tone !== 'plain') return tone === 'faint' ? 0.13 : 1
    return Math.min(1, Math.max(0.03, 240 / count) * (kind === 'delivered' ? 1 : 4))
  }

  static colour(kind: string): string {
    return /^(delivered|lost|unarrived|stalled|late|corrupted|truncated)$/.test(kind) ? kind : 'otherFate'
  }

  #ends({ item, x1, y1, x2, y2 }: DrawnArrow, kind: string): void {
    const { ctx } = this.#surface
    const angle = Math.atan2(y2 - y1, x2 - x1)
    ctx.save()
    ctx.translate(x2, y2)
    ctx.beginPath()
    if (item.arrived) {
      ctx.rotate(angle)
      ctx.moveTo(0, 0)
      ctx.lineTo(-8, -3.5)
      ctx.lineTo(-8, 3.5)
      ctx.fill()
    } else {
      ctx.lineWidth = 2
      for (const side of [-1, 1]) {
        ctx.moveTo(-4, -4 * side)
        ctx.lineTo(4, 4 * side)
      }
      ctx.stroke()
    }
    ctx.restore()
    ctx.save()
    ctx.translate((x1 + x2) / 2, (y1 + y2) / 2)
    ctx.rotate(angle)
    this.#badge(kind)
    ctx.restore()
  }

  /** In the middle of the line: what happened to it, told by shape as well as by colour. */
  #badge(kind: string): void {
    const { ctx } = this.#surface
    ctx.beginPath()
    ctx.lineWidth = 1.8
    if (kind === 'corrupted') for (const [i, x] of [-8, -4, 0, 4, 8].entries()) ctx.lineTo(x, i % 2 === 0 ? 0 : i === 1 ? -6 : 6)
    if (kind === 'truncated' || kind === 'stalled') {
      const lean = kind === 'truncated' ? 3 : 0
      for (const x of [-2.5, 2.5]) {
        ctx.moveTo(x - lean, 6)
        ctx.lineTo(x + lean, -6)
      }
    }
    if (kind === 'late') ctx.arc(0, 0, 3.5, 0, 7)
    ctx.stroke()
  }
}
