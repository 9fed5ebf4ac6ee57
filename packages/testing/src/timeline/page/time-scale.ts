// From moments to heights and back. Between two neighbouring moments a height is a fixed number of pixels per millisecond, but never more than a bound:
// what is longer and empty is folded, and zooming in ends with every event on a line of its own. Part of the page.

/** A piece of time between two neighbouring moments. */
export interface Piece {
  readonly fromMs: number
  readonly toMs: number
  readonly topPx: number
  readonly bottomPx: number
  readonly folded: boolean
}

export class TimeScale {
  readonly pxPerMs: number
  readonly heightPx: number
  readonly #moments: Float64Array
  readonly #tops: Float64Array
  readonly #foldPx: number

  /** `moments`: ascending, at least one. `foldPx`: Infinity folds nothing. */
  constructor(moments: Float64Array, pxPerMs: number, foldPx: number) {
    this.#moments = moments
    this.#foldPx = foldPx
    this.pxPerMs = pxPerMs
    this.#tops = new Float64Array(moments.length)
    for (let i = 1; i < moments.length; i++) {
      this.#tops[i] = this.#tops[i - 1]! + Math.min(foldPx, (moments[i]! - moments[i - 1]!) * pxPerMs)
    }
    this.heightPx = this.#tops[moments.length - 1]!
  }

  /** The pixels per millisecond with which `moments` from `fromMs` on take `heightPx`. */
  static fit(moments: Float64Array, fromMs: number, heightPx: number, foldPx: number): number {
    const taken = (pxPerMs: number): number => {
      let sum = 0
      for (let i = 1; i < moments.length; i++) {
        if (moments[i - 1]! >= fromMs) sum += Math.min(foldPx, (moments[i]! - moments[i - 1]!) * pxPerMs)
      }
      return sum
    }
    let [low, high] = [1e-7, 1e3]
    for (let turn = 0; turn < 60; turn++) {
      const middle = Math.sqrt(low * high)
      if (taken(middle) > heightPx) high = middle
      else low = middle
    }
    return low
  }

  y(ms: number): number {
    const at = this.#before(this.#moments, ms)
    const [fromMs, toMs] = [this.#moments[at]!, this.#moments[at + 1]]
    if (toMs === undefined) return this.heightPx + (ms - fromMs) * this.pxPerMs
    return this.#tops[at]! + ((this.#tops[at + 1]! - this.#tops[at]!) * (ms - fromMs)) / (toMs - fromMs)
  }

  ms(y: number): number {
    const at = this.#before(this.#tops, y)
    const [top, bottom] = [this.#tops[at]!, this.#tops[at + 1]]
    if (bottom === undefined) return this.#moments[at]!
    const share = bottom === top ? 0 : (y - top) / (bottom - top)
    return this.#moments[at]! + share * (this.#moments[at + 1]! - this.#moments[at]!)
  }

  /** The pieces between two heights, from the top. */
  *pieces(topPx: number, bottomPx: number): Generator<Piece> {
    for (let i = this.#before(this.#tops, topPx); i + 1 < this.#moments.length && this.#tops[i]! <= bottomPx; i++) {
      const [fromMs, toMs] = [this.#moments[i]!, this.#moments[i + 1]!]
      const folded = (toMs - fromMs) * this.pxPerMs > this.#foldPx * 1.01
      yield { fromMs, toMs, topPx: this.#tops[i]!, bottomPx: this.#tops[i + 1]!, folded }
    }
  }

  /** The last place whose value is at most `value`; 0 where none is. */
  #before(ascending: Float64Array, value: number): number {
    let [low, high] = [0, ascending.length - 1]
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if (ascending[middle]! <= value) low = middle
      else high = middle - 1
    }
    return low
  }
}

/** `12.345 s` or `1:02.345`, to the precision of `stepMs`. */
export function formatTime(ms: number, stepMs: number): string {
  const digits = stepMs >= 1000 ? 0 : stepMs >= 100 ? 1 : stepMs >= 10 ? 2 : stepMs >= 1 ? 3 : stepMs >= 0.1 ? 4 : 5
  const units = 10 ** digits
  const seconds = Math.round((ms / 1000) * units) / units
  if (seconds < 60) return `${seconds.toFixed(digits)} s`
  const minutes = Math.floor(seconds / 60)
  return `${minutes}:${(seconds - minutes * 60).toFixed(digits).padStart(digits === 0 ? 2 : digits + 3, '0')}`
}
