// Who is linked with whom. A topology is a function from the number of replicas to pairs, so that users can write their own. Read by draw-plan.ts.

import { SynclineError } from '@syncline/protocol'
import type { Random } from '../random.ts'

/** Pairs of replica numbers below `count`, each pair once, every replica reachable from every other. Nothing but `random` decides. */
export interface Topology {
  readonly name: string
  /** Where only one number will do. */
  readonly replicas?: number
  pairs(count: number, random: Random): readonly (readonly [number, number])[]
}

function named(name: string, pairs: Topology['pairs']): Topology {
  return { name, pairs }
}

function others(count: number): number[] {
  return Array.from({ length: count - 1 }, (_, i) => i + 1)
}

function reachedFrom(start: number, links: readonly (readonly [number, number])[]): Set<number> {
  const reached = new Set([start])
  for (let before = 0; before < reached.size;) {
    before = reached.size
    for (const [from, to] of links) {
      if (reached.has(from)) reached.add(to)
      else if (reached.has(to)) reached.add(from)
    }
  }
  return reached
}

/** The topologies that come with the package. */
export const topology = {
  /** Two replicas, whatever the count says. */
  pair: { ...named('pair', () => [[0, 1]]), replicas: 2 },
  chain: named('chain', (count) => others(count).map((to) => [to - 1, to] as const)),
  /** One relay in the middle. */
  star: named('star', (count) => others(count).map((to) => [0, to] as const)),
  ring: named('ring', (count) => [...others(count).map((to) => [to - 1, to] as const), ...(count > 2 ? [[0, count - 1] as const] : [])]),
  /** Two relays that are linked; the others hang on one of them, some on both. */
  hubs: named('hubs', (count, random) => [
    [0, 1],
    ...others(count)
      .slice(1)
      .flatMap((to) => (random.chance(0.25) ? [[0, to] as const, [1, to] as const] : [[random.below(2), to] as const])),
  ]),
  mesh: named('mesh', (count) => others(count).flatMap((to) => Array.from({ length: to }, (_, from) => [from, to] as const))),
  /** A random tree with some more links. */
  random: named('random', (count, random) =>
    others(count).flatMap((to) => {
      const first = random.below(to)
      const second = random.below(to)
      return second !== first && random.chance(0.3)
        ? [
            [first, to],
            [second, to],
          ]
        : [[first, to]]
    }),
  ),
  /** Links by number: `custom('bus', [[0, 1], [1, 2]])`. Throws "argument-invalid" for a pair that joins nothing, and where somebody cannot be reached. */
  custom(name: string, links: readonly (readonly [number, number])[]): Topology {
    for (const [from, to] of links)
      if (!Number.isInteger(from) || !Number.isInteger(to) || from === to || from < 0 || to < 0)
        throw new SynclineError('argument-invalid', `Topology ${name}: [${from}, ${to}] does not join two replicas.`)
    const replicas = Math.max(1, ...links.flat()) + 1
    if (reachedFrom(0, links).size < replicas)
      throw new SynclineError('argument-invalid', `Topology ${name}: of its ${replicas} replicas some cannot be reached from the first.`)
    return { ...named(name, () => links), replicas }
  },
} as const
