// What a workload is: who edits, what one edit looks like, and what the simulator and the shrinker ask of both. Decides nothing. Read by every file
// of this folder, by the simulator, and by users who write their own workload from nothing. Rules: TS-1, TS-2, TS-3.

import type * as Y from 'yjs'
import type { Random } from '../random.ts'

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

/** One edit as plain data: it can be stored, replayed and made smaller. */
export interface Edit {
  readonly kind: string
  readonly [field: string]: Json
}

/** Who edits: one open document of one replica. */
export interface Author {
  readonly doc: Y.Doc
  /** Origin of local transactions, tracked by undo managers. */
  readonly origin: unknown
  /** What was met, for the counters of a campaign ('text insert', 'format', 'undo', ...). */
  met(situation: string): void
  /** State that a workload keeps per author, such as its UndoManager; made at first use, destroyed with the author. */
  keep<T extends { destroy(): void }>(key: string, make: () => T): T
}

/** What authors do to documents, and what their readers see. Made by `fuzzSchema`, `workload`, `combine`, or by hand. */
export interface Workload {
  readonly name: string
  /** Draws one edit; nothing but `random` decides, and no document is looked at. */
  draw(random: Random): Edit
  /** Carries the edit out in one transaction. Total: positions wrap at the length found, a target that is not there is passed over. False: nothing was changed. */
  perform(edit: Edit, author: Author): boolean
  /** Gets every root under its declared type. */
  roots(doc: Y.Doc): void
  /** All that a reader sees, canonical (sorted keys): equal text means equal content. */
  visible(doc: Y.Doc): string
  /** Simpler forms of an edit, simplest first, finite; for shrinking. */
  simpler(edit: Edit): Iterable<Edit>
  /** Situations that draw/perform can meet with non-zero weight. */
  readonly situations: readonly string[]
}
