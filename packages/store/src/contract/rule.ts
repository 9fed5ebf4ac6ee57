// What a rule of the storage contract is, what it needs of the store under test, and the checks it is written with. Plain data and plain
// functions: any test runner, or none, can run a rule.

import { SynclineError, type DocKey, type ErrorCode, type SpaceId } from '@syncline/protocol'
import type { Store } from '../store.ts'

export interface Rule {
  readonly id: string
  readonly guarantee: string
  /** Resolves when the store keeps the guarantee, else rejects with words. `harness` is fresh for each rule. */
  run(harness: StoreHarness): Promise<void>
}

/** One store under test, as a third party provides it. Every method that returns a store ends the one before it. */
export interface StoreHarness {
  readonly space: SpaceId
  /** A new, empty store. Called once, first. */
  open(): Promise<Store>
  /** Closes and opens again. */
  reopen(): Promise<Store>
  /** The process dies now, with whatever it has under way; opens what is left. */
  crash(): Promise<Store>
  /** Closes, keeps a copy of what is stored, and opens again. */
  backup(): Promise<Store>
  /** Closes, puts the kept copy over the store in place, and opens it. */
  restore(): Promise<Store>
  /** Closes, copies what is stored beside it, and opens the copy. */
  openCopy(): Promise<Store>
  /** Damages the stored content of one document, as a failing disk would, and opens again. */
  damage(key: DocKey): Promise<Store>
  /** Moves the store's clock. */
  advance(ms: number): void
  dispose(): Promise<void>
}

/** Throws with `words` when `holds` is false. */
export function check(holds: boolean, words: string): asserts holds {
  if (!holds) throw new Error(words)
}

/** Compares as JSON, bytes as hex, so that any view of the same bytes is equal. */
export function checkEqual(found: unknown, wanted: unknown, what: string): void {
  const [a, b] = [inWords(found), inWords(wanted)]
  if (a !== b) throw new Error(`${what}: found ${a.slice(0, 2000)}, wanted ${b.slice(0, 2000)}`)
}

/** Waits for a rejection with a SynclineError of one of the codes, and returns its code. */
export async function checkRejects(work: Promise<unknown>, codes: readonly ErrorCode[], what: string): Promise<ErrorCode> {
  try {
    await work
  } catch (error) {
    return checkCode(error, codes, what)
  }
  throw new Error(`${what}: resolved, wanted ${codes.join(' or ')}`)
}

/** As checkRejects, for a synchronous call. */
export function checkThrows(work: () => unknown, codes: readonly ErrorCode[], what: string): ErrorCode {
  try {
    work()
  } catch (error) {
    return checkCode(error, codes, what)
  }
  throw new Error(`${what}: returned, wanted ${codes.join(' or ')}`)
}

function checkCode(error: unknown, codes: readonly ErrorCode[], what: string): ErrorCode {
  if (error instanceof SynclineError && codes.includes(error.code)) return error.code
  throw new Error(`${what}: ${error instanceof Error ? error.message : String(error)}, wanted ${codes.join(' or ')}`, { cause: error })
}

function inWords(value: unknown): string {
  const text = JSON.stringify(value, (_, part: unknown) => {
    // Buffer.toJSON has run by now where there is a Buffer: both forms become one
    if (part instanceof Uint8Array) return hex(part)
    const buffer = part as { type?: unknown; data?: unknown } | null
    return buffer?.type === 'Buffer' && Array.isArray(buffer.data) ? hex(Uint8Array.from(buffer.data as number[])) : part
  })
  return text ?? String(value)
}

function hex(bytes: Uint8Array): string {
  return `${bytes.length}:${Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')}`
}
