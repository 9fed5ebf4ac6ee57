// What the demo shows: a line for each process that is redrawn on a terminal, and plain lines elsewhere.

import type { Child } from './child.ts'

const REDRAW_EVERY_MS = 120
const BAR = 28

export class Display {
  readonly #children: readonly Child[]
  readonly #total: readonly [number, number]
  readonly #terminal = process.stdout.isTTY === true
  readonly #startedAt = performance.now()
  #drawn = 0
  #timer: NodeJS.Timeout | undefined

  constructor(children: readonly Child[], total: readonly [number, number]) {
    this.#children = children
    this.#total = total
    if (this.#terminal) this.#timer = setInterval(() => this.#redraw(), REDRAW_EVERY_MS).unref()
  }

  title(text: string): void {
    this.#print(text)
  }

  phase(text: string): void {
    const line = `${((performance.now() - this.#startedAt) / 1000).toFixed(1).padStart(5)} s  ${text}`
    this.#print(this.#terminal ? `\u001B[1m${line}\u001B[0m` : line)
  }

  note(text: string): void {
    this.#print(`         ${text}`)
    if (!this.#terminal) for (const line of this.#lines()) this.#print(`         ${line}`)
  }

  table(rows: readonly (readonly string[])[]): void {
    this.#stop()
    const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
    this.#print('')
    for (const row of rows)
      this.#print(
        row
          .map((cell, column) => cell.padEnd(widths[column]!))
          .join('  ')
          .trimEnd(),
      )
    this.#print('')
  }

  end(text: string): void {
    this.#stop()
    this.#print(text)
  }

  #lines(): string[] {
    return this.#children.map(({ name, alive, progress: { has, connected } }) => {
      const part = (has[0] + has[1]) / (this.#total[0] + this.#total[1])
      const bar = '#'.repeat(Math.round(part * BAR)).padEnd(BAR, '.')
      const state = alive ? (connected ? 'linked' : 'alone') : 'killed'
      return `${name.padEnd(8)} ${bar} ${thousands(has[0]).padStart(6)} by ada ${thousands(has[1]).padStart(6)} by charles  ${state}`
    })
  }

  /** Lines above stay, the lines of the processes stand below them. */
  #print(text: string): void {
    this.#erase()
    process.stdout.write(`${text}\n`)
    if (this.#timer !== undefined) this.#redraw()
  }

  #redraw(): void {
    this.#erase()
    const lines = this.#lines()
    process.stdout.write(`${lines.join('\n')}\n`)
    this.#drawn = lines.length
  }

  #erase(): void {
    if (this.#drawn > 0) process.stdout.write(`\u001B[${this.#drawn}A\u001B[0J`)
    this.#drawn = 0
  }

  #stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }
}

export function thousands(count: number): string {
  return count.toLocaleString('en')
}
