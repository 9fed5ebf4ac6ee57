// All mutants that a seed must catch, in the order in which they are tried. Read by the loader, by run.ts and by mutants.test.ts. Rule: OR-0.

import { admissionMutants } from './admission-mutants.ts'
import { commitMutants } from './commit-mutants.ts'
import { knowledgeMutants } from './knowledge-mutants.ts'
import { linkMutants } from './link-mutants.ts'
import type { Mutant } from './mutant.ts'
import { storeMutants } from './store-mutants.ts'
import { syncMutants } from './sync-mutants.ts'
import { unseenMutants } from './unseen-mutants.ts'

export const mutants: readonly Mutant[] = [
  ...admissionMutants,
  ...knowledgeMutants,
  ...commitMutants,
  ...syncMutants,
  ...linkMutants,
  ...storeMutants,
]

/** Of all, the unseen ones too. Throws when there is none. */
export function mutantNamed(id: string): Mutant {
  const mutant = [...mutants, ...unseenMutants].find((one) => one.id === id)
  if (mutant === undefined) throw new Error(`There is no mutant ${id}. Known are ${mutants.map((one) => one.id).join(', ')}.`)
  return mutant
}
