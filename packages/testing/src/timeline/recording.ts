// What a run was, for people: points on the lanes of replicas, messages between them, and bands for faults. Made by a Recorder while a run goes on; drawn by
// timeline-page.ts. Plain data.

export type PointKind = 'start' | 'crash' | 'commit' | 'event' | 'edit'

export interface Point {
  readonly atMs: number
  readonly replica: string
  readonly kind: PointKind
  readonly text: string
}

export interface RecordedMessage {
  readonly from: string
  readonly to: string
  readonly sentMs: number
  /** Null: it never arrived. */
  arrivedMs: number | null
  /** '' or what it suffered: lost, stalled, late, corrupted, truncated. */
  fate: string
  /** What it says, one line. */
  readonly text: string
  /** Nothing but pings, pongs and announcements. */
  readonly idle: boolean
}

export interface Band {
  readonly fromMs: number
  readonly toMs: number
  readonly kind: string
  /** Lanes that it covers; none: all. */
  readonly replicas: readonly string[]
  readonly text: string
}

export interface Recording {
  readonly title: string
  readonly replicas: readonly string[]
  readonly points: readonly Point[]
  readonly messages: readonly RecordedMessage[]
  readonly bands: readonly Band[]
  /** Where the faults end. */
  readonly healedMs: number | null
  readonly endMs: number
  readonly violation: { readonly rule: string; readonly text: string } | null
}

export class Recorder {
  readonly #replicas = new Set<string>()
  readonly #points: Point[] = []
  readonly #messages: RecordedMessage[] = []
  readonly #bands: Band[] = []
  #healedMs: number | null = null
  /** When the last thing happened. */
  lastMs = 0

  point(atMs: number, replica: string, kind: PointKind, text: string): void {
    this.#replicas.add(replica)
    this.lastMs = atMs
    this.#points.push({ atMs, replica, kind, text })
  }

  /** Answers the message, so that its fate can be told later. */
  message(message: RecordedMessage): RecordedMessage {
    this.#messages.push(message)
    this.lastMs = message.sentMs
    return message
  }

  band(band: Band): void {
    this.#bands.push(band)
  }

  healed(atMs: number): void {
    this.#healedMs = atMs
  }

  end(title: string, endMs: number, violation: Recording['violation']): Recording {
    return {
      title,
      replicas: [...this.#replicas],
      points: this.#points,
      messages: this.#messages,
      bands: this.#bands,
      healedMs: this.#healedMs,
      endMs,
      violation,
    }
  }
}
