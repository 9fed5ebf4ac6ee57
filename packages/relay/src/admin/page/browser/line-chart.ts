// The last minutes of one measure as lines: an SVG drawing with three marks on its axis. The heading tells the newest values, or those under the pointer or the
// cursor that the arrow keys move. Seconds without a value leave a gap. Read by charts.ts. Rules: PG-1, PG-2.

import type { Sample } from './answers.ts'
import { element, setText, shape } from './elements.ts'
import { roundAbove } from './nice-scale.ts'
import { spanText } from './shown-text.ts'

export interface Series {
  /** Empty when the chart has one series only. */
  readonly label: string
  value(sample: Sample): number | null
}

export interface Measure {
  readonly title: string
  readonly series: readonly Series[]
  /** The axis never ends below. */
  readonly least: number
  readonly isBytes?: boolean
  text(value: number): string
}

/** A relay that just started has little to show: the shortest that holds everything is shown. */
const WINDOWS_MS: readonly number[] = [2 * 60_000, 4 * 60_000, 10 * 60_000]
const timeMarks = [
  [0, 'end'],
  [0.5, 'middle'],
  [1, 'start'],
] as const
const HEIGHT_PX = 116
const TOP_PX = 8
const FOOT_PX = 18
const AXIS_PX = 58
const RIGHT_PX = 6

export class LineChart {
  private readonly measure: Measure
  private readonly drawing: SVGSVGElement
  private readonly values: HTMLElement
  private readonly when: HTMLElement
  private samples: readonly Sample[] = []
  private everyMs = 1_000
  private windowMs = WINDOWS_MS[0]!
  private width = 0
  /** Index of the sample that the heading tells; null: the newest. */
  private cursor: number | null = null

  constructor(host: HTMLElement, measure: Measure) {
    this.measure = measure
    this.values = element('span', { class: 'values' })
    this.when = element('span', { class: 'when' })
    this.drawing = shape('svg', { height: HEIGHT_PX, tabindex: 0, role: 'img' })
    const heading = element('h3', {}, element('span', {}, measure.title), this.when, this.values)
    host.append(element('figure', {}, heading, this.drawing))
    this.drawing.addEventListener('keydown', (event) => this.press(event))
    this.drawing.addEventListener('pointermove', ({ offsetX }) => this.point(this.at(offsetX)))
    this.drawing.addEventListener('pointerleave', () => this.point(null))
    this.drawing.addEventListener('blur', () => this.point(null))
    new ResizeObserver(([entry]) => this.resize(entry!.contentRect.width)).observe(this.drawing)
  }

  show(samples: readonly Sample[], everyMs: number): void {
    // The cursor stays with its sample while the chart moves on.
    const held = this.cursor === null ? null : this.samples[this.cursor]!.atMs
    this.samples = samples
    this.everyMs = everyMs
    const spanMs = (samples.at(-1)?.atMs ?? 0) - (samples[0]?.atMs ?? 0)
    this.windowMs = WINDOWS_MS.find((ms) => ms >= spanMs) ?? WINDOWS_MS.at(-1)!
    const index = held === null ? -1 : samples.findIndex(({ atMs }) => atMs >= held)
    this.cursor = index === -1 ? null : index
    this.draw()
  }

  private resize(width: number): void {
    if (width === this.width) return
    this.width = width
    this.draw()
  }

  private point(cursor: number | null): void {
    this.cursor = cursor
    this.draw()
  }

  private press(event: KeyboardEvent): void {
    const steps: Readonly<Record<string, number>> = {
      ArrowLeft: -1,
      ArrowRight: 1,
      PageUp: -30,
      PageDown: 30,
      Home: -Infinity,
      End: Infinity,
    }
    const step = steps[event.key]
    if (step === undefined || this.samples.length === 0 || event.altKey || event.ctrlKey || event.metaKey) return
    event.preventDefault()
    const last = this.samples.length - 1
    this.point(Math.max(0, Math.min(last, (this.cursor ?? last) + step)))
  }

  /** The sample nearest to a place in the drawing. */
  private at(x: number): number | null {
    let best: number | null = null
    let bestPx = Infinity
    this.samples.forEach((sample, index) => {
      const px = Math.abs(this.x(sample.atMs) - x)
      if (px < bestPx) [best, bestPx] = [index, px]
    })
    return best
  }

