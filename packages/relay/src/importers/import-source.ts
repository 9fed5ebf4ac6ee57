// What `syncline import` reads from: documents with their updates, whatever keeps them. One implementation per kind of source beside this file. A source is
// never written to, and one document that cannot be read does not end the others. Read by commands/import.ts. Rules: IM-1 to IM-6.

export interface ImportSource {
  /** Documents that `documents()` will yield, for the progress line. */
  readonly total: number
  /** What the total counts, e.g. "file". */
  readonly unit: string
  documents(): AsyncIterable<SourceDocument>
  /** Lets go of files and temporary copies. */
  close(): Promise<void>
}

export interface SourceDocument {
  /** As the source names it: may be no valid document id. */
  readonly name: string
  /** The file it stands in, where it has one of its own. */
  readonly file?: string
  read(): Promise<SourceUpdates>
}

/** Yjs v1 updates, those that others need first; or why this document cannot be read. */
export type SourceUpdates = { readonly updates: readonly Uint8Array[] } | { readonly problem: string }
