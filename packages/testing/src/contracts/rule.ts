// What a rule of a contract for adapters is, and the checks that rules are written with. Plain data and plain functions: any test runner, or none, can
// run a rule. Read by the link and policy rules and by run-contract.ts; the storage contract has its own (@syncline/store/contract), of the same shape.

/** One thing that an adapter must do. */
export interface ContractRule<Harness> {
  /** Stable: it never names another rule. */
  readonly id: string
  /** One sentence about the adapter. */
  readonly guarantee: string
  /** Only for adapters that have this; all others leave the rule out. */
  readonly needs?: string
  /** Resolves when the adapter keeps the guarantee, else rejects with words. `harness` is fresh for each rule. Takes seconds at most. */
  run(harness: Harness): Promise<void>
}

/** Throws with `words` when `holds` is false. */
export function check(holds: boolean, words: string): asserts holds {
  if (!holds) throw new Error(words)
}

/** Throws unless both hold the same bytes. */
export function checkSameBytes(found: Uint8Array, wanted: Uint8Array, what: string): void {
  check(found.length === wanted.length, `${what}: ${found.length} bytes came, ${wanted.length} were sent`)
  for (let at = 0; at < wanted.length; at++)
    if (found[at] !== wanted[at]) throw new Error(`${what}: byte ${at} of ${wanted.length} is ${found[at]}, and ${wanted[at]} was sent`)
}
