// Every metric of a relay, as a row: what it is, its unit, its labels and the values they take. Labels are bounded: never names of documents, subjects or
// addresses. Read by metric-set.ts, which makes them, and by scripts/docs.ts, which writes docs/metrics.md. Rules: MT-1, MT-2.

export interface MetricRow {
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly unit: 'bytes' | 'seconds' | 'count' | 'info'
  readonly help: string
  /** Label name to the values it takes, in words. */
  readonly labels: Readonly<Record<string, string>>
  /** What several processes of one relay come to together; default their sum. */
  readonly together?: 'max' | 'min' | 'first'
}

const door = 'native, y-websocket, hocuspocus, y-sweet, http'
const code = 'a code of docs/errors.md; other for a code that this version does not know'
const role = 'device, relay, follower'
const peer = 'the first 8 digits of a replica id; others for what is beyond 64 series'
const own = {} as const

export const metricTable = {
  // doors
  syncline_connections: { type: 'gauge', unit: 'count', help: 'Open connections by door.', labels: { door } },
  syncline_unsent_bytes: {
    type: 'gauge',
    unit: 'bytes',
    help: 'Bytes sent to foreign clients that the network has not taken.',
    labels: own,
  },
  syncline_access_refused_total: {
    type: 'counter',
    unit: 'count',
    help: 'Connections and requests refused by authentication, policy or limits.',
    labels: { door, code },
  },
  syncline_throttled_total: {
    type: 'counter',
    unit: 'count',
    help: 'Times that a connection was not read for a while because more came than the rate of one connection, subject, document or space, or more names to be remembered (deletions of what never was, documents that are refused).',
    labels: { door, by: 'connection, subject, document, space, names' },
  },
  syncline_guests: {
    type: 'gauge',
    unit: 'count',
    help: 'Documents attached by connections of foreign doors, each connection counted.',
    labels: own,
  },
  syncline_presence_delayed_total: {
    type: 'counter',
    unit: 'count',
    help: 'Presence states that waited because more came than the rate of one connection, subject or document; of those that wait only the newest of each id goes on.',
    labels: { by: 'connection, subject, document' },
  },
  syncline_presence_ids: { type: 'gauge', unit: 'count', help: 'Live presence ids in all documents.', labels: own },
  // documents
  syncline_spaces_open: { type: 'gauge', unit: 'count', help: 'Open spaces.', labels: own },
  syncline_spaces_stored: { type: 'gauge', unit: 'count', help: 'Spaces with a file in the data folder.', labels: own, together: 'max' },
  syncline_documents: { type: 'gauge', unit: 'count', help: 'Stored documents of the open spaces.', labels: own },
  syncline_documents_open: { type: 'gauge', unit: 'count', help: 'Documents held open as a Y.Doc in this process.', labels: own },
  syncline_documents_diverged: {
    type: 'gauge',
    unit: 'count',
    help: 'Documents of which a peer holds other content under the same ids, since the start.',
    labels: own,
  },
  syncline_documents_quarantined: {
    type: 'gauge',
    unit: 'count',
    help: 'Stored documents that failed their checksum and wait for a peer.',
    labels: own,
  },
  syncline_documents_stuck: { type: 'gauge', unit: 'count', help: 'Open documents that show less than is committed.', labels: own },
  syncline_documents_refused: {
    type: 'gauge',
    unit: 'count',
    help: 'Documents refused now: by this relay (in), or by a peer (out).',
    labels: { direction: 'in, out' },
  },
  syncline_documents_missing: { type: 'gauge', unit: 'count', help: 'Documents asked of peers that have not come yet.', labels: own },
  // commits and writes
  syncline_commits_total: { type: 'counter', unit: 'count', help: 'Commits of the store.', labels: own },
  syncline_commit_rows_total: { type: 'counter', unit: 'count', help: 'Rows that commits appended to the log.', labels: own },
  syncline_commit_bytes_total: { type: 'counter', unit: 'bytes', help: 'Bytes of the rows that commits appended.', labels: own },
  syncline_commit_duration_seconds: { type: 'histogram', unit: 'seconds', help: 'Time of one commit, fsync included.', labels: own },
  syncline_ack_duration_seconds: {
    type: 'histogram',
    unit: 'seconds',
    help: 'How long an acknowledgement took: relay, from the arrival of a write to its commit here; copies, from the commit here to the acknowledgement of another relay or follower.',
    labels: { tier: 'relay, copies', from: 'door (each write), link (the oldest message of a commit), peer' },
  },
  syncline_writes_total: {
    type: 'counter',
    unit: 'count',
    help: 'Writes through foreign doors and open documents, by what became of them.',
    labels: { outcome: 'committed, known, held, refused, failed' },
  },
  syncline_writes_unsettled: {
    type: 'gauge',
    unit: 'count',
    help: 'Writes through foreign doors and open documents without an outcome.',
    labels: own,
  },
  syncline_updates_refused_total: {
    type: 'counter',
    unit: 'count',
    help: 'Updates that this relay refused: from a door each, from a link once per document and reason.',
    labels: { from: 'door, link', code },
  },
  syncline_peer_refusals_total: {
    type: 'counter',
    unit: 'count',
    help: 'Documents that a peer refused from this relay.',
    labels: { code },
  },
  syncline_held_updates: { type: 'gauge', unit: 'count', help: 'Updates that wait for a missing dependency.', labels: own },
  syncline_held_bytes: { type: 'gauge', unit: 'bytes', help: 'Bytes of the updates that wait for a missing dependency.', labels: own },
  // peers
  syncline_peers: { type: 'gauge', unit: 'count', help: 'Replicas with a live link.', labels: { role } },
  syncline_peers_unsynced: {
    type: 'gauge',
    unit: 'count',
    help: 'Linked replicas whose first full exchange is not done.',
    labels: { role },
  },
  syncline_peer_linked: {
    type: 'gauge',
    unit: 'count',
    help: '1 while a relay or follower is linked, 0 for 24 hours after its link ended.',
    labels: { peer, role: 'relay, follower' },
    together: 'min',
  },
  syncline_peer_lag_rows: {
    type: 'gauge',
    unit: 'count',
    help: 'Rows of the log that a relay or follower has not acknowledged, linked or not.',
    labels: { peer, role: 'relay, follower' },
    together: 'max',
  },
  syncline_peer_lag_seconds: {
    type: 'gauge',
    unit: 'seconds',
    help: 'Age of the oldest row that a relay or follower has not acknowledged, at most since it was first linked; 0 without such a row.',
    labels: { peer, role: 'relay, follower' },
    together: 'max',
  },
  syncline_peer_silence_seconds: {
    type: 'gauge',
    unit: 'seconds',
    help: 'Time since something was last heard of a relay or follower; a quiet link is pinged after 15 s.',
    labels: { peer, role: 'relay, follower' },
    together: 'max',
  },
  syncline_device_lag_rows_max: {
    type: 'gauge',
    unit: 'count',
    help: 'Unacknowledged rows of the linked device that is furthest behind.',
    labels: own,
    together: 'max',
  },
  syncline_dials: {
    type: 'gauge',
    unit: 'count',
    help: 'Configured peers by the state of their dial.',
    labels: { phase: 'connecting, connected, waiting, stopped' },
  },
  syncline_links_ended_total: {
    type: 'counter',
    unit: 'count',
    help: 'Ended native links.',
    labels: { code: `${code}; lost for a broken connection` },
  },
  syncline_reconciliations_total: {
    type: 'counter',
    unit: 'count',
    help: 'Comparisons of documents with a peer: at a first meeting, or because roots differed.',
    labels: { why: 'no-cursor, roots-differ' },
  },
  syncline_divergences_total: { type: 'counter', unit: 'count', help: 'Divergences found: same ids, other content.', labels: own },
  syncline_rollbacks_total: { type: 'counter', unit: 'count', help: 'Lost tails of the own log that a peer noticed.', labels: own },
  // store
  syncline_storage_failures_total: { type: 'counter', unit: 'count', help: 'Times that a store began to fail.', labels: { code } },
  syncline_spaces_failed: {
    type: 'gauge',
    unit: 'count',
    help: 'Spaces whose store does not commit, and those that could not be opened when it was last tried.',
    labels: { space: 'default, other' },
  },
  syncline_quarantines_total: { type: 'counter', unit: 'count', help: 'Documents put into quarantine.', labels: own },
  syncline_sweeps_total: { type: 'counter', unit: 'count', help: 'Compaction sweeps.', labels: own },
  syncline_swept_documents_total: { type: 'counter', unit: 'count', help: 'Documents that sweeps compacted.', labels: own },
  syncline_compactions_total: {
    type: 'counter',
    unit: 'count',
    help: 'Documents put together for a sweep: from their bytes, through a Y.Doc, or through a Y.Doc because a check found that the bytes gave something else (a fault; report it).',
    labels: { way: 'bytes, ydoc, mismatch' },
  },
  syncline_maintenance_duration_seconds: {
    type: 'histogram',
    unit: 'seconds',
    help: 'Time of one sweep, epoch rotation or quarantine; commits wait meanwhile.',
    labels: { work: 'sweep, rotate-epoch, quarantine' },
  },
  syncline_store_bytes: { type: 'gauge', unit: 'bytes', help: 'Size of the SQLite files of the open spaces.', labels: own },
  syncline_wal_bytes: { type: 'gauge', unit: 'bytes', help: 'Size of the write-ahead logs of the open spaces.', labels: own },
  syncline_disk_free_bytes: {
    type: 'gauge',
    unit: 'bytes',
    help: 'Free bytes on the disk of the data folder.',
    labels: own,
    together: 'max',
  },
  // process
  syncline_event_loop_delay_seconds: {
    type: 'gauge',
    unit: 'seconds',
    help: 'Delay of the event loop in the last 15 s.',
    labels: { stat: 'p50, p99, max' },
    together: 'max',
  },
  syncline_workers: {
    type: 'gauge',
    unit: 'count',
    help: 'Worker processes; absent for a relay of one process.',
    labels: { phase: 'serving, starting, waiting (it ended, and is started again)' },
  },
  syncline_workers_lost_total: {
    type: 'counter',
    unit: 'count',
    help: 'Worker processes that ended and were not asked to.',
    labels: own,
  },
  syncline_build_info: {
    type: 'gauge',
    unit: 'info',
    help: 'Always 1.',
    labels: { version: 'of @syncline/relay', protocol: 'of the wire' },
    together: 'first',
  },
} as const satisfies Readonly<Record<`syncline_${string}`, MetricRow>>

export type MetricName = keyof typeof metricTable
/** Names of the metrics of one type. */
export type MetricOf<T extends MetricRow['type']> = { [N in MetricName]: (typeof metricTable)[N]['type'] extends T ? N : never }[MetricName]
/** The labels of one metric, with their values. */
export type LabelsOf<N extends MetricName> = Readonly<Record<Extract<keyof (typeof metricTable)[N]['labels'], string>, string>>

/** Upper bounds of every histogram: half a millisecond (a commit without fsync) to ten seconds (a disk that hangs). */
export const DURATION_BUCKETS_SECONDS: readonly number[] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
