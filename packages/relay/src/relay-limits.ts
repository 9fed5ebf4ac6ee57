// Every bound of the relay's front and doors, unit last in its name, each with its reason. The engine's own bounds are in protocol limits.ts. Rules: RS-1, IN-1.

import { LIMITS } from '@syncline/protocol'

const KIB = 1024
const MIB = 1024 * KIB

export const RELAY_LIMITS = {
  /** Connections of all doors together; further ones get HTTP 503. An idle one costs about 20 KB. */
  connectionsMax: 10_000,
  /** Accept queue of the listening socket: a whole office reconnects at once. The kernel may cap it (net.core.somaxconn). */
  backlog: 4096,
  /** Request line and headers of an upgrade must arrive within this time (slow loris). */
  headersTimeoutMs: 10_000,
  /** One native message. */
  nativeFrameBytesMax: LIMITS.nativeFrameBytesMax,
  /** One y-websocket message: such a client sends an offline document in one piece. */
  roomFrameBytesMax: 32 * MIB,
  /** One y-websocket message before the first valid one: a state vector of some 8,000 writers fits. */
  roomFirstFrameBytesMax: 64 * KIB,
  /** Fragments of one y-websocket message: browsers cut at 16 to 128 KiB. Each costs more memory than its bytes. */
  roomFragmentsMax: 4096,
  /** Pieces in which one such message comes from the network: TCP segments of 512 bytes. */
  roomChunksMax: 65_536,
  /** Unsent bytes of one connection above which nothing more is read from it or delivered to it; it resumes when it has drained. */
  socketBufferBytesMax: LIMITS.socketBufferBytesMax,
  /** Unsent bytes of all y-websocket connections together; above it the one with most is cut (memory emergency). */
  unsentBytesMax: 512 * MIB,
  /** Updates of one y-websocket connection that wait for their commit, in number and bytes; above it nothing more is read from it. */
  unsavedWritesMax: 1024,
  unsavedBytesMax: 8 * MIB,
  /** A y-websocket client is pinged this often (and gets an empty awareness message if it was sent nothing since: it takes 30 s of silence for a dead link). */
  pingEveryMs: 15_000,
  /** It is cut when no sign of life came for this time ... */
  silentCloseMs: 40_000,
  /** ... and the time that its unsent bytes may need at this rate: being slow is no reason. */
  slowestBytesPerSecond: 8 * KIB,
  /** Questions of one connection that are answered in one go: each may read a whole document, and others wait meanwhile. */
  questionsPerTurnMax: 4,
  /** "Send me what I miss" is asked this often in a row without any commit following. */
  asksMax: 3,
  /** A refused writer that returns within this time is kept connected but no longer heard, instead of being closed again and again. */
  refusalKeptMs: 60_000,
  refusalsKeptMax: 4096,
  /** A write that the store did not take: the connection is closed after this time, so that clients without backoff do not storm. */
  retryCloseMs: 2_000,
  /** A client gets this long to answer a close frame. */
  closeHandshakeMs: 3_000,
  /** All of a shutdown gets this long. */
  drainMs: 8_000,
} as const

export type RelayLimits = { readonly [K in keyof typeof RELAY_LIMITS]: number }
