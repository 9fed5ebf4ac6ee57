// Every bound of the HTTP API, unit last in its name, each with its reason. Rules: HA-6, RS-1.

import { LIMITS } from '@syncline/protocol'

const KIB = 1024
const MIB = 1024 * KIB

export const API_LIMITS = {
  /** One update: as large as one message of a foreign door. */
  updateBytesMax: 32 * MIB,
  /** One patch of a map. */
  patchBytesMax: 1 * MIB,
  /** Bodies of all requests that are being read or written, together; above it requests are turned away. */
  bodiesBytesMax: 128 * MIB,
  /** A body may pause for this time ... */
  bodySilentMs: 10_000,
  /** ... and, after as long again, must have come at this rate. */
  bodyBytesPerSecondMin: 8 * KIB,
  /** A write is answered within this time, whatever the disk does. */
  writeWithinMs: 30_000,
  /** Nesting of a value in a patch: what the gate lets through. */
  valueDepthMax: LIMITS.valueDepthMax,
  /** Name of a root type in UTF-8. */
  rootBytesMax: 512,
  /** Documents of one page of the list, and rows of one document's log. */
  pageMax: 500,
  pageDefault: 100,
  logRowsDefault: 50,
  /** Changes of one answer, in number ... */
  changesMax: 1000,
  changesDefault: 100,
  /** ... and bytes; one document that was compacted may be larger. */
  changesBytesMax: 4 * MIB,
  /** Rows of the log that one answer looks through for changes that the asker may read. */
  changeRowsMax: 10_000,
  /** Documents or rows that are looked at in one turn of the event loop. */
  rowsPerTurn: 256,
  /** A stored document above this is not shown as JSON: reading it would hold up everybody. */
  contentBytesMax: 8 * MIB,
  /** Open event streams, the unsent bytes of one, and how many past events a new one gets. */
  streamsMax: 32,
  /** Of one space, so that one tenant leaves others theirs. */
  streamsOfSpaceMax: 8,
  streamBytesMax: 256 * KIB,
  streamPastMax: 100,
  heartbeatMs: 15_000,
  /** A patched document stays open for this time, so that the next patch writes under the same client id: each id stays in a document for ever. */
  patchedOpenMs: 60_000,
  patchedOpenMax: 64,
  /** One sample a second, for ten minutes. */
  sampleEveryMs: 1_000,
  samplesMax: 600,
  /** Acknowledgements of one second that are kept for its percentiles. */
  ackTimesMax: 4096,
  /** Stretches of the log whose time of commit is remembered. */
  commitTimesMax: 4096,
} as const
