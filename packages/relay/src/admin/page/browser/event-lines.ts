// A text/event-stream taken apart: text as it comes in, whole events out. Pure. (EventSource cannot send a token, so the page reads the stream itself.) Read by
// relay-client.ts.

export interface StreamEvent {
  readonly name: string
  readonly data: string
}

/** A line longer than this is no event of a relay: what is held back stays bounded. */
const HELD_CHARS_MAX = 4 * 1024 * 1024

export class EventLines {
  private held = ''
  private name = ''
  private data: string[] = []

  /** The events that this text completes, in order. Throws RangeError when no line ends for 4 Mi characters. */
  take(text: string): StreamEvent[] {
    const events: StreamEvent[] = []
    // A line may end with CR LF, and a chunk between the two.
    const lines = (this.held + text).split(/\r\n|\n|\r(?!$)/)
    this.held = lines.pop() ?? ''
    if (this.held.length > HELD_CHARS_MAX) throw new RangeError('a line of the event stream does not end')
    for (const line of lines) {
      if (line === '') this.finish(events)
      else this.field(line)
    }
    return events
  }

  private field(line: string): void {
    const [, field, value = ''] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? []
    if (field === 'event') this.name = value
    else if (field === 'data') this.data.push(value)
  }

  private finish(events: StreamEvent[]): void {
    if (this.data.length > 0) events.push({ name: this.name === '' ? 'message' : this.name, data: this.data.join('\n') })
    this.name = ''
    this.data = []
  }
}
