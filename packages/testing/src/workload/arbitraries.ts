// @syncline/testing/fast-check: workloads as arbitraries, for those who live in fast-check. Edits are drawn by the workload, made smaller by its own
// `simpler`, and left out by fast-check. Decides nothing else. The only file here that needs the optional peer fast-check. Rules: TS-4, TS-9.

import fc from 'fast-check'
import { Random } from '../random.ts'
import type { HistoryStep } from './convergence.ts'
import type { Edit, Workload } from './workload.ts'

export { expectConvergence, type HistoryStep } from './convergence.ts'

/** Lists of edits of a workload, of at most `maxLength` (default 50). Perform them on a `DocumentAuthor`. */
export function editsOf(workload: Workload, options: { readonly maxLength?: number } = {}): fc.Arbitrary<Edit[]> {
  return fc.array(new EditArbitrary(workload), { maxLength: options.maxLength ?? 50, size: 'max' })
}

/** Histories of `authors` (default 3) who edit without knowing of each other, and sometimes tell each other: for `expectConvergence`. At most `maxLength` steps (default 50). */
export function concurrentEdits(
  workload: Workload,
  options: { readonly authors?: number; readonly maxLength?: number } = {},
): fc.Arbitrary<HistoryStep[]> {
  const someone = fc.nat({ max: Math.max(0, (options.authors ?? 3) - 1) })
  const edit: fc.Arbitrary<HistoryStep> = fc.record({ author: someone, edit: new EditArbitrary(workload) })
  const telling: fc.Arbitrary<HistoryStep> = fc.record({ from: someone, to: someone })
  const step = fc.oneof({ weight: 6, arbitrary: edit }, { weight: 1, arbitrary: telling })
  return fc.array(step, { maxLength: options.maxLength ?? 50, size: 'max' })
}

class EditArbitrary extends fc.Arbitrary<Edit> {
  readonly #workload: Workload

  constructor(workload: Workload) {
    super()
    this.#workload = workload
  }

  override generate(random: fc.Random): fc.Value<Edit> {
    return new fc.Value(this.#workload.draw(new Random(random.nextInt(0, 0x7fffffff))), undefined)
  }

  override canShrinkWithoutContext(value: unknown): value is Edit {
    return typeof value === 'object' && value !== null && 'kind' in value
  }

  override shrink(value: Edit): fc.Stream<fc.Value<Edit>> {
    return fc.stream(valuesOf(this.#workload.simpler(value)))
  }
}

function* valuesOf(edits: Iterable<Edit>): Generator<fc.Value<Edit>> {
  for (const edit of edits) yield new fc.Value(edit, undefined)
}
