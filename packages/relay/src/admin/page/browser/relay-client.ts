// Asks the relay: JSON with a deadline, and the stream of events; sends the token, and only to where the page came from. Keeps the token for this tab and no
// longer. Decides nothing about what to do with an answer. Read by feed.ts and the views. Rules: PG-4, PG-5.

import { EventLines, type StreamEvent } from './event-lines.ts'
import { after } from './page-clock.ts'

/** The relay answered, and not with what was asked for. */
export class Refused extends Error {
  readonly status: number
  readonly code: string
  readonly todo: string

  constructor(status: number, code: string, message: string, todo: string) {
    super(message)
    this.status = status
    this.code = code
    this.todo = todo
  }
}

const TOKEN_KEY = 'syncline-admin-token'
const ANSWER_MS_MAX = 15_000
/** The relay sends a sample every second and a heartbeat every 15 s. */
const SILENT_MS_MAX = 40_000

export class RelayClient {
  /** Which one is asked about; null: the default one, and the relay. */
  space: string | null = null
  /** Called at every 401. */
  onTokenWanted: (refused: Refused) => void = () => undefined

  get hasToken(): boolean {
    return sessionStorage.getItem(TOKEN_KEY) !== null
  }

  setToken(token: string | null): void {
    if (token === null) sessionStorage.removeItem(TOKEN_KEY)
    else sessionStorage.setItem(TOKEN_KEY, token)
  }

  /** `path` below api/ or, for a space that is not the default one, below that: with its query. Rejects with Refused, or what fetch rejects with when there is no answer. */
  async get<T>(path: string): Promise<T> {
    return await this.getOfRelay<T>(this.inSpace(path))
  }

  /** As get(), whatever the space. */
  async getOfRelay<T>(path: string): Promise<T> {
    const response = await this.ask(path, AbortSignal.timeout(ANSWER_MS_MAX))
    return (await response.json()) as T
  }

  /** Hands over events until the stream ends, falls silent or `signal` aborts. Rejects as get() does, and with AbortError. */
  async stream(signal: AbortSignal, onEvent: (event: StreamEvent) => void): Promise<void> {
    const silence = new AbortController()
    let stop = after(SILENT_MS_MAX, () => silence.abort())
    try {
      const response = await this.ask(this.inSpace('events'), AbortSignal.any([signal, silence.signal]))
      const lines = new EventLines()
      const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
      for (;;) {
        const { done, value } = await reader.read()
        if (done) return
        stop()
        stop = after(SILENT_MS_MAX, () => silence.abort())
        for (const event of lines.take(value)) onEvent(event)
      }
    } finally {
      stop()
    }
  }

  private inSpace(path: string): string {
    return this.space === null ? path : `spaces/${encodeURIComponent(this.space.toWellFormed())}/${path}`
  }

  private async ask(path: string, signal: AbortSignal): Promise<Response> {
    const token = sessionStorage.getItem(TOKEN_KEY)
    const headers: Record<string, string> = token === null ? {} : { authorization: `Bearer ${token}` }
    // Relative to the page, so that a prefix of a proxy is kept.
    const response = await fetch(new URL(`api/${path}`, document.baseURI), { signal, headers, cache: 'no-store', redirect: 'error' })
    if (response.ok) return response
    const refused = await refusedBy(response)
    if (refused.status === 401) this.onTokenWanted(refused)
    throw refused
  }
}

async function refusedBy(response: Response): Promise<Refused> {
  const { status, statusText } = response
  try {
    const { code, message, todo } = (await response.json()) as Record<string, unknown>
    return new Refused(status, textOr(code, `http-${status}`), textOr(message, statusText), textOr(todo, ''))
  } catch {
    return new Refused(status, `http-${status}`, `The relay answered ${status} ${statusText}`.trim(), '')
  }
}

function textOr(value: unknown, otherwise: string): string {
  return typeof value === 'string' ? value : otherwise
}
