// What messages and points stand on: bands of faults, lanes with their gaps, folded quiet, the axis of time, where the faults end and what broke. Part of the
// page.

import type { Item, Story } from './story.ts'
import type { Surface } from './surface.ts'
import { formatTime } from './time-scale.ts'

export interface DrawnBand {
  readonly item: Item
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
}

interface Rule {
  readonly ms: number
  readonly text: string
  readonly colour: string
  readonly dash: readonly number[]
  readonly widthPx: number
}

export class Backdrop {
  readonly bands: DrawnBand[] = []
  readonly #surface: Surface
  readonly #story: Story

  constructor(surface: Surface, story: Story) {
    this.#surface = surface
    this.#story = story
  }

  /** Below everything else. `hues`: by kind of fault. */
  drawGround(faults: readonly Item[], hues: ReadonlyMap<string, number>): void {
    for (const item of faults) this.#band(item, hues.get(item.kind) ?? 0)
    this.#folds()
    for (const lane of this.#story.lanes.keys()) this.#lane(lane)
    for (const gap of this.#story.gaps) this.#gap(gap.lane, gap.fromMs, gap.toMs)
    for (const rule of this.#rules()) this.#line(rule)
  }

  /** The words of bands, once marks have taken their places. */
  labelBands(hues: ReadonlyMap<string, number>): void {
    const surface = this.#surface
    surface.ctx.font = surface.colour('boldFont')
    const told = new Set<Item>()
    for (const { item, x, y, width, height } of this.bands) {
      if (told.has(item)) continue
      told.add(item)
      const text = surface.cut(item.kind, surface.columnPx - 60)
      const left = Math.min(x + width, surface.width) - surface.ctx.measureText(text).width - 8
      const bottom = Math.min(y + height, surface.height)
      for (let at = Math.max(y, 0) + 10; at < bottom; at += 16) {
        if (surface.label(text, left, at, surface.columnPx - 60, `band${hues.get(item.kind) ?? 0}`)) break
      }
    }
  }

  /** Above everything else. */
  drawAxis(): void {
    const { violation } = this.#story.recording
    this.#axis()
    for (const rule of this.#rules()) this.#tag(rule)
    if (violation !== null) this.#verdict(violation.rule, violation.text)
  }

  /** The moments that a line goes across all lanes for. */
  #rules(): Rule[] {
    const { healedMs, endMs, violation } = this.#story.recording
    const healed = { ms: healedMs ?? 0, text: 'all faults end', colour: 'healed', dash: [7, 4], widthPx: 1.6 }
    const end = { ms: endMs, text: 'end', colour: 'soft', dash: [], widthPx: 1.6 }
    const broken = { ms: endMs, text: `violation of ${violation?.rule ?? ''}`, colour: 'violation', dash: [], widthPx: 3 }
    return [...(healedMs === null ? [] : [healed]), violation === null ? end : broken]
  }

  #band(item: Item, hue: number): void {
    const surface = this.#surface
    const [top, bottom] = [surface.y(item.atMs), surface.y(item.endMs)]
    if (bottom < 0 || top > surface.height) return
    const { ctx } = surface
    for (let i = 0; i < item.lanes.length; i++) {
      const first = item.lanes[i]!
      while (item.lanes[i + 1] === item.lanes[i]! + 1) i++
      const x = surface.x(first) - 20
      const width = (item.lanes[i]! - first + 1) * surface.columnPx - 6
      const height = Math.max(2, bottom - top)
      this.bands.push({ item, x, y: top, width, height })
      ctx.fillStyle = surface.colour(`band${hue}`)
      ctx.globalAlpha = 0.1
      ctx.fillRect(x, top, width, height)
      ctx.globalAlpha = 0.75
      ctx.fillRect(x, top, 3, height)
      ctx.fillRect(x, top, width, 1)
      ctx.fillRect(x, bottom - 1, width, 1)
      ctx.globalAlpha = 1
    }
  }

  #folds(): void {
    const surface = this.#surface
    surface.ctx.fillStyle = surface.colour('fold')
    for (const piece of surface.scale.pieces(surface.topPx - 80, surface.topPx + surface.height)) {
      const top = surface.y(piece.fromMs)
      if (piece.folded) surface.ctx.fillRect(0, top + 12, surface.width, Math.max(0, piece.bottomPx - piece.topPx - 24))
    }
  }

  #lane(lane: number): void {
    const { ctx, height } = this.#surface
    const bottom = Math.min(height, this.#surface.y(this.#story.endMs))
    ctx.fillStyle = this.#surface.colour('lane')
    ctx.fillRect(this.#surface.x(lane) - 1, 0, 2, bottom)
  }

  #gap(lane: number, fromMs: number, toMs: number): void {
    const surface = this.#surface
    const { ctx } = surface
    const [top, bottom] = [Math.max(-10, surface.y(fromMs)), Math.min(surface.height + 10, surface.y(toMs))]
    if (bottom <= top) return
    const x = surface.x(lane) - 7
    ctx.save()
    ctx.beginPath()
    ctx.rect(x, top, 14, bottom - top)
    ctx.fillStyle = surface.colour('paper')
    ctx.fill()
    ctx.clip()
    ctx.strokeStyle = surface.colour('down')
    ctx.lineWidth = 1
    ctx.beginPath()
    // Hatched in step with the page, so that it does not swim while scrolling.
    const phase = (Math.round(surface.y(0)) % 6) - 6
    for (let y = top - ((((top - phase) % 6) + 6) % 6); y < bottom + 14; y += 6) {
      ctx.moveTo(x, y)
      ctx.lineTo(x + 14, y - 14)
    }
    ctx.stroke()
    ctx.restore()
    ctx.strokeStyle = surface.colour('down')
    ctx.lineWidth = 1
    ctx.strokeRect(x + 0.5, top, 13, bottom - top)
    surface.claim(x, x + 14, (top + bottom) / 2)
    ctx.font = surface.colour('smallFont')
    if (bottom - top > 40) surface.label('down', x + 20, (top + bottom) / 2, 60, 'soft')
  }

  #axis(): void {
    const surface = this.#surface
    const { ctx, scale } = surface
    ctx.fillStyle = surface.colour('paper')
    ctx.fillRect(0, 0, 72, surface.height)
    ctx.font = surface.colour('monoFont')
    ctx.textBaseline = 'middle'
    let lastY = -100
    const write = (text: string, y: number, colour: string): void => {
      ctx.fillStyle = surface.colour(colour)
      ctx.fillText(text, 66 - ctx.measureText(text).width, y)
      lastY = y
    }
    const stepMs = Backdrop.#roundStep(44 / scale.pxPerMs)
    for (const piece of scale.pieces(surface.topPx - Math.max(100, 2 * surface.height), surface.topPx + surface.height)) {
      if (piece.folded) {
        const y = (surface.y(piece.fromMs) + surface.y(piece.toMs)) / 2
        if (y - lastY < 16) continue
        write(`⋮ ${Backdrop.#duration(piece.toMs - piece.fromMs)}`, y, 'soft')
        continue
      }
      for (let ms = Math.ceil(piece.fromMs / stepMs) * stepMs; ms < piece.toMs; ms += stepMs) {
        const y = surface.y(ms)
        if (y - lastY < 32 || y < -20) continue
        write(formatTime(ms, stepMs), y, 'ink')
        ctx.fillStyle = surface.colour('grid')
        ctx.fillRect(70, y, surface.width, 1)
      }
    }
  }

