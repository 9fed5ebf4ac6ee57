// Keeps one address dialled: connects, and when the link ends decides by backoff.ts when to connect again. Holds the one socket and the one timer of a dial; the
// link itself is the replica's. Rules: LK-5 (full jitter, for ever), LK-6 (stops where dialling cannot help), LK-7 (two replicas that dial each other keep one link).

import { LIMITS, SUBPROTOCOL, SynclineError, type ErrorCode, type ReplicaId } from '@syncline/protocol'
import { WebSocket, type ClientOptions } from 'ws'
import type { Clock } from '../clock.ts'
import type { Access, ReplicaEvent } from '../effects.ts'
import type { Replica } from '../replica.ts'
import { tokenReasonOf, type TokenReason } from '../token-reason.ts'
import { chanceOf, DEFAULT_BACKOFF, redialAfter, type Backoff } from './backoff.ts'
import { acceptSocket, socketOptions, type SocketEnd, type SocketLink } from './socket-link.ts'
import { renewAfterMs, TokenAsker, type TokenSource } from './token-asker.ts'

export interface DialOptions {
  /** ws: or wss:, any path. */
  readonly url: string
  /** What the peer may read and write; default everything. */
  readonly access?: Access
  /** Asked for the token that the peer's doorman wants, before every attempt and before a JSON Web Token expires; "" for none. What it throws or rejects with ends the attempt, and the next one asks
   *  again. `reason` says why: the first attempt, one more, or the code with which the peer refused the last token. */
  readonly token?: TokenSource
  /** More options of the `ws` client: headers, TLS, agent. Limits are not among them. */
  readonly webSocket?: ClientOptions
  readonly backoff?: Partial<Backoff>
  /** Default: those of the replica. */
  readonly clock?: Clock
  readonly random?: (length: number) => Uint8Array
  /** Called after every change, in order, never during a call of dial() or close(). */
  readonly onState?: (state: DialState) => void
}

export interface DialState {
  /** connecting: until both sides said HELLO. waiting: `retryInMs` from now the next attempt starts. stopped: by close(), or by `error`. */
  readonly phase: 'connecting' | 'connected' | 'waiting' | 'stopped'
  /** Attempts that ended since a link last stayed live. */
  readonly attempt: number
  readonly retryInMs: number | null
  /** Why the last attempt ended. */
  readonly error: SynclineError | null
  /** Who answered at this address last. */
  readonly peer: ReplicaId | null
}

export interface Dial {
  readonly url: string
  readonly state: DialState
  /** Stops dialling and closes the link. Resolves when the socket is gone, within 2 s. Idempotent. */
  close(): Promise<void>
}

/** Starts dialling `url`. Returns at once; throws "argument-invalid" for what is no WebSocket address. */
export function dial(replica: Replica, options: DialOptions): Dial {
  const url = URL.canParse(options.url) ? new URL(options.url) : null
  if (url === null || (url.protocol !== 'ws:' && url.protocol !== 'wss:') || url.hash !== '') {
    throw new SynclineError('argument-invalid', `The peer address ${JSON.stringify(options.url)} is not a ws: or wss: URL.`)
  }
  return new Dialler(replica, options)
}

/** A token that could not be renewed is asked for again after this time, as long as the peer takes the old one. */
const RENEW_AGAIN_MS = 5_000

class Dialler implements Dial {
  readonly url: string
  state: DialState = { phase: 'connecting', attempt: 0, retryInMs: null, error: null, peer: null }
  readonly #replica: Replica
  readonly #options: DialOptions
  readonly #clock: Clock
  readonly #backoff: Backoff
  readonly #stopListening: () => void
  #socket: WebSocket | null = null
  #link: SocketLink | null = null
  readonly #tokens: TokenAsker | null
  #token = ''
  #tokenReason: TokenReason = 'connect'
  #cancelRenewal: () => void = () => undefined
  #cancelTimer: () => void = () => undefined
  /** Waiting for the other link to this peer to end. */
  #yielding = false

  constructor(replica: Replica, options: DialOptions) {
    this.url = options.url
    this.#replica = replica
    this.#options = options
    this.#clock = options.clock ?? replica.clock
    this.#backoff = { ...DEFAULT_BACKOFF, ...options.backoff }
    this.#tokens = options.token === undefined ? null : new TokenAsker(options.token, this.#clock)
    this.#stopListening = replica.onEvent((event) => this.#onEvent(event))
    this.#connect()
  }

  #connect(): void {
    this.#yielding = false
    if (this.#replica.closed) return this.#stop(new SynclineError('replica-closed', 'The replica was closed.'))
    this.#become({ phase: 'connecting', retryInMs: null })
    if (this.#tokens === null) return this.#connectAs('')
    this.#tokens.ask(this.#tokenReason, (token) => (typeof token === 'string' ? this.#connectAs(token) : this.#withoutToken(token.message)))
  }

  #withoutToken(why: string): void {
    this.#become({ error: new SynclineError('auth-required', `No token could be had for ${this.url}: ${why}.`) })
    this.#wait(null, true)
  }

