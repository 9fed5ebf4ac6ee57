// Where a command writes: results on stdout, progress and troubles on stderr. Tables and progress lines are for people (progress only where stderr is a
// terminal), JSON lines for machines. An argument of every command, so that tests read what it wrote. Rule: CL-1.

import type { Clock } from '@syncline/replica'

export interface Terminal {
  /** Result, to stdout. */
  print(text: string): void
  /** Troubles and notes, to stderr. */
  note(text: string): void
  /** Replaces the progress line; does nothing where nobody watches. */
  progress(text: string): void
  /** Clears the progress line. */
  progressDone(): void
  readonly clock: Clock
  /** Calls `listener` at SIGINT and SIGTERM, with how often it came; returns how to stop that. */
  onSignal(listener: (count: number) => void): () => void
}

const progressEveryMs = 100

/** The process's own streams and signals. */
export function processTerminal(clock: Clock): Terminal {
  // Whoever read the output has left: nobody to tell, and no reason to end a relay.
  process.stdout.on('error', () => undefined)
  process.stderr.on('error', () => undefined)
  let shownMs = -Infinity
  let shown = false
  const clear = (): void => {
    if (shown) process.stderr.write('\r\x1b[K')
    shown = false
  }
  return {
    clock,
    print(text) {
      clear()
      process.stdout.write(`${text}\n`)
    },
    note(text) {
      clear()
      process.stderr.write(`${text}\n`)
    },
    progress(text) {
      const now = clock.now()
      if (!process.stderr.isTTY || now - shownMs < progressEveryMs) return
      shownMs = now
      shown = true
      process.stderr.write(`\r\x1b[K${text.slice(0, (process.stderr.columns ?? 80) - 1)}`)
    },
    progressDone: clear,
    onSignal(listener) {
      let count = 0
      const heard = (): void => listener(++count)
      process.on('SIGINT', heard)
      process.on('SIGTERM', heard)
      return () => {
        process.off('SIGINT', heard)
        process.off('SIGTERM', heard)
      }
    },
  }
}

export interface Column {
  readonly title: string
  readonly align?: 'right'
}

/** A table of text; the last column is not padded. */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const all = [columns.map((column) => column.title), ...rows]
  const widths = columns.map((_, index) => all.reduce((width, row) => Math.max(width, row[index]!.length), 0))
  const line = (row: readonly string[]): string =>
    row
      .map((cell, index) =>
        columns[index]!.align === 'right'
          ? cell.padStart(widths[index]!)
          : index === columns.length - 1
            ? cell
            : cell.padEnd(widths[index]!),
      )
      .join('  ')
  return all.map(line).join('\n')
}

/** Facts one under the other. */
export function facts(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([name]) => name.length))
  return rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join('\n')
}

/** 1536 is "1.5 KiB". */
export function byteText(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let unit = 0
  while (bytes >= 1024 && unit < units.length - 1) {
    bytes /= 1024
    unit++
  }
  return `${unit === 0 ? bytes : bytes.toFixed(1)} ${units[unit]}`
}

/** A document name as one line of a table: control characters do not reach the terminal. */
export function printable(name: string): string {
  return name.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`)
}

/** "12 documents", "1 document". */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}
