// Values as a person reads them: counts, sizes, times, and names that may hold anything. Pure. Read by the views. Rule: PG-3.

const counts = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })
const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const
/** What shows nothing, or moves what stands beside it: control characters, marks of direction, joiners of nothing, separators of lines. */
const unseen = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu
/** Joins emoji. */
const ZERO_WIDTH_JOINER = '\u200D'

export function countText(count: number): string {
  return counts.format(count)
}

/** Few digits, so that columns stay calm: 0, 0.3, 12.5, 1,204. */
export function rateText(rate: number): string {
  return rate >= 100 || Number.isInteger(rate) ? counts.format(rate) : rate.toFixed(1)
}

export function bytesText(bytes: number): string {
  let value = bytes
  let unit = 0
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1024
    unit++
  }
  return `${unit === 0 ? counts.format(value) : value.toFixed(value >= 100 ? 0 : 1)} ${units[unit]!}`
}

/** A latency. */
export function millisecondsText(ms: number | null | undefined): string {
  if (ms === null || ms === undefined) return '–'
  if (ms >= 10_000) return `${(ms / 1000).toFixed(0)} s`
  if (ms >= 1000) return `${(ms / 1000).toFixed(1)} s`
  return `${ms >= 100 ? ms.toFixed(0) : ms >= 10 ? ms.toFixed(1) : ms.toFixed(2)} ms`
}

/** A time span in its two largest units: 3 d 4 h, 12 min 5 s. */
export function spanText(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000))
  const parts = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'min'],
    [seconds % 60, 's'],
  ] as const
  const first = parts.findIndex(([amount]) => amount > 0)
  if (first === -1) return '0 s'
  return parts
    .slice(first, first + 2)
    .map(([amount, unit]) => `${amount} ${unit}`)
    .join(' ')
}

/** Time of day here, to the second. */
export function clockText(ms: number): string {
  const date = new Date(ms)
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map(twoDigits).join(':')
}

/** How long ago: the time of day on the same day, else the date. */
export function momentText(ms: number | null, nowMs: number): string {
  if (ms === null) return '–'
  const date = new Date(ms)
  const day = `${date.getFullYear()}-${twoDigits(date.getMonth() + 1)}-${twoDigits(date.getDate())}`
  return new Date(nowMs).toDateString() === date.toDateString() ? clockText(ms) : day
}

/** A name or another text of strangers, on one line: characters that cannot be seen are written out, so that two names that look alike are alike. */
export function nameText(name: string): string {
  return name.replace(unseen, (char) => (char === ZERO_WIDTH_JOINER ? char : `\\u{${char.codePointAt(0)!.toString(16).toUpperCase()}}`))
}

/** Of an id of 32 digits. */
export function shortId(id: string): string {
  return id.slice(0, 8)
}

/** 1 document, 2 documents. */
export function countedText(count: number, noun: string): string {
  return `${countText(count)} ${noun}${count === 1 ? '' : 's'}`
}

function twoDigits(value: number): string {
  return String(value).padStart(2, '0')
}
