// Puts one mutant into the engine while Node loads it: node --import this file, with the mutant's id in SYNCLINE_MUTANT (none: the engine as it is).
// Node strips the types of what the hook answers, as it does for any TypeScript. A mutant that no longer fits its file, or whose file the program
// never loads, ends the process with an error: it would prove nothing. Read by seed-hunter.ts. Rule: OR-0.

import { registerHooks } from 'node:module'
import process from 'node:process'
import type { Mutant } from './mutant.ts'
import { mutantNamed } from './mutants.ts'

const packages = new URL('../../packages/', import.meta.url)
const id = process.env['SYNCLINE_MUTANT'] ?? ''
const mutant = id === '' ? null : mutantNamed(id)
let applied = false

/** Throws unless the mutant is in the modules that were loaded so far, or there is none. */
export function assertMutantApplied(): void {
  if (mutant !== null && !applied) throw new Error(`The mutant ${mutant.id} is in ${mutant.file}, which was never loaded.`)
}

/** The file's text with the fault in it. Throws when `find` does not stand in it exactly once. */
export function mutated({ id, file, find, replace }: Mutant, source: string): string {
  const parts = source.split(find)
  if (parts.length !== 2)
    throw new Error(`The mutant ${id} looks for a text that stands ${parts.length - 1} times in ${file}, not once: ${find}`)
  return parts.join(replace)
}

if (mutant !== null) {
  const url = new URL(mutant.file, packages).href
  registerHooks({
    load(from, context, nextLoad) {
      const loaded = nextLoad(from, context)
      if (from !== url) return loaded
      applied = true
      return { ...loaded, source: mutated(mutant, Buffer.from(loaded.source as Uint8Array).toString('utf8')) }
    },
  })
}
