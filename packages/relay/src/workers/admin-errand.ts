// Who answers a request to the admin port of a relay with workers: this process for all of them together, or the worker that has the space. Pure. Read by pool.ts.
// Rule: WK-6.

import { DEFAULT_SPACE } from '@syncline/protocol'
import { spaceOrNull } from '../data-folder.ts'
import { ownerOf } from './owner.ts'
import type { Errand } from './porter.ts'

const OF_ALL: ReadonlySet<string> = new Set(['/metrics', '/livez', '/readyz'])

/** What is no name of a space is refused in words by the worker of the default one, which has the page and the relay's own routes too. */
export function adminErrand(target: string, workers: number): Errand {
  const path = target.split(/[?#]/, 1)[0]!
  if (OF_ALL.has(path)) return { to: 'keep' }
  const named = /^\/api\/spaces\/([^/]*)\//.exec(path)?.[1]
  return { to: 'worker', worker: ownerOf((named === undefined ? null : spaceOrNull(named)) ?? DEFAULT_SPACE, workers) }
}
