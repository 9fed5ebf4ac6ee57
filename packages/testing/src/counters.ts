// What a campaign really met. Every situation that the simulation is for has a name here; one that a campaign never meets fails it, because a
// check that never ran proves nothing. Read by run.ts and simulation.test.ts. Rule: SM-2.

/** name -> what it counts. `anyway`: may stay 0 in a campaign of 1,000 seeds. */
export const situations = {
  // workload
  operation: 'local edits carried out',
  'text insert': 'Y.Text inserts',
  'text delete': 'Y.Text deletes',
  format: 'Y.Text formats set or cleared',
  embed: 'Y.Text embeds',
  astral: 'inserts with characters outside the basic plane',
  'mid-pair': 'edits whose boundary falls inside a surrogate pair',
  map: 'Y.Map sets and deletes',
  'nested type': 'types created inside types',
  array: 'Y.Array inserts and deletes',
  xml: 'XML elements, texts and attributes',
  undo: 'undo and redo steps that changed something',
  'big insert': 'inserts larger than a row',
  'new document': 'documents created while the run went on',
  'guest write': 'updates written by a guest',
  'guest resent': 'guest state sent again after a refusal, failure or reconnect',
  'derived delete': 'deletes that Yjs derived from a remote update and the replica took as its own entry',
  // links
  'frame lost inside a link': 'hostile mode',
  'frame duplicated': 'hostile mode',
  'frame reordered': 'hostile mode',
  'frame corrupted': 'hostile mode',
  'frame truncated': 'hostile mode',
  'link cut': 'connections cut with frames in flight',
  'link half-open': 'connections whose sends vanished without notice',
  'link closed as silent': 'half-open links found by ping',
  partition: 'groups of replicas separated',
  'one-way partition': 'one direction stalled',
  'partition healed with concurrent writes': 'both sides wrote while apart',
  'slow link': 'sends met a full buffer',
  'double link resolved': 'two links between two replicas became one',
  pause: 'a process stood still',
  // crashes, copies, stores
  crash: 'processes killed',
  'crash between effects': 'a flush was carried out in part',
  'crash with a commit in flight, lost': 'the transaction was not stored',
  'crash with a commit in flight, stored': 'the transaction was stored, nobody was told',
  'restore in place': 'an older copy was started under the same identity',
  'copy detected': 'a copied store became a new replica',
  'duplicate-replica': 'two live processes with one identity met a peer',
  'rollback detected': "a peer knew more of a replica's log than the replica itself",
  'client ids rotated': 'open documents got fresh client ids',
  'store full': 'commits that failed',
  'storage recovered': 'commits that went on after a failure',
  sweep: 'compaction sweeps',
  'sweep with extra deletes': 'compaction found deletes that the log did not hold (H5)',
  'sweep while links were live': 'compaction during sync',
  quarantine: 'documents whose stored content failed its checksum',
  // protocol
  'start equal': 'channels that began with equal roots',
  'start stream': 'channels that resumed by cursor',
  'start reconcile': 'channels that began with a reconciliation',
  'recon message': 'range reconciliation messages',
  'recon during live traffic': 'entries arrived while a reconciliation was outstanding',
  want: 'document diffs asked for',
  ask: 'unknown documents asked for',
  offer: 'rows that travelled as OFFER',
  'diff in chunks': 'DIFFs of more than one part',
  'held update': 'updates held for a missing dependency',
  'held update resolved': 'held updates that were admitted later',
  'refused document': 'documents refused by limit or rights',
  'accepted again': 'refused documents that were taken later',
  'read-only link': 'writes refused by the rights of a link',
  follower: 'read-only replicas in a run',
  'partial subscription': 'replicas that subscribe to part of the space',
  resubscription: 'scopes opened or shut while the run went on',
  verify: 'content digests compared',
  'divergence reported': 'content that differs at equal knowledge was reported',
  // checks
  'cursor claim checked': 'I3 at a cursor write',
  'cursor write during reconciliation checked': 'I7',
  'frame checked': 'I5: frames compared with the committed head at send time',
  'mid-pair content exception': 'documents whose text differed because of a boundary inside a surrogate pair',
  converged: 'runs that ended equal',
} as const

export type Situation = keyof typeof situations

/** Situations that need not occur in every campaign. */
const anyway: ReadonlySet<Situation> = new Set<Situation>(['mid-pair content exception'])

export class Counters {
  readonly #counts = new Map<Situation, number>()

  add(situation: Situation, by = 1): void {
    this.#counts.set(situation, (this.#counts.get(situation) ?? 0) + by)
  }

  get(situation: Situation): number {
    return this.#counts.get(situation) ?? 0
  }

  merge(other: Counters): void {
    for (const [situation, count] of other.#counts) this.add(situation, count)
  }

  /** Situations that never occurred and should have. */
  missing(): Situation[] {
    return (Object.keys(situations) as Situation[]).filter((situation) => this.get(situation) === 0 && !anyway.has(situation))
  }

  table(): string {
    const names = Object.keys(situations) as Situation[]
    const width = Math.max(...names.map((name) => name.length))
    return names.map((name) => `  ${name.padEnd(width)}  ${String(this.get(name)).padStart(9)}  ${situations[name]}`).join('\n')
  }
}
