// The page: ties the chart, the overview, the legend and the panel to the recording, to scrolling, zooming, searching and keys. Decides what is in view at first,
// and what each key does. Runs in a browser; bundled by
// scripts/timeline-script.ts.

import { Chart } from './chart.ts'
import { Legend } from './legend.ts'
import { Overview } from './overview.ts'
import { SidePanel } from './side-panel.ts'
import { Story, type Item } from './story.ts'
import { Surface } from './surface.ts'
import { TimeScale } from './time-scale.ts'

export class Page {
  readonly #story: Story
  readonly #legend: Legend
  readonly #chart: Chart
  readonly #overview: Overview
  readonly #panel: SidePanel
  readonly #scroller: HTMLElement = Page.element('scroller')
  readonly #heads: HTMLElement = Page.element('heads')
  readonly #tip: HTMLElement = Page.element('tip')
  #colours: ReadonlyMap<string, string> = new Map<string, string>()
  #moments: Float64Array
  #scale: TimeScale
  #folds = true
  #selected: Item | null = null
  #hovered: Item | null = null
  #frame = 0

  /** A gap between two events is never taller. */
  static readonly foldPx: number = 64
  /** How many of the last items the first view shows. */
  static readonly firstViewItems: number = 45
  /** Below the last moment: room for the violation. */
  static readonly footPx: number = 116
  /** Browsers bound the height of an element. */
  static readonly heightPxMax: number = 8_000_000
  static readonly colourNames: string =
    'ink soft paper grid lane fold down accent start crash commit edit event delivered lost unarrived stalled late corrupted truncated ' +
    'otherFate healed violation violationPaper overviewBar band0 band1 band2 band3 band4 band5 band6 band7'