  #connectAs(token: string): void {
    this.#token = token
    const socket = new WebSocket(this.url, SUBPROTOCOL, {
      ...this.#options.webSocket,
      ...socketOptions,
      handshakeTimeout: LIMITS.helloDeadlineMs,
      followRedirects: false,
    })
    this.#socket = socket
    let failure = 'the connection was closed'
    const refused = (): void => this.#ended({ code: null, reason: failure })
    socket.on('error', (error) => (failure = error.message))
    socket.once('close', refused)
    socket.once('open', () => {
      socket.off('close', refused)
      this.#opened(socket)
    })
  }

  #opened(socket: WebSocket): void {
    const { access } = this.#options
    try {
      this.#link = acceptSocket(this.#replica, socket, {
        dialled: true,
        auth: new TextEncoder().encode(this.#token),
        ...(access === undefined ? {} : { access }),
      })
    } catch (error) {
      return this.#stop(error as SynclineError)
    }
    void this.#link.ended.then((end) => this.#ended(end))
  }

  #onEvent(event: ReplicaEvent): void {
    if (event.type === 'link-live' && event.link === this.#link?.link.id) {
      this.#become({ phase: 'connected', error: null, peer: event.peer })
      this.#renewLater(renewAfterMs(this.#token, this.#clock.wallMs()))
      this.#cancelTimer = this.#clock.after(this.#backoff.resetAfterMs, () => this.#become({ attempt: 0 }))
    }
    // The link that this dial made way for may have gone.
    if (event.type === 'link-ended' && this.#yielding && !this.#peerIsLinked()) this.#wait(null, false)
  }

  /** A token that says when it expires is replaced on the living link before. */
  #renewLater(ms: number | null): void {
    this.#cancelRenewal()
    if (ms === null || this.#tokens === null) return
    this.#cancelRenewal = this.#clock.after(ms, () => this.#tokens!.ask('renew', (token) => this.#renew(token)))
  }

  #renew(token: string | Error): void {
    if (this.#link === null) return
    if (typeof token !== 'string' || token === this.#token) return this.#renewLater(RENEW_AGAIN_MS)
    this.#token = token
    this.#replica.renewToken(this.#link.link.id, new TextEncoder().encode(token))
    this.#renewLater(renewAfterMs(token, this.#clock.wallMs()))
  }

  #peerIsLinked(): boolean {
    return this.state.peer !== null && this.#replica.isLinkedTo(this.state.peer)
  }

  #ended({ code, reason }: SocketEnd): void {
    this.#cancelTimer()
    this.#cancelRenewal()
    this.#tokens?.cancel()
    this.#socket = null
    this.#link = null
    this.#tokenReason = tokenReasonOf(code)
    if (this.state.phase === 'stopped') return
    // Who served this link and went in order says "come back", however short the link was: two relays that are restarted in turn cut it twice within seconds.
    if (code === 'shutting-down' && this.state.phase === 'connected') this.#become({ attempt: 0 })
    this.#become({ error: new SynclineError(code ?? 'peer-unreachable', `The link to ${this.url} ended: ${reason}.`) })
    this.#wait(code, true)
  }

  #wait(code: ErrorCode | null, counts: boolean): void {
    const { attempt, error } = this.state
    const next = redialAfter(code, attempt, this.#backoff, chanceOf(this.#options.random ?? this.#replica.random))
    if (next.kind === 'stop') return this.#stop(error)
    this.#yielding = next.kind === 'when-unlinked'
    this.#become({ phase: 'waiting', attempt: counts ? attempt + 1 : attempt, retryInMs: next.ms })
    this.#cancelTimer()
    this.#cancelTimer = this.#clock.after(next.ms, () => this.#timeUp())
  }

  #timeUp(): void {
    if (this.#yielding && this.#peerIsLinked()) this.#wait('link-replaced', false)
    else this.#connect()
  }

  async close(): Promise<void> {
    this.#stop(null)
    if (this.#link !== null) await this.#link.close('shutting-down', 'this address is no longer dialled')
    else this.#socket?.terminate()
  }

  #stop(error: SynclineError | null): void {
    this.#cancelTimer()
    this.#cancelRenewal()
    this.#tokens?.cancel()
    this.#stopListening()
    this.#become({ phase: 'stopped', retryInMs: null, error })
  }

  #become(change: Partial<DialState>): void {
    const state = { ...this.state, ...change }
    this.state = state
    const { onState } = this.#options
    // User code: what it throws must not end the dialling.
    if (onState !== undefined) queueMicrotask(() => onState(state))
  }
}