  #line({ ms, colour, dash, widthPx }: Rule): void {
    const { ctx, width } = this.#surface
    const y = this.#surface.y(ms)
    ctx.strokeStyle = this.#surface.colour(colour)
    ctx.lineWidth = widthPx
    ctx.setLineDash([...dash])
    ctx.beginPath()
    ctx.moveTo(72, y)
    ctx.lineTo(width, y)
    ctx.stroke()
    ctx.setLineDash([])
  }

  #tag({ ms, text, colour }: Rule): void {
    const surface = this.#surface
    const { ctx } = surface
    const y = surface.y(ms)
    ctx.font = surface.colour('boldFont')
    const words = `${text} · ${formatTime(ms, 1)}`
    const width = ctx.measureText(words).width + 16
    ctx.fillStyle = surface.colour(colour)
    ctx.fillRect(surface.width - width - 4, y - 9, width, 18)
    ctx.fillStyle = surface.colour('paper')
    ctx.textBaseline = 'middle'
    ctx.fillText(words, surface.width - width + 4, y)
  }

  /** The text of the violation below the end of time. */
  #verdict(rule: string, text: string): void {
    const surface = this.#surface
    const { ctx } = surface
    const top = surface.y(this.#story.recording.endMs) + 16
    if (top > surface.height) return
    const [left, width] = [80, surface.width - 92]
    ctx.fillStyle = surface.colour('violationPaper')
    ctx.fillRect(left, top, width, 82)
    ctx.fillStyle = surface.colour('violation')
    ctx.fillRect(left, top, 4, 82)
    ctx.textBaseline = 'middle'
    ctx.font = surface.colour('boldFont')
    ctx.fillText(rule, left + 16, top + 16)
    ctx.font = surface.colour('font')
    ctx.fillStyle = surface.colour('ink')
    const words = text.replace(/\s+/g, ' ').split(' ')
    for (let row = 0; row < 3 && words.length > 0; row++) {
      let line = words.shift()!
      while (words.length > 0 && ctx.measureText(`${line} ${words[0]!}`).width < width - 40) line += ` ${words.shift()!}`
      ctx.fillText(
        surface.cut(row === 2 && words.length > 0 ? `${line} ${words.join(' ')}` : line, width - 32),
        left + 16,
        top + 36 + row * 17,
      )
    }
  }

  static #duration(ms: number): string {
    return ms >= 1000 ? `${(ms / 1000).toFixed(1)} s` : `${ms.toFixed(ms < 10 ? 1 : 0)} ms`
  }

  /** 1, 2 or 5 times a power of ten. */
  static #roundStep(ms: number): number {
    const power = 10 ** Math.floor(Math.log10(ms))
    const times = ms / power
    return power * (times <= 1 ? 1 : times <= 2 ? 2 : times <= 5 ? 5 : 10)
  }
}