  constructor() {
    this.#story = new Story(JSON.parse(Page.element('recording').textContent))
    this.#moments = this.#story.moments()
    this.#scale = new TimeScale(this.#moments, 1, Page.foldPx)
    this.#legend = new Legend(Page.element('legend'), this.#story, () => this.#filtered())
    this.#chart = new Chart(Page.element('chart') as HTMLCanvasElement, this.#story, this.#legend.hues)
    this.#overview = new Overview(Page.element('overview') as HTMLCanvasElement, this.#story, this.#legend.hues, (share) => {
      this.#scroller.scrollTop = share * this.#scale.heightPx - this.#scroller.clientHeight / 2
    })
    this.#panel = new SidePanel(Page.element('detail'), Page.element('around'), this.#story, (item) => this.#select(item))
  }

  static element(id: string): HTMLElement {
    return document.getElementById(id)!
  }

  start(): void {
    this.#legend.build()
    for (const name of this.#story.documents) {
      const option = document.createElement('option')
      option.value = option.textContent = name
      Page.element('document').append(option)
    }
    for (const name of this.#story.lanes) {
      const head = document.createElement('div')
      head.setAttribute('role', 'listitem')
      head.textContent = head.title = name
      this.#heads.append(head)
    }
    const dark = globalThis.matchMedia('(prefers-color-scheme: dark)')
    dark.addEventListener('change', () => this.#recolour())
    this.#recolour()
    this.#listen()
    this.#listenToPointer()
    this.#panel.show(null)
    this.#firstView()
  }

  // ---- what is in view

  #recolour(): void {
    const style = getComputedStyle(document.documentElement)
    const colours = new Map(Page.colourNames.split(' ').map((name) => [name, style.getPropertyValue(`--${name}`).trim()]))
    const family = style.getPropertyValue('--family')
    for (const [name, font] of [
      ['font', `12px ${family}`],
      ['smallFont', `11px ${family}`],
      ['boldFont', `600 11.5px ${family}`],
    ] as const) {
      colours.set(name, font)
    }
    colours.set('monoFont', `11px ${style.getPropertyValue('--mono')}`)
    this.#colours = colours
    this.#legend.paint(colours)
    this.#redraw()
  }

  #firstView(): void {
    const { shown } = this.#story
    const first = shown[Math.max(0, shown.length - Page.firstViewItems)]
    const room = this.#scroller.clientHeight - Page.footPx - 30
    this.#rescale(TimeScale.fit(this.#moments, first?.atMs ?? 0, room, this.#fold()))
    this.#scroller.scrollTop = this.#scale.heightPx
  }

  #fitAll(): void {
    this.#rescale(this.#leastScale())
    this.#scroller.scrollTop = 0
  }

  #leastScale(): number {
    const room = this.#scroller.clientHeight - Page.footPx - 30
    return TimeScale.fit(this.#moments, this.#story.startMs, Math.max(100, room), this.#fold())
  }

  #fold(): number {
    return this.#folds ? Page.foldPx : Infinity
  }

  #rescale(pxPerMs: number): void {
    const most = TimeScale.fit(this.#moments, this.#story.startMs, Page.heightPxMax, this.#fold())
    this.#scale = new TimeScale(this.#moments, Math.max(this.#leastScale(), Math.min(pxPerMs, most)), this.#fold())
    const { gutterPx, laneInsetPx, columnPxMin } = Surface
    const spacer = Page.element('spacer')
    spacer.style.height = `${this.#scale.heightPx + Surface.headPx + Page.footPx}px`
    spacer.style.width = `${gutterPx + laneInsetPx + this.#story.lanes.length * columnPxMin}px`
    this.#redraw()
  }

  /** `anchorPx`: this height of the view keeps its moment. */
  #zoom(factor: number, anchorPx: number): void {
    const { headPx } = Surface
    const anchorMs = this.#scale.ms(this.#scroller.scrollTop + anchorPx - headPx)
    this.#rescale(this.#scale.pxPerMs * factor)
    this.#scroller.scrollTop = this.#scale.y(anchorMs) + headPx - anchorPx
  }

  #zoomByKey(factor: number): void {
    const { headPx } = Surface
    const chosen = this.#selected === null ? -1 : this.#scale.y(this.#selected.atMs) + headPx - this.#scroller.scrollTop
    this.#zoom(factor, chosen >= 0 && chosen <= this.#scroller.clientHeight ? chosen : this.#scroller.clientHeight / 2)
  }

  /** After filters, the search or folding changed: the moment in the middle stays. */
  #filtered(): void {
    const middlePx = this.#scroller.clientHeight / 2
    const { headPx } = Surface
    const middleMs = this.#scale.ms(this.#scroller.scrollTop + middlePx - headPx)
    this.#story.refresh()
    this.#moments = this.#story.moments()
    if (this.#selected !== null && !this.#story.shown.includes(this.#selected)) this.#selected = null
    this.#rescale(this.#scale.pxPerMs)
    this.#scroller.scrollTop = this.#scale.y(middleMs) + headPx - middlePx
    this.#panel.show(this.#selected)
  }

  #redraw(): void {
    if (this.#frame === 0) this.#frame = requestAnimationFrame(() => this.#draw())
  }

  #draw(): void {
    this.#frame = 0
    const { scrollTop: topPx, scrollLeft: leftPx, clientWidth: width, clientHeight: height } = this.#scroller
    const { canvas } = this.#chart
    canvas.style.width = `${width}px`
    canvas.style.height = `${height}px`
    canvas.style.marginBottom = `${-height}px`
    this.#chart.draw(this.#scale, { width, height, topPx, leftPx }, this.#colours, { selected: this.#selected, hovered: this.#hovered })
    const whole = this.#scale.heightPx
    this.#overview.draw(this.#scale, this.#colours, Math.max(0, topPx / whole), Math.min(1, (topPx + height) / whole))
    const column = Surface.column(width, this.#story.lanes.length)
    for (const [lane, head] of [...this.#heads.children].entries()) {
      const { style } = head as HTMLElement
      style.left = `${Surface.gutterPx + Surface.laneInsetPx + lane * column - leftPx - 12}px`
      style.maxWidth = `${column - 18}px`
    }
    this.#count()
  }

  #count(): void {
    const { shown, found, items } = this.#story
    const words = `${shown.length.toLocaleString('en')} of ${items.length.toLocaleString('en')} shown`
    const search = found === null ? '' : found.size === 1 ? ' · 1 match' : ` · ${found.size.toLocaleString('en')} matches`
    const status = Page.element('status')
    if (status.textContent !== words + search) status.textContent = words + search
  }

  // ---- choosing

  #select(item: Item | null): void {
    this.#selected = item
    this.#panel.show(item)
    if (item !== null) {
      const y = this.#scale.y(item.atMs) + Surface.headPx - this.#scroller.scrollTop
      const { clientHeight } = this.#scroller
      if (y < 40 || y > clientHeight - 60) this.#scroller.scrollTop += y - clientHeight / 2
    }
    this.#redraw()
  }

  /** The next item that is found, or, without a search, the next that is no message (`messages`: that is one). */
  #step(direction: 1 | -1, messages: boolean): void {
    const { shown, found } = this.#story
    const wanted = (item: Item): boolean => (found === null ? (item.type === 'message') === messages : found.has(item))
    let at = this.#selected === null ? this.#atView(direction) : shown.indexOf(this.#selected)
    for (let turn = 0; turn < shown.length; turn++) {
      at += direction
      // A search goes round; a walk ends.
      if (found !== null) at = (at + shown.length) % shown.length
      const item = shown[at]
      if (item === undefined) return
      if (wanted(item)) return this.#select(item)
    }
  }

  /** With nothing chosen, stepping starts at the edge of the view. */
  #atView(direction: 1 | -1): number {
    const { shown } = this.#story
    const { headPx } = Surface
    const { scrollTop, clientHeight } = this.#scroller
    const ms = this.#scale.ms(direction === 1 ? scrollTop - headPx : scrollTop + clientHeight - headPx)
    const next = shown.findIndex((item) => item.atMs > ms)
    const first = next < 0 ? shown.length : next
    return direction === 1 ? first - 1 : first
  }

  // ---- keys, pointer and controls

  #listen(): void {
    const story = this.#story
    const checkbox = (id: string, changed: (on: boolean) => void): void => {
      const box = Page.element(id) as HTMLInputElement
      box.addEventListener('change', () => {
        changed(box.checked)
        this.#filtered()
      })
    }
    checkbox('idle', (on) => (story.showIdle = on))
    checkbox('folds', (on) => (this.#folds = on))
    checkbox('only', (on) => (story.onlyFound = on))
    const search = Page.element('search') as HTMLInputElement
    search.addEventListener('input', () => {
      story.query = search.value
      this.#filtered()
    })
    search.addEventListener('keydown', (event) => {
      if (event.key === 'Enter') this.#step(event.shiftKey ? -1 : 1, false)
      else if (event.key === 'Escape') this.#scroller.focus()
    })
    const choice = Page.element('document') as HTMLSelectElement
    choice.addEventListener('change', () => {
      story.document = choice.value
      this.#filtered()
    })
    for (const button of document.querySelectorAll<HTMLElement>('[data-press]')) {
      button.addEventListener('click', () => this.#pressed(button.dataset['press']!))
    }
    document.addEventListener('keydown', (event) => {
      const inField = event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement
      const inDialog = (Page.element('help') as HTMLDialogElement).open
      if ((inField && event.target.matches('#search, select')) || inDialog || event.ctrlKey || event.metaKey || event.altKey) return
      if (this.#pressed(event.key)) event.preventDefault()
    })
    this.#scroller.addEventListener('scroll', () => this.#redraw())
    new ResizeObserver(() => this.#rescale(this.#scale.pxPerMs)).observe(this.#scroller)
  }

  #listenToPointer(): void {
    const scroller = this.#scroller
    scroller.addEventListener(
      'wheel',
      (event) => {
        if (!event.ctrlKey) return
        event.preventDefault()
        this.#zoom(Math.exp(-event.deltaY / 300), event.clientY - scroller.getBoundingClientRect().top)
      },
      { passive: false },
    )
    const under = (event: PointerEvent | MouseEvent): Item | null => {
      const box = scroller.getBoundingClientRect()
      return this.#chart.at(event.clientX - box.left, event.clientY - box.top)
    }
    scroller.addEventListener('click', (event) => this.#select(under(event)))
    scroller.addEventListener('pointermove', (event) => {
      const item = under(event)
      this.#tip.hidden = item === null
      if (item !== null) {
        this.#tip.textContent = this.#panel.summary(item).slice(0, 400)
        const left = Math.min(event.clientX + 14, globalThis.innerWidth - this.#tip.offsetWidth - 8)
        const below = event.clientY + 18
        const top = below + this.#tip.offsetHeight > globalThis.innerHeight ? event.clientY - this.#tip.offsetHeight - 12 : below
        this.#tip.style.transform = `translate(${left}px, ${top}px)`
      }
      if (item === this.#hovered) return
      this.#hovered = item
      this.#redraw()
    })
    scroller.addEventListener('pointerleave', () => {
      this.#tip.hidden = true
      this.#hovered = null
      this.#redraw()
    })
  }

  /** False: the key means nothing here. */
  #pressed(key: string): boolean {
    const scroller = this.#scroller
    const toggle = (id: string): void => Page.element(id).click()
    const pan = (dx: number, dy: number): void => scroller.scrollBy(dx, dy)
    const actions: Readonly<Record<string, () => void>> = {
      '+': () => this.#zoomByKey(1.5),
      '=': () => this.#zoomByKey(1.5),
      '-': () => this.#zoomByKey(1 / 1.5),
      _: () => this.#zoomByKey(1 / 1.5),
      '0': () => this.#fitAll(),
      v: () => this.#firstView(),
      n: () => this.#step(1, false),
      p: () => this.#step(-1, false),
      m: () => this.#step(1, true),
      M: () => this.#step(-1, true),
      i: () => toggle('idle'),
      c: () => toggle('folds'),
      '/': () => Page.element('search').focus(),
      '?': () => (Page.element('help') as HTMLDialogElement).showModal(),
      ArrowUp: () => pan(0, -80),
      ArrowDown: () => pan(0, 80),
      ArrowLeft: () => pan(-80, 0),
      ArrowRight: () => pan(80, 0),
      PageUp: () => pan(0, -0.85 * scroller.clientHeight),
      PageDown: () => pan(0, 0.85 * scroller.clientHeight),
      Home: () => scroller.scrollTo({ top: 0 }),
      End: () => scroller.scrollTo({ top: scroller.scrollHeight }),
      Escape: () => this.#select(null),
    }
    const action = Object.hasOwn(actions, key) ? actions[key] : undefined
    action?.()
    return action !== undefined
  }
}

new Page().start()
