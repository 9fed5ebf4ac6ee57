// Every bound of the protocol, unit last in its name, each with its reason. Read by the codec, the gate, the engine and the doors.

const KIB = 1024
const MIB = 1024 * KIB

export const LIMITS = {
  /** One native WebSocket message. Larger rows travel as chunked DIFFs; a small frame bounds what one peer can make us buffer. */
  nativeFrameBytesMax: 1 * MIB,
  /** What the pump aims at, so that one frame never delays the next document by long. */
  frameTargetBytes: 256 * KIB,
  /** A document id in UTF-8. Long enough for paths and URLs, short enough to send with every new alias. */
  docIdBytesMax: 512,
  /** A space name in UTF-8: it becomes a file name. */
  spaceIdBytesMax: 128,
  /** Auth token bytes in HELLO: JWTs with many claims stay under 8 KiB. */
  authBytesMax: 16 * KIB,
  /** Free text in ERROR and REFUSED. */
  textBytesMax: 1 * KIB,
  /** Messages in one frame. */
  messagesPerFrameMax: 4096,
  /** Rows in one ENTRIES message. */
  rowsPerEntriesMax: 4096,
  /** Ranges in one RECON message. */
  rangesPerReconMax: 8192,
  /** Items in one LIST range. */
  itemsPerRangeMax: 4096,
  /** Scopes one link may open: a device subscribes to a handful of collections and some hundred documents. */
  scopesPerLinkMax: 1024,
  /** Document aliases one direction of one link may hold; above it the oldest numbers are used again (about 100 bytes each). */
  aliasesPerLinkMax: 65_536,
  /** One chunk of a DIFF: leaves room for the header in a native frame. */
  diffChunkBytes: 256 * KIB,
  /** One update or one reassembled DIFF: a 5 MB offline document with room to grow. */
  updateBytesMax: 64 * MIB,
  /** Whole stored document (snapshot and tail), default; a policy may set less. */
  documentBytesMax: 128 * MIB,
  /** Client ids of one document, and so of one update: Yjs draws one whenever somebody opens a document and writes. Each stands in every state vector that is
   *  exchanged (about 7 bytes, so 450 KiB here) and costs the gate some 2 us. */
  clientsPerDocMax: 65_536,
  /** Ranges of deleted clocks of one document, and so of one update: all stand in every full answer, and each costs the gate about 1 us. Four times what a
   *  document of 128 MiB with one deletion in every 512 bytes has. */
  deleteRangesPerDocMax: 1024 * 1024,
  /** Gaps in the clocks of one update: it was made by who lacks something. Honest ones have a few, where offline edits of others have not arrived. */
  gapsPerUpdateMax: 65_536,
  /** Framed updates in one row. */
  updatesPerRowMax: 65_536,
  /** Bytes of one coalesced row: above it a commit starts another row of the same document. */
  rowBytesTarget: 64 * KIB,
  /** Nesting of maps and arrays inside one value: deeper overflows the stacks of consumers (TRAPS T16). */
  valueDepthMax: 64,
  /** Nesting of types that one update creates or a stored document holds: deleting a root some thousand deep overflows stacks (TRAPS T16). */
  typeDepthMax: 200,
  /** Highest clock of one client: far beyond any session, far below 2^53 where Yjs poisons exports (TRAPS T7). */
  clockMax: 2 ** 40,
  /** Presence state of one client, as JSON bytes. */
  presenceBytesMax: 4 * KIB,
  /** Presence ids one connection may own. */
  presenceIdsPerConnectionMax: 256,
  /** Presence of one document, all ids: a newcomer gets it in one native frame. */
  presenceBytesPerDocMax: 512 * KIB,
  /** Removed presence ids a document remembers, so that a late echo does not bring one back. */
  presenceRemovedMax: 1024,
  /** Presence states of one connection that are passed on in a second, on average; above it only the newest of each id, when there is room again. A pointer that moves
   *  sends one for every picture of the screen. */
  presencePerSecondMax: 60,
  /** The same of all connections of one person ... */
  subjectPresencePerSecondMax: 240,
  /** ... and of a link to another relay, which speaks for many. */
  relayPresencePerSecondMax: 4000,
  /** Messages about the presence in one document to all who get them, in a second; above it what changed goes out together. A hundred people get fifty a second. */
  documentPresencePerSecondMax: 5000,
  /** Updates held per document while a dependency is missing. */
  heldUpdatesPerDocMax: 256,
  heldBytesPerDocMax: 4 * MIB,
  /** Held bytes of all documents of a space. */
  heldBytesMax: 64 * MIB,
  /** Unacknowledged bytes a sender may have under way on one link. */
  windowBytes: 8 * MIB,
  /** A socket that has this much unsent is left alone until it drains. */
  socketBufferBytesMax: 1 * MIB,
  /** Documents under outstanding WANT on one link. */
  wantsPerLinkMax: 512,
  /** HELLO must arrive within this time. */
  helloDeadlineMs: 5_000,
  /** A link without traffic is pinged after this time ... */
  pingAfterMs: 15_000,
  /** ... and closed when nothing arrived for this time. */
  silentCloseMs: 30_000,
  /** close() gives up waiting for the store and the links after this time. */
  closeWithinMs: 5_000,
  /** An older connection or presence owner must answer a ping within this time. */
  takeoverPingMs: 2_000,
  /** Presence that came through another relay outlives its link by this time. */
  relayedPresenceMs: 30_000,
  /** Content verification: one document per link in this time. */
  verifyEveryMs: 1_000,
  /** Roots that still differ after both sides were idle this long start a reconciliation ... */
  idleBeforeHealMs: 5_000,
  /** ... at most this often per link. */
  healEveryMs: 60_000,
  /** A compaction sweep rotates the epoch nonce, so at most one per space in this time. */
  sweepEveryMs: 60_000,
  /** A document is due for compaction from this many tail rows ... */
  tailRowsDue: 256,
  /** ... or this many tail bytes, whichever of the two below is larger. */
  tailBytesDue: 16 * KIB,
  /** From this many tail rows a document does not wait for the next sweep. */
  tailRowsHardMax: 4096,
  /** Epochs answer cursors for this long. */
  epochKeptMs: 90 * 24 * 60 * 60 * 1000,
  /** What a deletion took away can be exported for this long, from each replica that had it. */
  remainsKeptMs: 30 * 24 * 60 * 60 * 1000,
  /** Reconnect backoff: full jitter between 0 and a doubling bound. */
  backoffFirstMs: 250,
  backoffMaxMs: 30_000,
} as const

const within = (name: string, holds: boolean): void => {
  if (!holds) throw new Error(`limits: ${name}`)
}
within('the byte that counts type nesting has room for one too many', LIMITS.typeDepthMax < 255)
within('a DIFF chunk fits a native frame with its header', LIMITS.diffChunkBytes + 2 * KIB <= LIMITS.nativeFrameBytesMax)
within('a pump frame fits a native frame', LIMITS.frameTargetBytes + LIMITS.rowBytesTarget <= LIMITS.nativeFrameBytesMax)
within('the window holds several frames', LIMITS.windowBytes >= 4 * LIMITS.nativeFrameBytesMax)
within('silence is noticed only after a ping had time', LIMITS.pingAfterMs + LIMITS.takeoverPingMs < LIMITS.silentCloseMs)
within('held updates of one document fit the space bound', LIMITS.heldBytesPerDocMax <= LIMITS.heldBytesMax)
