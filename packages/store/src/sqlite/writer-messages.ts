// What the main thread and the writer thread say to each other. Plain data: errors travel as code and words, because a thrown object loses its
// class on the way.

import type { MessagePort } from 'node:worker_threads'
import { SynclineError, type DocKey, type EpochNonce, type ErrorCode } from '@syncline/protocol/stored'
import type { CompactedDoc, SweepResult } from '../store.ts'
import type { PackedTransaction } from './packed-transaction.ts'
import type { Opened, OpenRequest } from './space-file.ts'
import type { UpgradeStage } from './upgrade-notice.ts'

/** What the writer thread is started with. */
export interface WriterStart {
  readonly port: MessagePort
  /** One number, raised (and waiters woken) after every answer. */
  readonly answered: Int32Array<SharedArrayBuffer>
}

/** What is asked of one open file, and what the answer carries. */
export type FileWork =
  | { readonly kind: 'commit'; readonly transaction: PackedTransaction }
  | { readonly kind: 'sweep'; readonly docs: readonly CompactedDoc[] }
  | { readonly kind: 'rotate' }
  | { readonly kind: 'quarantine'; readonly key: DocKey }
  | { readonly kind: 'close' }

export interface FileAnswers {
  open: Opened
  commit: undefined
  sweep: SweepResult
  rotate: EpochNonce
  quarantine: EpochNonce
  close: undefined
}

/** `file` numbers the open files of a process; `ticket` pairs question and answer. `generation`: see writer-thread.ts. */
export type WriterRequest =
  | { readonly kind: 'open'; readonly file: number; readonly ticket: number; readonly request: OpenRequest }
  | {
      readonly kind: 'work'
      readonly file: number
      readonly ticket: number
      readonly generation: number
      readonly atMs: number
      readonly work: FileWork
    }
  | { readonly kind: 'end' }

export interface WriterAnswer {
  readonly ticket: number
  readonly error: SentError | null
  readonly value: FileAnswers[keyof FileAnswers]
}

/** Answers of one SQLite transaction travel together. `commits`: how many commits it held. `doneMs`: when, by monotonicMs(). */
export interface WriterReply {
  readonly file: number
  readonly commits: number
  readonly doneMs: number
  readonly answers: readonly WriterAnswer[]
}

/** The file that is being opened is of an older format: how its upgrade goes on. Sent before the answer to "open". */
export interface WriterNotice {
  readonly file: number
  readonly upgrade: UpgradeStage
}

export interface SentError {
  readonly code: ErrorCode
  readonly message: string
  readonly detail: Readonly<Record<string, string | number | boolean>>
}

export function sentError(error: SynclineError): SentError {
  // the words without code and remedy, which the constructor adds again
  return { code: error.code, message: error.message.slice(0, error.message.lastIndexOf(` [${error.code}] `)), detail: error.detail }
}

export function receivedError(sent: SentError): SynclineError {
  return new SynclineError(sent.code, sent.message, { detail: { ...sent.detail } })
}
