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
  /** Without an answer for this time it is sent no further updates: it reads nothing, and the system would take some MiB for it. It gets them when it answers. */
  pingAnswerMs: 5_000,
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
  // hocuspocus
  /** One Hocuspocus message before the first authenticated document of its connection, and after it. */
  hocuspocusFirstFrameBytesMax: 64 * KIB,
  hocuspocusFrameBytesMax: 32 * MIB,
  /** What a connection may leave waiting for the authentication of its documents: messages, their bytes, and documents, which are also the tokens looked at at
   *  a time. As the stock server. */
  hocuspocusQueueMessagesMax: 1000,
  hocuspocusQueueBytesMax: 5 * MIB,
  hocuspocusQueueDocumentsMax: 100,
  /** Documents of one connection; further ones are denied in words. Each costs about 2 KB, and its knowledge in the engine. */
  hocuspocusDocumentsMax: 1000,
  /** The first authentication message must arrive within this time. */
  hocuspocusAuthDeadlineMs: 10_000,
  /** Denied authentications of one connection while it has no document open; then it is closed, and its backoff begins. */
  hocuspocusDenialsMax: 32,
  /** Who sends messages for a document that was denied or closed is asked for its token this often: each answer costs a verification. */
  hocuspocusTokenAskEveryMs: 5_000,
  /** A token is asked for this long before the present one expires: two pings, and the time to fetch one. */
  hocuspocusRenewBeforeMs: 60_000,
  /** A client's state vector up to this size is kept during its handshake, to tell what it counts as unsaved: some 1,600 writers. */
  hocuspocusBaselineBytesMax: 16 * KIB,
  /** Stateless payload, UTF-8. */
  hocuspocusStatelessBytesMax: 1 * MIB,
  /** A client gets this long to answer a close frame. */
  closeHandshakeMs: 3_000,
  /** Tokens of y-sweet clients that are good at one time; above it the oldest ends. */
  ySweetGrantsMax: 100_000,
  /** Whole stored document, snapshot and tail. */
  documentBytesMax: LIMITS.documentBytesMax,
  /** Documents of a space: further ones are refused ("space-full"). */
  documentsMax: 10_000_000,
  /** Spaces with a file in the data folder: further ones are refused ("spaces-full"). The limit keeps whoever may make spaces from filling the folder. */
  spacesMax: 10_000,
  /** Open spaces; the one that nobody has used for longest makes room, and when all are in use others are refused for a while ("relay-busy"). Each costs some 2 MB. */
  spacesOpenMax: 256,
  /** A space that no connection uses closes after this time. */
  spaceIdleMs: 5 * 60 * 1000,
  /** Connections of one client address, this machine's excepted; further ones get HTTP 429. A whole office may share one address. */
  connectionsPerAddressMax: 2048,
  /** Connections of one authenticated subject, and documents that it has open over Hocuspocus: further ones are refused ("too-many-connections"). */
  connectionsPerSubjectMax: 1024,
  /** Messages and bytes that are read of one connection in a second, on average; above it its socket waits. An editor sends some 40 messages. */
  connectionMessagesPerSecondMax: 1000,
  connectionBytesPerSecondMax: 16 * MIB,
  /** The same of all connections of one authenticated subject together ... */
  subjectMessagesPerSecondMax: 4000,
  subjectBytesPerSecondMax: 64 * MIB,
  /** ... of updates alone of all connections to one document, whatever the door ... */
  documentMessagesPerSecondMax: 4000,
  documentBytesPerSecondMax: 64 * MIB,
  /** ... and of updates of all connections to one space. More than one processor core takes, so it bounds nothing until it is set lower: where tenants share a relay. */
  spaceMessagesPerSecondMax: 1_000_000,
  spaceBytesPerSecondMax: 4096 * MIB,
  /** Names a second that one subject (without one, one link) has remembered although nothing is stored under them, on average: deletions of what never was, and documents
   *  that are refused. Who has the right `admin` in the space is not counted: a relay that peers brings what others did. */
  rememberedNamesPerSecondMax: 100,
  /** Presence states (a pointer that moved, a selection) of one connection that are passed on in a second, on average; above it only the newest of each id, when there is room
   *  again. Who sends eight times as many for half a minute is closed ("rate-limited"). */
  presencePerSecondMax: LIMITS.presencePerSecondMax,
  /** The same of all connections of one authenticated subject together ... */
  subjectPresencePerSecondMax: LIMITS.subjectPresencePerSecondMax,
  /** ... and of a link to another relay, which speaks for many. */
  relayPresencePerSecondMax: LIMITS.relayPresencePerSecondMax,
  /** Messages about presence that all connections to one document get together in a second; above it what changed meanwhile goes out together: a thousand people get
   *  five a second each, however many of them move. */
  documentPresencePerSecondMax: LIMITS.documentPresencePerSecondMax,
  /** What comes at once after a pause may be this many seconds' worth: an offline document, a script. */
  rateBurstSeconds: 20,
  /** A connection that would have to wait longer than this is closed ("rate-limited"): many connections share what they owe. */
  rateWaitMsMax: 30_000,
  /** All of a shutdown gets this long. */
  drainMs: 8_000,
} as const

export type RelayLimits = { readonly [K in keyof typeof RELAY_LIMITS]: number }
