// What a relay writes about itself: one line per event, JSON for machines or words for a person. Decides what may stand in a line: fields by a list of names, so
// that document content, tokens and claims cannot get in by accident; long texts are cut, what looks like a token is hidden, and a flood of one type of line is
// counted instead of written. Made by `syncline serve`. Rules: LG-1 to LG-4.

import { DEFAULT_SPACE, type SpaceId } from '@syncline/protocol'
import type { Clock, ReplicaEvent } from '@syncline/replica'
import { printable } from './terminal.ts'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

const LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error']

export interface LogOptions {
  /** The least that is written; default info. */
  readonly level?: LogLevel
  /** json: one object a line, with level, time and type. words: `type: name value, name value`. */
  readonly format: 'json' | 'words'
  readonly clock: Clock
  /** Takes one line, without its end. */
  write(line: string): void
}

/** Ids, codes, counts, durations, and words of this program. What is not in this list is not written. */
const LOGGED = new Set([
  // who and where
  ...[
    'space',
    'doc',
    'key',
    'peer',
    'replicaId',
    'role',
    'durability',
    'door',
    'link',
    'scope',
    'nonce',
    'seq',
    'range',
    'client',
    'from',
    'to',
  ],
  ...['url', 'address', 'origin', 'host', 'port', 'pid', 'version', 'file', 'path', 'tool'],
  // what happened
  ...['code', 'reason', 'meaning', 'direction', 'why', 'signal', 'phase', 'of', 'setting', 'worker'],
  // how much, how long
  ...['documents', 'documentsExpected', 'rows', 'bytes', 'count', 'connections', 'attempt', 'status', 'retryInMs', 'durationMs'],
])

/** What may have a query. */
const QUERIED = new Set(['url', 'origin', 'path'])

const LEVEL_OF: Readonly<Record<ReplicaEvent['type'], LogLevel>> = {
  'link-live': 'info',
  'link-ended': 'info',
  synced: 'info',
  reconcile: 'info',
  acked: 'debug',
  progress: 'debug',
  swept: 'debug',
  compacted: 'debug',
  'compaction-mismatch': 'error',
  epoch: 'info',
  rejected: 'warn',
  'accepted-again': 'info',
  divergence: 'error',
  'agreed-again': 'info',
  quarantined: 'error',
  'rollback-detected': 'warn',
  'storage-failed': 'error',
  'storage-recovered': 'info',
  'document-stuck': 'warn',
}

const TEXT_MAX = 300
const DEPTH_MAX = 3
const LINES_PER_WINDOW = 100
const WINDOW_MS = 10_000

export type LogFields = Readonly<Record<string, unknown>>

export class RelayLog {
  private readonly options: LogOptions
  private readonly least: number
  private readonly written = new Map<string, number>()
  private cancelWindow: (() => void) | null = null

  constructor(options: LogOptions) {
    this.options = options
    this.least = LEVELS.indexOf(options.level ?? 'info')
  }

  debug(type: string, fields: LogFields = {}): void {
    this.tell('debug', type, fields)
  }

  info(type: string, fields: LogFields = {}): void {
    this.tell('info', type, fields)
  }

  warn(type: string, fields: LogFields = {}): void {
    this.tell('warn', type, fields)
  }

  error(type: string, fields: LogFields = {}): void {
    this.tell('error', type, fields)
  }

  /** An event of the replica of a space, at the level of its type. */
  event({ type, ...fields }: ReplicaEvent, space: SpaceId = DEFAULT_SPACE): void {
    this.tell(LEVEL_OF[type], type, space === DEFAULT_SPACE ? fields : { space, ...fields })
  }

  /** Writes what was counted and not told yet. */
  close(): void {
    this.endWindow()
  }

  private tell(level: LogLevel, type: string, fields: LogFields): void {
    const before = this.written.get(type) ?? 0
    this.written.set(type, before + 1)
    this.cancelWindow ??= this.options.clock.after(WINDOW_MS, () => this.endWindow())
    if (before < LINES_PER_WINDOW) this.line(level, allowed(fields, 0), type)
  }

  private endWindow(): void {
    this.cancelWindow?.()
    this.cancelWindow = null
    for (const [type, count] of this.written)
      if (count > LINES_PER_WINDOW) this.line('warn', { of: type, count: count - LINES_PER_WINDOW }, 'lines-left-out')
    this.written.clear()
  }

  private line(level: LogLevel, fields: LogFields, type: string): void {
    if (LEVELS.indexOf(level) < this.least) return
    const { format, clock, write } = this.options
    if (format === 'words') write(words(fields, type))
    else write(JSON.stringify({ level, time: new Date(clock.wallMs()).toISOString(), ...fields, type }))
  }
}

export function createLog(options: LogOptions): RelayLog {
  return new RelayLog(options)
}

function allowed(fields: LogFields, depth: number): Record<string, unknown> {
  const kept: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(fields)) if (LOGGED.has(name) && value !== undefined) kept[name] = plain(name, value, depth)
  return kept
}

/** A value that is safe to write: numbers and flags as they are, texts cut and cleaned, bytes as their number. */
function plain(name: string, value: unknown, depth: number): unknown {
  if (typeof value === 'string') return clean(QUERIED.has(name) ? withoutQuery(value) : value)
  if (typeof value === 'number' || typeof value === 'boolean' || value === null) return value
  if (value instanceof Uint8Array) return `${value.length} bytes`
  if (value instanceof Error || depth >= DEPTH_MAX) return '[not logged]'
  if (Array.isArray(value)) return value.slice(0, 16).map((item) => plain('', item, depth + 1))
  return typeof value === 'object' ? allowed(value as LogFields, depth + 1) : '[not logged]'
}

/** Scheme, host and path: queries carry tokens, and so does what stands before an @. */
function withoutQuery(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null
  return url === null || url.host === '' ? text.split(/[?#]/, 1)[0]! : `${url.protocol}//${url.host}${url.pathname}`
}

const SECRETS: readonly (readonly [RegExp, string])[] = [
  // A JSON Web Token, whole or its beginning.
  [/\beyJ[\w-]{8,}(\.[\w-]*){0,2}/g, '[token]'],
  [/\b(bearer|basic)\s+[^\s,;]+/gi, '$1 [hidden]'],
  [/\b([\w-]{0,32}(?:token|secret|password|passwd|api[-_]?key|auth))=[^&\s,;]+/gi, '$1=[hidden]'],
]

function clean(text: string): string {
  // Cut before the patterns run, so that their cost is bounded; a cut token is still one.
  let cleaned = text.slice(0, 4 * TEXT_MAX)
  for (const [pattern, instead] of SECRETS) cleaned = cleaned.replace(pattern, instead)
  return printable(cleaned.length > TEXT_MAX ? `${cleaned.slice(0, TEXT_MAX)}…` : cleaned)
}

/** A line as a person reads it. */
function words(fields: LogFields, type: string): string {
  const said = Object.entries(fields).map(([name, value]) => `${name} ${typeof value === 'string' ? value : JSON.stringify(value)}`)
  return said.length === 0 ? type : `${type}: ${said.join(', ')}`
}
