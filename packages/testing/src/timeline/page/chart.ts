// The big canvas: what is in view, drawn once per frame, and what lies under the pointer. Decides the order of layers. Part of the page.

import { Arrows, type DrawnArrow } from './arrows.ts'
import { Backdrop, type DrawnBand } from './backdrop.ts'
import { Marks } from './marks.ts'
import type { Item, Story } from './story.ts'
import { Surface, type Box } from './surface.ts'
import type { TimeScale } from './time-scale.ts'

export interface Chosen {
  readonly selected: Item | null
  readonly hovered: Item | null
}

export class Chart {
  readonly canvas: HTMLCanvasElement
  readonly #story: Story
  readonly #hues: ReadonlyMap<string, number>
  #surface: Surface | null = null
  #arrows: Arrows | null = null
  #marks: Marks | null = null
  #backdrop: Backdrop | null = null

  constructor(canvas: HTMLCanvasElement, story: Story, hues: ReadonlyMap<string, number>) {
    this.canvas = canvas
    this.#story = story
    this.#hues = hues
  }

  draw(scale: TimeScale, box: Box, colours: ReadonlyMap<string, string>, chosen: Chosen): void {
    const ctx = this.canvas.getContext('2d')!
    const density = Math.min(2, globalThis.devicePixelRatio)
    const [width, height] = [Math.round(box.width * density), Math.round(box.height * density)]
    if (this.canvas.width !== width) this.canvas.width = width
    if (this.canvas.height !== height) this.canvas.height = height
    ctx.setTransform(density, 0, 0, density, 0, 0)
    ctx.clearRect(0, 0, box.width, box.height)
    const story = this.#story
    const surface = new Surface(ctx, scale, box, story.lanes.length, colours)
    const [fromMs, toMs] = [surface.ms(-60), surface.ms(box.height + 60)]
    const inView = story.shown.filter((item) => item.atMs <= toMs && item.endMs >= fromMs)
    const only = (type: Item['type']): Item[] => inView.filter((item) => item.type === type)
    const [backdrop, arrows, marks] = [new Backdrop(surface, story), new Arrows(surface), new Marks(surface)]
    backdrop.drawGround(only('fault'), this.#hues)
    arrows.draw(only('message'), story.found)
    marks.draw(only('point'), story.found)
    backdrop.labelBands(this.#hues)
    arrows.label(story.found)
    backdrop.drawAxis()
    this.#surface = surface
    this.#backdrop = backdrop
    this.#arrows = arrows
    this.#marks = marks
    for (const item of [chosen.hovered, chosen.selected]) if (item !== null) this.#emphasise(item)
    this.#tell()
  }

  /** The nearest mark or message, else the smallest band there. */
  at(x: number, y: number): Item | null {
    let [best, distance] = [null as Item | null, 9]
    for (const mark of this.#marks?.drawn ?? []) {
      const away = Math.hypot(mark.x - x, mark.y - y)
      if (away < distance) [best, distance] = [mark.item, away]
    }
    if (best !== null) return best
    distance = 6
    for (const arrow of this.#arrows?.drawn ?? []) {
      const away = Chart.#distance(arrow, x, y)
      if (away < distance) [best, distance] = [arrow.item, away]
    }
    if (best !== null) return best
    const under = (this.#backdrop?.bands ?? []).filter(
      (band) => x >= band.x && x <= band.x + band.width && y >= band.y && y <= band.y + band.height,
    )
    return (
      under.reduce<DrawnBand | null>((least, band) => (least === null || band.height < least.height ? band : least), null)?.item ?? null
    )
  }

  #emphasise(item: Item): void {
    const surface = this.#surface!
    const { ctx } = surface
    ctx.strokeStyle = surface.colour('accent')
    ctx.lineWidth = 2
    if (item.type === 'message') {
      const arrow = this.#arrows!.place(item)
      if (arrow !== null) this.#arrows!.stroke([arrow], item.kind, 'strong')
    } else if (item.type === 'point') {
      const mark = this.#marks!.drawn.find((drawn) => drawn.item === item)
      if (mark === undefined) return
      this.#marks!.shape(item.kind, mark.x, mark.y, 1.4)
      ctx.beginPath()
      ctx.arc(mark.x, mark.y, 11, 0, 7)
      ctx.strokeStyle = surface.colour('accent')
      ctx.stroke()
    } else {
      for (const band of this.#backdrop!.bands) if (band.item === item) ctx.strokeRect(band.x, band.y, band.width, band.height)
    }
  }

  /** What was drawn, for tests and other programs that cannot see. */
  #tell(): void {
    const arrows = this.#arrows!.drawn
    const counts = { marks: this.#marks!.drawn.length, arrows: arrows.length, crosses: arrows.filter(({ item }) => !item.arrived).length }
    const bands = new Set(this.#backdrop!.bands.map(({ item }) => item)).size
    for (const [name, count] of Object.entries({ ...counts, bands })) this.canvas.dataset[name] = String(count)
  }

  static #distance({ x1, y1, x2, y2 }: DrawnArrow, x: number, y: number): number {
    const [dx, dy] = [x2 - x1, y2 - y1]
    const share = Math.max(0, Math.min(1, ((x - x1) * dx + (y - y1) * dy) / Math.max(1, dx * dx + dy * dy)))
    return Math.hypot(x1 + share * dx - x, y1 + share * dy - y)
  }
}
