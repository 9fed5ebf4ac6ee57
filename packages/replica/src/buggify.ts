// Points where the engine may take its rarer way: all of them correct, none of them common. A simulation turns some on, so that what happens once
// in a million hours happens in every run; everywhere else the answer is a constant no. Read by the parts named below. Rule: SM-3.

/** point -> what the engine does there. */
export const buggifyPoints = {
  'commit-waits': 'leaves an urgent batch for a later turn (replica-core.ts)',
  'evict-documents': 'forgets every clean document (housekeeping.ts)',
  'announce-early': 'announces position and root although the link is busy (housekeeping.ts)',
  'sweep-now': 'looks for documents to compact at every tick (maintenance.ts)',
  'compact-unheld': 'compacts a document in as many steps as there can be, and holds no commits for it (maintenance.ts)',
  'tree-in-bits': 'builds trees of documents by one document a turn (link-desk.ts)',
  'one-row-frames': 'ends a frame after one row (server.ts)',
  'read-the-log': 'serves from the store what is in memory (server.ts)',
  'join-rows': 'joins rows that a link missed, however few they are (server.ts)',
  'offer-rows': 'offers a document in place of its row (server.ts)',
  'small-chunks': 'cuts diffs into chunks of 64 bytes (server.ts)',
  'reconcile-anyway': 'reconciles although the cursor is good (server.ts)',
  'ack-late': 'leaves a cursor for a later turn (receiver.ts)',
} as const satisfies Readonly<Record<string, string>>

export type BuggifyPoint = keyof typeof buggifyPoints

/** True: take the rarer way, this time. */
export type Buggify = (point: BuggifyPoint) => boolean

export const noBuggify: Buggify = () => false
