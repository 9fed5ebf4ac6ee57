// What a campaign really met. Every situation that the simulation is for has a name here; one that a campaign hardly ever meets fails it, because a check
// that never ran proves nothing. Read by the campaign and by everything that happens. Rule: SM-2.

/** name -> what it counts, of the engine and of what surrounds it. Workloads and users add their own. */
export const situations = {
  operation: 'edits carried out',
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
  'bridging partition': 'groups that see each other over one replica only',
  'one-way partition': 'one direction stalled',
  swizzle: 'links clogged one by one and freed in another order',
  'partition healed with concurrent writes': 'both sides wrote while apart',
  'slow link': 'sends met a full buffer',
  'double link resolved': 'two links between two replicas became one',
  pause: 'a process stood still',
  'clock jump': 'a monotonic clock leapt ahead',
  // crashes, copies, stores
  crash: 'processes killed',
  'crash between effects': 'a turn was carried out in part',
  'crash with a commit in flight, lost': 'the transaction was not stored',
  'crash with a commit in flight, stored': 'the transaction was stored, nobody was told',
  'replica gone': 'a process that never came back',
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
  'rarer way': 'runs in which the engine took its rarer ways',
  // checks
  'cursor claim checked': 'I3 at a cursor write',
  'cursor write during reconciliation checked': 'I7',
  'ack checked': 'I5: acks compared with the stored cursor at send time',
  'sent content checked': 'I5: updates on the wire compared with what is stored',
  'reconnect checked': 'I12: every link cut once more, and nobody looked for data',
  'frame checked': 'I5: frames compared with the committed head at send time',
  'content compared on the way': 'stores with equal digests compared before the faults ended',
  'virtual replicas compared': 'documents rebuilt in other ways',
  'recovery compared': 'stores that were what they had been, after a crash',
  'acknowledged and stable': 'acknowledged writes that are everywhere in the end',
  'acknowledged, lost with every copy': 'acknowledged writes whose only holders were taken back or destroyed',
  'mid-pair content exception': 'documents whose text differed because of a boundary inside a surrogate pair',
  converged: 'runs that ended equal',
} as const

export type Situation = keyof typeof situations

/** Situations that need not occur: they are exceptions. */
const anyway: ReadonlySet<string> = new Set<Situation>(['mid-pair content exception'])

/** The smallest share of runs in which a situation must be met, for a campaign to prove something. */
export const SHARE_MIN = 0.01
/** Shares of fewer runs than this say nothing. */
export const RUNS_FOR_SHARES = 100

/** How often each situation was met, and in how many runs. */
export class Counters {
  readonly #counts = new Map<string, number>()
  readonly #runs = new Map<string, number>()

  add(situation: Situation | (string & {}), by = 1): void {
    this.#counts.set(situation, (this.#counts.get(situation) ?? 0) + by)
  }

  get(situation: string): number {
    return this.#counts.get(situation) ?? 0
  }

  /** Runs that met it, of those merged into this. */
  runsWith(situation: string): number {
    return this.#runs.get(situation) ?? 0
  }

  /** Adds the counts of one run. */
  mergeRun(run: Counters): void {
    for (const [situation, count] of run.#counts) {
      this.add(situation, count)
      if (count > 0) this.#runs.set(situation, this.runsWith(situation) + 1)
    }
  }

  /** As plain data, for other processes. */
  toJSON(): CountersJson {
    return [...this.#counts].map(([situation, count]) => [situation, count, this.runsWith(situation)])
  }

  /** Adds what another campaign counted. */
  mergeCampaign(json: CountersJson): void {
    for (const [situation, count, runs] of json) {
      this.add(situation, count)
      this.#runs.set(situation, this.runsWith(situation) + runs)
    }
  }

  /** Of the wanted situations those that fewer than 1 % of `runs` met. */
  rare(wanted: Iterable<string>, runs: number): string[] {
    return [...new Set(wanted)].filter((situation) => !anyway.has(situation) && this.runsWith(situation) < SHARE_MIN * runs)
  }

  /** One line per situation: how often, in which share of the runs, and what it is. */
  table(wanted: Iterable<string>, runs: number): string {
    const names = [...new Set([...wanted, ...this.#counts.keys()])]
    const width = Math.max(...names.map((name) => name.length))
    const line = (name: string): string => {
      const share = `${((100 * this.runsWith(name)) / Math.max(1, runs)).toFixed(1)} %`
      return `  ${name.padEnd(width)}  ${String(this.get(name)).padStart(9)}  ${share.padStart(7)}  ${situations[name as Situation] ?? ''}`
    }
    return names.map((name) => line(name).trimEnd()).join('\n')
  }
}

export type CountersJson = readonly (readonly [situation: string, count: number, runs: number])[]