  private x(atMs: number): number {
    const newest = this.samples.at(-1)?.atMs ?? 0
    return this.width - RIGHT_PX - ((newest - atMs) / this.windowMs) * (this.width - AXIS_PX - RIGHT_PX)
  }

  private draw(): void {
    this.tell()
    if (this.width === 0) return
    const { series, least, isBytes = false, text } = this.measure
    const values = this.samples.flatMap((sample) => series.map(({ value }) => value(sample) ?? 0))
    const top = roundAbove(Math.max(0, ...values), least, isBytes)
    const floor = HEIGHT_PX - FOOT_PX
    const y = (value: number): number => floor - (value / top) * (floor - TOP_PX)
    const made: SVGElement[] = []
    for (const mark of [0, top / 2, top]) {
      made.push(shape('line', { class: mark === 0 ? 'floor' : 'grid', x1: AXIS_PX, x2: this.width - RIGHT_PX, y1: y(mark), y2: y(mark) }))
      made.push(shape('text', { class: 'mark', x: AXIS_PX - 6, y: y(mark) + 3.5, 'text-anchor': 'end' }, text(mark)))
    }
    for (const [part, anchor] of timeMarks) {
      const x = AXIS_PX + (1 - part) * (this.width - AXIS_PX - RIGHT_PX)
      const words = part === 0 ? 'now' : `−${(part * this.windowMs) / 60_000} min`
      made.push(shape('text', { class: 'mark', x, y: HEIGHT_PX - 4, 'text-anchor': anchor }, words))
    }
    series.forEach((one, index) => {
      const { line, dots } = this.paths(one, y)
      made.push(shape('path', { class: `line line${index}`, d: line }), shape('path', { class: `line dots line${index}`, d: dots }))
    })
    made.push(...this.cursorMarks(y))
    this.drawing.replaceChildren(...made)
  }

  /** The runs of values without a gap between them, and what stands alone as dots: a line of no length with round ends. */
  private paths({ value }: Series, y: (value: number) => number): { readonly line: string; readonly dots: string } {
    const runs: string[][] = []
    let before: number | null = null
    for (const sample of this.samples) {
      const now = value(sample)
      if (now === null) continue
      const joins = before !== null && sample.atMs - before < 2.5 * this.everyMs
      if (!joins) runs.push([])
      runs.at(-1)!.push(`${this.x(sample.atMs).toFixed(1)} ${y(now).toFixed(1)}`)
      before = sample.atMs
    }
    const line = runs.filter((run) => run.length > 1).map((run) => `M${run.join('L')}`)
    const dots = runs.filter((run) => run.length === 1).map(([place]) => `M${place!}h0`)
    return { line: line.join(''), dots: dots.join('') }
  }

  private cursorMarks(y: (value: number) => number): SVGElement[] {
    const sample = this.cursor === null ? undefined : this.samples[this.cursor]
    if (sample === undefined) return []
    const x = this.x(sample.atMs)
    const dots = this.measure.series.flatMap(({ value }, index) => {
      const now = value(sample)
      return now === null ? [] : [shape('circle', { class: `dot line${index}`, cx: x, cy: y(now), r: 3 })]
    })
    return [shape('line', { class: 'cursor', x1: x, x2: x, y1: TOP_PX, y2: HEIGHT_PX - FOOT_PX }), ...dots]
  }

  private tell(): void {
    const { title, series, text } = this.measure
    const sample = this.samples[this.cursor ?? this.samples.length - 1]
    const newest = this.samples.at(-1)
    const parts = series.map(({ label, value }, index) => {
      const now = sample === undefined ? null : value(sample)
      return { index, words: `${label} ${now === null ? '–' : text(now)}`.trim() }
    })
    const ago = this.cursor === null || sample === undefined || newest === undefined ? '' : `${spanText(newest.atMs - sample.atMs)} ago`
    setText(this.when, ago)
    if (this.values.childElementCount !== parts.length)
      this.values.replaceChildren(...parts.map(({ index }) => element('span', { class: series.length > 1 ? `line${index}` : '' })))
    parts.forEach(({ index, words }) => setText(this.values.children[index]!, words))
    this.drawing.setAttribute('aria-label', `${title}${ago === '' ? '' : `, ${ago}`}: ${parts.map(({ words }) => words).join(', ')}`)
  }
}
