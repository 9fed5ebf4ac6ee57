// What happens in a relay, as it happens, to whoever keeps GET /api/events open (text/event-stream). A newcomer gets the last events first. Bounded: past events,
// streams, and the unsent bytes of each; a reader that is too slow is dropped and asks again. Fed by api.ts; docs/http-api.md. Rules: HA-9, RS-1.

import { SynclineError, type DocId, type ErrorCode, type SpaceId } from '@syncline/protocol'
import type { Clock, ReplicaEvent } from '@syncline/replica'
import type { DoorName } from '../access/access.ts'
import { API_LIMITS } from './api-limits.ts'
import type { Sample } from './sampler.ts'

export type StreamEvent = 'refused' | 'turned-away' | 'link' | 'divergence' | 'storage' | 'sample'

const encoder = new TextEncoder()
const HEARTBEAT = encoder.encode(': still here\n\n')

/** A frame, and the space that it is of; null: of the relay. */
interface Told {
  readonly space: SpaceId | null
  readonly frame: Uint8Array
}

interface Stream {
  /** Whose events it gets; null: all, and the samples of the relay. */
  readonly space: SpaceId | null
  readonly controller: ReadableStreamDefaultController<Uint8Array>
  end(): void
}

export class EventsStream {
  private readonly clock: Clock
  private readonly streams = new Set<Stream>()
  private past: Told[] = []

  constructor(clock: Clock) {
    this.clock = clock
  }

  // What is told

  /** An event of the replica of a space; those that are not for operators are passed over. */
  note(event: ReplicaEvent, space: SpaceId): void {
    switch (event.type) {
      case 'rejected':
        return this.tell('refused', {
          space,
          doc: event.doc,
          door: 'native',
          peer: event.peer,
          direction: event.direction,
          code: event.code,
          reason: event.reason,
        })
      case 'link-live':
        return this.tell('link', { space, state: 'live', peer: event.peer, role: event.role, durability: event.durability })
      case 'link-ended':
        return this.tell('link', { space, state: 'ended', peer: event.peer, code: event.code })
      case 'divergence':
        return this.tell('divergence', { space, doc: event.doc, peer: event.peer, range: event.range })
      case 'quarantined':
        return this.tell('storage', { space, state: 'quarantined', doc: event.doc, key: event.key })
      case 'storage-failed':
        return this.tell('storage', { space, state: 'failed', code: event.code, reason: event.reason })
      case 'storage-recovered':
        return this.tell('storage', { space, state: 'recovered' })
      default:
    }
  }

  /** An update of a foreign client was refused. */
  refused(doc: DocId, code: ErrorCode, reason: string, door: DoorName | null, space: SpaceId): void {
    this.tell('refused', { space, doc, door, peer: null, direction: 'in', code, reason })
  }

  /** Somebody was not let in, or not any more. */
  turnedAway(code: ErrorCode, door: DoorName): void {
    this.tell('turned-away', { door, code })
  }

  /** Of a space, or of the relay (null). Cost: nothing where nobody listens. */
  sampled(sample: Sample, space: SpaceId | null): void {
    const to = [...this.streams].filter((stream) => stream.space === space)
    if (to.length === 0) return
    const frame = frameOf('sample', sample)
    for (const stream of to) this.sendTo(stream, frame)
  }

  private tell(event: StreamEvent, facts: Readonly<Record<string, unknown>> & { readonly space?: SpaceId }): void {
    const frame = frameOf(event, { atMs: this.clock.wallMs(), ...facts })
    const told = { space: facts.space ?? null, frame }
    this.past.push(told)
    if (this.past.length > 2 * API_LIMITS.streamPastMax) this.past = this.past.slice(-API_LIMITS.streamPastMax)
    for (const stream of [...this.streams]) if (isFor(stream.space, told)) this.sendTo(stream, frame)
  }

  // Who listens

  get size(): number {
    return this.streams.size
  }

  /** One reader's stream, of one space or (null) of the relay, until it goes, falls behind, or `mayGoOn`, asked at every heartbeat, says no; then `ended` is called. `follow` is given the way to have
   *  `mayGoOn` asked at once. Throws "relay-busy". */
  open(
    mayGoOn: () => boolean,
    ended: () => void,
    follow: (ask: () => void) => () => void,
    space: SpaceId | null = null,
  ): ReadableStream<Uint8Array> {
    if (this.streams.size >= API_LIMITS.streamsMax)
      throw new SynclineError('relay-busy', `${API_LIMITS.streamsMax} event streams are open.`)
    if (space !== null && [...this.streams].filter((stream) => stream.space === space).length >= API_LIMITS.streamsOfSpaceMax)
      throw new SynclineError('relay-busy', `${API_LIMITS.streamsOfSpaceMax} event streams of this space are open.`)
    const { clock, streams } = this
    let stream: Stream | null = null
    const start = (controller: ReadableStreamDefaultController<Uint8Array>): void => {
      const ask = (): void => (mayGoOn() ? this.sendTo(opened, HEARTBEAT) : opened.end())
      const stops = [clock.every(API_LIMITS.heartbeatMs, ask), follow(ask)]
      let open = true
      const opened: Stream = {
        space,
        controller,
        end: () => {
          if (!open) return
          open = false
          streams.delete(opened)
          for (const stop of stops) stop()
          close(controller)
          ended()
        },
      }
      stream = opened
      streams.add(opened)
      this.sendTo(opened, HEARTBEAT)
      for (const told of this.past.filter((one) => isFor(space, one)).slice(-API_LIMITS.streamPastMax)) this.sendTo(opened, told.frame)
    }
    const strategy = new ByteLengthQueuingStrategy({ highWaterMark: API_LIMITS.streamBytesMax })
    return new ReadableStream({ start, cancel: () => stream?.end() }, strategy)
  }

  close(): void {
    for (const stream of [...this.streams]) stream.end()
  }

  private sendTo(stream: Stream, frame: Uint8Array): void {
    if (!this.streams.has(stream)) return
    if ((stream.controller.desiredSize ?? 0) < frame.length) return stream.end()
    stream.controller.enqueue(frame)
  }
}

function isFor(space: SpaceId | null, told: Told): boolean {
  return space === null || told.space === space
}

function frameOf(event: StreamEvent, facts: object): Uint8Array {
  return encoder.encode(`event: ${event}\ndata: ${JSON.stringify(facts)}\n\n`)
}

/** A cancelled stream is closed already. */
function close(controller: ReadableStreamDefaultController<Uint8Array>): void {
  try {
    controller.close()
  } catch {
    // It was.
  }
}
