// The narrow strip beside the chart: the whole run from top to bottom, how busy it was, crashes, faults, and which part is in view. A click goes there. Part of the page.

import type { Story } from './story.ts'
import type { TimeScale } from './time-scale.ts'

export class Overview {
  readonly #canvas: HTMLCanvasElement
  readonly #story: Story
  readonly #hues: ReadonlyMap<string, number>

  constructor(canvas: HTMLCanvasElement, story: Story, hues: ReadonlyMap<string, number>, goTo: (share: number) => void) {
    this.#canvas = canvas
    this.#story = story
    this.#hues = hues
    const go = (event: PointerEvent): void => {
      if (event.buttons === 0) return
      const box = canvas.getBoundingClientRect()
      goTo(Math.max(0, Math.min(1, (event.clientY - box.top) / box.height)))
    }
    canvas.addEventListener('pointerdown', (event) => {
      canvas.setPointerCapture(event.pointerId)
      go(event)
    })
    canvas.addEventListener('pointermove', go)
  }

  /** `fromShare` to `toShare`: what of the chart's height is in view. */
  draw(scale: TimeScale, colours: ReadonlyMap<string, string>, fromShare: number, toShare: number): void {
    const canvas = this.#canvas
    const { clientWidth: width, clientHeight: height } = canvas
    const density = Math.min(2, globalThis.devicePixelRatio)
    canvas.width = Math.round(width * density)
    canvas.height = Math.round(height * density)
    const ctx = canvas.getContext('2d')!
    ctx.setTransform(density, 0, 0, density, 0, 0)
    const story = this.#story
    const y = (ms: number): number => (scale.heightPx === 0 ? 0 : (scale.y(ms) / scale.heightPx) * height)
    const colour = (name: string): string => colours.get(name)!
    for (const item of story.shown) {
      if (item.type !== 'fault') continue
      ctx.fillStyle = colour(`band${this.#hues.get(item.kind) ?? 0}`)
      ctx.globalAlpha = 0.25
      ctx.fillRect(0, y(item.atMs), width, Math.max(1, y(item.endMs) - y(item.atMs)))
    }
    ctx.globalAlpha = 1
    this.#busy(ctx, y, width, height, colour('overviewBar'))
    for (const item of story.shown) {
      const isFound = story.found?.has(item) === true
      if (item.kind !== 'crash' && !isFound) continue
      ctx.fillStyle = colour(isFound ? 'accent' : 'crash')
      ctx.fillRect(isFound ? width - 8 : 0, y(item.atMs) - 1, 8, 2)
    }
    const line = (ms: number, name: string): void => {
      ctx.fillStyle = colour(name)
      ctx.fillRect(0, Math.min(height - 3, y(ms)), width, 3)
    }
    if (story.recording.healedMs !== null) line(story.recording.healedMs, 'healed')
    if (story.recording.violation !== null) line(story.recording.endMs, 'violation')
    ctx.strokeStyle = colour('accent')
    ctx.fillStyle = colour('accent')
    const top = fromShare * height
    const tall = Math.max(4, (toShare - fromShare) * height)
    ctx.globalAlpha = 0.12
    ctx.fillRect(0, top, width, tall)
    ctx.globalAlpha = 1
    ctx.lineWidth = 1.5
    ctx.strokeRect(1, top + 1, width - 2, Math.max(2, tall - 2))
  }

  #busy(ctx: CanvasRenderingContext2D, y: (ms: number) => number, width: number, height: number, colour: string): void {
    const rows = new Float64Array(Math.ceil(height / 2) + 1)
    for (const item of this.#story.shown) {
      if (item.type === 'fault') continue
      const row = Math.max(0, Math.min(rows.length - 1, Math.floor(y(item.atMs) / 2)))
      rows[row] = rows[row]! + 1
    }
    const most = rows.reduce((a, b) => Math.max(a, b), 1)
    ctx.fillStyle = colour
    for (const [row, count] of rows.entries()) {
      const wide = Math.sqrt(count / most) * (width - 12)
      ctx.fillRect(width / 2 - wide / 2, row * 2, wide, 1.5)
    }
  }
}
