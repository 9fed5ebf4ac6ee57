// What the drawing classes draw on: a canvas, where lanes stand on it, colours, and labels that keep out of each other's way. Part of the page.

import type { TimeScale } from './time-scale.ts'

export class Surface {
  readonly ctx: CanvasRenderingContext2D
  readonly scale: TimeScale
  readonly width: number
  readonly height: number
  /** What of the whole is at the top and the left edge. */
  readonly topPx: number
  readonly leftPx: number
  readonly columnPx: number
  readonly #colours: ReadonlyMap<string, string>
  readonly #taken: Map<number, [number, number][]> = new Map<number, [number, number][]>()

  static readonly gutterPx: number = 84
  static readonly laneInsetPx: number = 26
  static readonly columnPxMin: number = 150
  /** Above the first moment. */
  static readonly headPx: number = 22
  static readonly rowPx: number = 15

  constructor(ctx: CanvasRenderingContext2D, scale: TimeScale, box: Box, lanes: number, colours: ReadonlyMap<string, string>) {
    this.ctx = ctx
    this.scale = scale
    this.width = box.width
    this.height = box.height
    this.topPx = box.topPx
    this.leftPx = box.leftPx
    this.columnPx = Surface.column(box.width, lanes)
    this.#colours = colours
  }

  static column(width: number, lanes: number): number {
    return Math.max(Surface.columnPxMin, (width - Surface.gutterPx - Surface.laneInsetPx) / Math.max(1, lanes))
  }

  x(lane: number): number {
    return Math.round(Surface.gutterPx + Surface.laneInsetPx + lane * this.columnPx - this.leftPx)
  }

  y(ms: number): number {
    return Surface.headPx + this.scale.y(ms) - this.topPx
  }

  /** The moment at a height of the canvas. */
  ms(y: number): number {
    return this.scale.ms(y + this.topPx - Surface.headPx)
  }

  colour(name: string): string {
    return this.#colours.get(name) ?? this.#colours.get('ink')!
  }

  /** False: the place is taken. `y`: the middle of the line. */
  claim(x0: number, x1: number, y: number): boolean {
    const rows = [Math.floor((y - 6) / Surface.rowPx), Math.floor((y + 6) / Surface.rowPx)]
    for (const row of rows) {
      if (this.#taken.get(row)?.some(([from, to]) => from < x1 && to > x0) === true) return false
    }
    for (const row of new Set(rows)) {
      const spans = this.#taken.get(row) ?? []
      spans.push([x0, x1])
      this.#taken.set(row, spans)
    }
    return true
  }

  /** Writes a line that has room, cut off at `widthPx`. False: there was none. */
  label(text: string, x: number, y: number, widthPx: number, colour: string): boolean {
    if (y < 8 || y > this.height - 4 || widthPx < 24) return false
    const cut = this.cut(text, widthPx)
    const width = this.ctx.measureText(cut).width
    if (!this.claim(x - 2, x + width + 2, y)) return false
    this.ctx.textBaseline = 'middle'
    this.ctx.lineJoin = 'round'
    this.ctx.lineWidth = 4
    this.ctx.strokeStyle = this.colour('paper')
    this.ctx.strokeText(cut, x, y)
    this.ctx.fillStyle = this.colour(colour)
    this.ctx.fillText(cut, x, y)
    return true
  }

  cut(text: string, widthPx: number): string {
    let kept = text.slice(0, Math.ceil(widthPx / 3))
    let width = this.ctx.measureText(kept).width
    if (kept.length === text.length && width <= widthPx) return text
    while (kept.length > 1 && width > widthPx - 9) {
      kept = kept.slice(0, Math.min(kept.length - 1, Math.ceil((kept.length * (widthPx - 9)) / width)))
      width = this.ctx.measureText(kept).width
    }
    return `${kept}…`
  }
}

export interface Box {
  readonly width: number
  readonly height: number
  readonly topPx: number
  readonly leftPx: number
}
