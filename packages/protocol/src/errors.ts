// The one error class and the one table of codes: what happened is the message, what to do is `todo`, who may retry is `retry`.
// docs/errors.md is generated from this table and a test compares both ways.

/** When a caller may try again: never as it stands, later by itself, after a change by the caller, or at once. */
export type Retry = 'never' | 'later' | 'after-change' | 'now'

export interface ErrorRow {
  readonly retry: Retry
  /** WebSocket close code when the code ends a link. */
  readonly closeCode: number | null
  readonly todo: string
}

export const errorTable = {
  // ids and arguments
  'argument-invalid': { retry: 'after-change', closeCode: null, todo: 'Correct the argument that the message names.' },
  'doc-id-invalid': { retry: 'after-change', closeCode: null, todo: 'Use 1 to 512 bytes of well-formed UTF-8 without NUL.' },
  'space-id-invalid': {
    retry: 'after-change',
    closeCode: 4400,
    todo: 'Use 1 to 128 letters, digits, dots, dashes or underscores, not starting with a dot.',
  },
  // wire
  'duplicate-replica': {
    retry: 'later',
    closeCode: 4409,
    todo: 'Two live processes use one replica id: stop one, or delete the copied file beside its original.',
  },
  'frame-corrupt': {
    retry: 'now',
    closeCode: 4400,
    todo: 'Nothing: the link is dialled again and resumes. If it repeats, check the network path.',
  },
  'frame-too-large': { retry: 'never', closeCode: 1009, todo: 'Send frames of at most 1 MiB; larger documents travel as chunks.' },
  'hello-expected': { retry: 'never', closeCode: 4400, todo: 'Send HELLO first, and once.' },
  'hello-timeout': { retry: 'later', closeCode: 4408, todo: 'Check that the other side speaks syncline.1 and is not stalled.' },
  'link-silent': { retry: 'later', closeCode: 4408, todo: 'The other side stopped answering; it is dialled again by itself.' },
  'link-replaced': { retry: 'never', closeCode: 4410, todo: 'Nothing: a newer link to the same replica took over.' },
  'message-malformed': { retry: 'never', closeCode: 4400, todo: 'Upgrade or repair the peer: no correct encoder sends these bytes.' },
  'message-unexpected': {
    retry: 'never',
    closeCode: 4400,
    todo: 'Upgrade or repair the peer: the message does not fit the state of the link.',
  },
  'peer-unreachable': {
    retry: 'later',
    closeCode: null,
    todo: 'Check the address, and that the peer runs; it is dialled again by itself.',
  },
  'protocol-mismatch': { retry: 'never', closeCode: 4426, todo: 'Upgrade the older side: the two share no protocol version.' },
  'self-link': { retry: 'never', closeCode: 4411, todo: 'Remove the own address from the peers.' },
  'shutting-down': { retry: 'later', closeCode: 1012, todo: 'Nothing: the link is dialled again by itself.' },
  'space-unknown': { retry: 'never', closeCode: 4404, todo: 'Ask for a space that the peer serves.' },
  // gate and documents
  'delete-forbidden': { retry: 'after-change', closeCode: null, todo: 'Ask for the right to delete the document.' },
  'doc-deleted': {
    retry: 'never',
    closeCode: 4404,
    todo: 'Export what was in it (it is kept for 30 days), and go on under another name, or begin it anew on purpose (recreate).',
  },
  'doc-too-large': {
    retry: 'after-change',
    closeCode: null,
    todo: 'Split the document, or raise the document limit of the replica that refused it.',
  },
  'read-only': { retry: 'after-change', closeCode: null, todo: 'Ask for write access to the document.' },
  'space-full': {
    retry: 'after-change',
    closeCode: null,
    todo: 'Use another space, or raise the limit of documents (limits.documentsMax) of the relay that refused it.',
  },
  'update-forbidden': { retry: 'never', closeCode: null, todo: 'Remove the value that the message names: it harms replicas that read it.' },
  'update-limit': { retry: 'never', closeCode: null, todo: 'Make the change smaller than the limit that the message names.' },
  'update-malformed': { retry: 'never', closeCode: null, todo: 'Upgrade or repair the writer: no Yjs encoder emits these bytes.' },
  'held-overflow': { retry: 'later', closeCode: null, todo: 'Nothing: the missing part is asked for again by a document diff.' },
  divergence: {
    retry: 'never',
    closeCode: null,
    todo: 'Replicas hold the same ids with different content. Compare both exports and keep one side.',
  },
  // client
  'copies-unreachable': { retry: 'after-change', closeCode: null, todo: 'Link to more replicas directly, or ask for fewer copies.' },
  'doc-quarantined': {
    retry: 'later',
    closeCode: null,
    todo: 'The stored document failed its checksum. It returns when a peer delivers it again.',
  },
  'doc-released': { retry: 'after-change', closeCode: null, todo: 'Open the document again.' },
  'platform-unsupported': { retry: 'never', closeCode: null, todo: 'Run it under Node 22 or newer.' },
  'replica-closed': { retry: 'never', closeCode: null, todo: 'Create a new replica.' },
  'wait-aborted': { retry: 'now', closeCode: null, todo: 'Nothing: the signal ended the wait. The write is still under way.' },
  // access
  'access-denied': {
    retry: 'after-change',
    closeCode: 4403,
    todo: 'Ask whoever runs the relay for the right, or check the name: both look the same.',
  },
  'auth-expired': { retry: 'after-change', closeCode: 4401, todo: 'Fetch a fresh token; the client connects again with it.' },
  'auth-invalid': {
    retry: 'after-change',
    closeCode: 4401,
    todo: 'Send a token that this relay can verify: its key, issuer and audience.',
  },
  'auth-required': { retry: 'after-change', closeCode: 4401, todo: 'Send a token: this relay serves nobody it does not know.' },
  'auth-revoked': {
    retry: 'after-change',
    closeCode: 4403,
    todo: 'What this identity may do has changed; the client connects again and keeps its unsent edits.',
  },
  'auth-unavailable': { retry: 'later', closeCode: 1013, todo: 'Nothing: whoever verifies tokens did not answer; the client tries again.' },
  'rate-limited': {
    retry: 'later',
    closeCode: 1013,
    todo: 'Send less at a time; the client connects again by itself. Or raise the limits of the relay: limits.connectionBytesPerSecondMax and its siblings.',
  },
  'too-many-connections': {
    retry: 'later',
    closeCode: 1013,
    todo: 'Close connections of this identity, or raise limits.connectionsPerSubjectMax.',
  },
  'config-invalid': {
    retry: 'after-change',
    closeCode: null,
    todo: 'Correct the setting that the message names; syncline check-config tries it.',
  },
  'policy-invalid': { retry: 'after-change', closeCode: null, todo: 'Correct the place in the policy that the message names.' },
  // http api and hooks
  'hook-failed': {
    retry: 'later',
    closeCode: 1013,
    todo: 'See the cause: the hook is code of the application, or an address that it named.',
  },
  'position-unknown': {
    retry: 'after-change',
    closeCode: null,
    todo: 'Start over: ask for the changes without a position; they begin with everything that is there.',
  },
  'relay-busy': { retry: 'later', closeCode: 1013, todo: 'Nothing: try again later; as much is under way as may be.' },
  'request-failed': { retry: 'later', closeCode: null, todo: 'See the log of the relay; the request may have had an effect.' },
  'space-closed': { retry: 'later', closeCode: null, todo: 'Ask without "follow": that opens the space.' },
  'spaces-full': {
    retry: 'later',
    closeCode: 1013,
    todo: 'Remove the files of spaces that nobody needs, or raise limits.spacesMax of the relay.',
  },
  'update-incomplete': {
    retry: 'after-change',
    closeCode: null,
    todo: 'Send one update with everything since the state vector of the answer.',
  },
  // store
  'store-closed': { retry: 'never', closeCode: null, todo: 'Open the store again.' },
  'store-corrupt': { retry: 'never', closeCode: null, todo: 'Keep the file for inspection, then restore it from a peer or a backup.' },
  'store-foreign': { retry: 'never', closeCode: null, todo: 'Give a file that Syncline made, or an empty path.' },
  'store-full': { retry: 'later', closeCode: null, todo: 'Free space on the disk; reads go on and writes resume by themselves.' },
  'store-io': { retry: 'later', closeCode: null, todo: 'Check the disk and the file permissions; nothing was acknowledged.' },
  'store-locked': { retry: 'later', closeCode: 1013, todo: 'Give each replica its own file, or stop the other process.' },
  'store-newer': {
    retry: 'never',
    closeCode: null,
    todo: 'Use the release that wrote the file, or a newer one. To go back, put the backup of the upgrade (FILE.vN-backup) in its place.',
  },
  'store-pragma': { retry: 'never', closeCode: null, todo: 'Use a SQLite build that honours WAL and synchronous.' },
  'store-replaced': { retry: 'never', closeCode: null, todo: 'The file was moved or replaced while open. Restart on the file you mean.' },
  'storage-failed': {
    retry: 'later',
    closeCode: 1013,
    todo: 'See the cause; local edits wait in memory and are saved when the store recovers.',
  },
  'sqlite-missing': { retry: 'after-change', closeCode: null, todo: 'Run: npm install better-sqlite3' },
  // command line
  'doc-missing': { retry: 'after-change', closeCode: null, todo: 'List what is there with: syncline ls' },
  'host-not-loopback': {
    retry: 'after-change',
    closeCode: null,
    todo: 'Listen on 127.0.0.1, set up authentication, or add --insecure: then anybody who reaches the port reads and writes.',
  },
  'level-missing': { retry: 'after-change', closeCode: null, todo: 'Run: npm install classic-level' },
  'port-forbidden': {
    retry: 'after-change',
    closeCode: null,
    todo: 'Take a port from 1024 on, or give the process the right to this one.',
  },
  'port-taken': { retry: 'after-change', closeCode: null, todo: 'Stop the process that listens there, or choose another --port.' },
  'store-missing': { retry: 'after-change', closeCode: null, todo: 'Name a data folder that a relay or replica has written, with --data.' },
  usage: { retry: 'after-change', closeCode: null, todo: 'See --help.' },
} as const satisfies Record<string, ErrorRow>

export type ErrorCode = keyof typeof errorTable

/** The one error class. `message` says what happened with the value; `todo` says what to do. */
export class SynclineError extends Error {
  override readonly name = 'SynclineError'
  readonly code: ErrorCode
  /** Free facts for logs: never document content. */
  readonly detail: Readonly<Record<string, string | number | boolean>>

  constructor(code: ErrorCode, message: string, options: { cause?: unknown; detail?: Record<string, string | number | boolean> } = {}) {
    super(`${message} [${code}] ${errorTable[code].todo}`, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.detail = options.detail ?? {}
  }

  get retry(): Retry {
    return errorTable[this.code].retry
  }

  get todo(): string {
    return errorTable[this.code].todo
  }
}

/** True for a code of the table: for values that came from the wire or from disk. */
export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(errorTable, text)
}
