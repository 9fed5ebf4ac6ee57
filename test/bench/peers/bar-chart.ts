// A horizontal bar chart as SVG text, one bar per entrant, readable on light and dark pages. Pure.

import type { Entrant } from './entrants.ts'

export interface Bar {
  readonly label: string
  readonly kind: Entrant['kind']
  readonly value: number
  /** The value, in words. */
  readonly words: string
}

const COLOURS: Readonly<Record<Entrant['kind'], string>> = { syncline: '#2f6fde', peer: '#c2571a', floor: '#8a8f98' }
const WIDTH = 760
const LABELS = 220
const VALUES = 100
const ROW = 26
const TOP = 40

export function barChart(title: string, bars: readonly Bar[]): string {
  const most = Math.max(...bars.map(({ value }) => value), Number.MIN_VALUE)
  const room = WIDTH - LABELS - VALUES
  const height = TOP + bars.length * ROW + 10
  const rows = bars.map(({ label, kind, value, words }, index) => {
    const y = TOP + index * ROW
    const length = Math.max(1, Math.round((value / most) * room))
    return [
      `  <text x="${LABELS - 8}" y="${y + 15}" text-anchor="end">${escaped(label)}</text>`,
      `  <rect x="${LABELS}" y="${y + 2}" width="${length}" height="${ROW - 8}" fill="${COLOURS[kind]}"/>`,
      `  <text x="${LABELS + length + 6}" y="${y + 15}">${escaped(words)}</text>`,
    ].join('\n')
  })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${escaped(title)}">`,
    '  <style>text { font: 13px system-ui, sans-serif; fill: #444 } @media (prefers-color-scheme: dark) { text { fill: #ccc } }</style>',
    `  <text x="8" y="22" font-weight="bold">${escaped(title)}</text>`,
    ...rows,
    '</svg>',
    '',
  ].join('\n')
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
}
