// The commit order of one replica file, kept by a model: the store in memory, which does each step before the file does, and its state after each. Decides which prefix of
// that order a file holds after a crash, and what of the acknowledged is missing from it. Read by image.ts. Rules: DU-1, DU-2.

import { DEFAULT_SPACE, type EpochNonce } from '@syncline/protocol'
import type { StoreReader } from '@syncline/store'
import { createMemoryStore, type MemorySnapshot, type MemoryStore } from '@syncline/store/memory'
import type { Author } from './author.ts'
import { writtenState } from './written-state.ts'

/** What a file is doing. 'recover' is an opening after a crash. */
export type Phase = 'create' | 'recover' | 'open' | 'commit' | 'group' | 'sweep' | 'rotate' | 'quarantine' | 'tidy' | 'close' | 'idle'

interface Step {
  readonly phase: Phase
  /** Transactions of callers in it. */
  readonly transactions: number
  readonly state: MemorySnapshot
  /** Of the epoch that it started, once known. */
  nonce: EpochNonce | null
  acked: boolean
  text: string | null
}

export interface Recovered {
  /** Acknowledged transactions that were looked for. */
  readonly looked: number
  /** Of them, how many are missing at the end. */
  readonly lost: number
  /** Acknowledged steps that are missing, whatever they were, in words; empty when none is. */
  readonly missing: readonly string[]
  /** A step that was under way is there. */
  readonly keptUnderWay: boolean
}

export class CommitOrder {
  model: MemoryStore
  private steps: Step[] = []
  private readonly author: Author

  constructor(author: Author) {
    this.author = author
    this.model = modelFrom()
    this.begin('create')
  }

  /** Notes a step that the model has done and the file is about to do. The creation of the file is noted already. */
  begin(phase: Phase, transactions = 0): void {
    this.steps.push({ phase, transactions, state: this.model.snapshot(), nonce: null, acked: false, text: null })
  }

  /** The file did the newest step. */
  acknowledge(nonce: EpochNonce | null = null): void {
    const step = this.steps.at(-1)!
    step.acked = true
    step.nonce = nonce
  }

  /** Goes back to the prefix that `reader` holds, on which the next step will stand. Throws when it holds none: a hole, or something that was never written. */
  recover(reader: StoreReader): Recovered {
    const text = writtenState(reader, this.author)
    const kept = this.steps.findLastIndex((_, index) => this.isPrefix(index, text, reader))
    if (kept < 0) throw new Error(`the store is no prefix of its commit order: ${this.difference(text)}`)
    return this.keep(kept)
  }

  /** Goes back to before everything: the file is a new one, whose creation is the first step. */
  recoverNothing(): Recovered {
    const recovered = this.keep(-1)
    this.begin('create')
    return recovered
  }

  private keep(kept: number): Recovered {
    const acked = this.steps.filter((step) => step.acked)
    const missing = this.steps.slice(kept + 1).filter((step) => step.acked)
    const sum = (steps: readonly Step[]): number => steps.reduce((total, step) => total + step.transactions, 0)
    const keptUnderWay = this.steps[kept]?.acked === false && this.steps[kept].phase !== 'create'
    this.steps = this.steps.slice(0, kept + 1)
    for (const step of this.steps) step.acked = true
    this.model = modelFrom(this.steps.at(-1)?.state)
    return { looked: sum(acked), lost: sum(missing), missing: missing.map(({ phase }) => phase), keptUnderWay }
  }

  /** The text of a step says what was written; its epochs say where in a row of steps that wrote nothing the file is. */
  private isPrefix(index: number, text: string, reader: StoreReader): boolean {
    const epochsFit = this.steps.every(({ nonce }, at) => nonce === null || (reader.epoch(nonce) !== undefined) === at <= index)
    return epochsFit && this.textOf(this.steps[index]!) === text
  }

  private textOf(step: Step): string {
    step.text ??= writtenState(modelFrom(step.state).reader, this.author)
    return step.text
  }

  /** The first line in which it differs from the newest step that is like it up to there. */
  private difference(text: string): string {
    const lines = text.split('\n')
    const known = this.steps.map((step) => this.textOf(step).split('\n'))
    const agrees = (other: readonly string[]): number => lines.findIndex((line, at) => line !== other[at])
    const best = known.reduce((a, b) => (agrees(b) < 0 || (agrees(a) >= 0 && agrees(b) >= agrees(a)) ? b : a), known.at(-1) ?? [])
    const at = agrees(best)
    const epochs = this.steps.filter(({ nonce }) => nonce !== null).map(({ phase, nonce }) => `${phase} ${nonce}`)
    return at < 0 ? `what was written fits, the epochs do not (${epochs.join(', ')})` : `${lines[at]} in place of ${best[at]}`
  }
}

function modelFrom(from?: MemorySnapshot): MemoryStore {
  return createMemoryStore({ space: DEFAULT_SPACE, random: (n) => new Uint8Array(n), ...(from === undefined ? {} : { from }) })
}
