// What one process of a relay says of itself and of its spaces, for the lists and sums of the whole relay: of its own, and, where the relay is spread over workers, to the
// one that answers for all. Read by relay-api.ts and workers/. Rules: HA-9, WK-6.

import type { ErrorCode, SpaceId } from '@syncline/protocol'
import type { DoorName } from '../access/access.ts'
import { dataSizes } from '../metrics/data-sizes.ts'
import type { RelaySpace } from '../relay-space.ts'
import type { Spaces } from '../spaces.ts'
import type { Sampler } from './sampler.ts'

/** A row of the list of spaces. What only an open space knows is null for the others. */
export interface SpaceRow {
  readonly name: SpaceId
  /** Null: the process that has it does not say. */
  readonly open: boolean | null
  readonly bytes: number
  readonly documents: number | null
  readonly links: number | null
  readonly guests: number | null
  readonly trouble: ErrorCode | null
}

export interface ShareFacts {
  readonly spacesOpen: number
  readonly connections: Readonly<Record<DoorName, number>>
  readonly unsentBytes: number
  readonly memoryBytes: number
  readonly commitsPerS: number
  readonly rowsPerS: number
  readonly bytesPerS: number
}

export interface Share {
  readonly rows: readonly SpaceRow[]
  readonly facts: ShareFacts
}

export interface SharedSpaces {
  readonly source: Pick<Spaces<RelaySpace>, 'look' | 'file' | 'serves'>
  /** What is wrong with the store of a space; null: nothing that is known. */
  troubleOf(space: SpaceId): ErrorCode | null
}

/** Opens nothing. Cost: two stats, and the status() of an open one. */
export async function spaceRow({ source, troubleOf }: SharedSpaces, name: SpaceId): Promise<SpaceRow> {
  const { storeBytes, walBytes } = await dataSizes([source.file(name)])
  const seen = source.look(name)
  seen?.release()
  const open = seen === null ? null : { status: seen.replica.status(), load: seen.replica.load() }
  return {
    name,
    open: source.serves(name) ? open !== null : null,
    bytes: storeBytes + walBytes,
    documents: open?.status.documents ?? null,
    links: open?.status.peers.length ?? null,
    guests: open?.load.guests ?? null,
    trouble: troubleOf(name),
  }
}

/** Rows of these names in their order; those of spaces that others have come from `elsewhere`. */
export async function spaceRows(
  spaces: SharedSpaces,
  names: readonly SpaceId[],
  elsewhere: ((names: readonly SpaceId[]) => Promise<readonly Share[]>) | undefined,
): Promise<SpaceRow[]> {
  const others = elsewhere === undefined ? [] : names.filter((name) => !spaces.source.serves(name))
  const shares = others.length === 0 ? [] : await elsewhere!(others)
  const told = new Map(shares.flatMap(({ rows }) => rows).map((row) => [row.name, row]))
  return await Promise.all(names.map(async (name) => told.get(name) ?? (await spaceRow(spaces, name))))
}

export function factsOf(
  spacesOpen: number,
  { connections, unsentBytes }: Pick<ShareFacts, 'connections' | 'unsentBytes'>,
  { latest: { commitsPerS, rowsPerS, bytesPerS } }: Pick<Sampler, 'latest'>,
): ShareFacts {
  return { spacesOpen, connections, unsentBytes, memoryBytes: process.memoryUsage.rss(), commitsPerS, rowsPerS, bytesPerS }
}

export function factsTogether(own: ShareFacts, others: readonly ShareFacts[]): ShareFacts {
  return others.reduce(
    (sum, one) => ({
      spacesOpen: sum.spacesOpen + one.spacesOpen,
      connections: {
        native: sum.connections.native + one.connections.native,
        'y-websocket': sum.connections['y-websocket'] + one.connections['y-websocket'],
        hocuspocus: sum.connections.hocuspocus + one.connections.hocuspocus,
        'y-sweet': sum.connections['y-sweet'] + one.connections['y-sweet'],
        http: sum.connections.http + one.connections.http,
      },
      unsentBytes: sum.unsentBytes + one.unsentBytes,
      memoryBytes: sum.memoryBytes + one.memoryBytes,
      commitsPerS: sum.commitsPerS + one.commitsPerS,
      rowsPerS: sum.rowsPerS + one.rowsPerS,
      bytesPerS: sum.bytesPerS + one.bytesPerS,
    }),
    own,
  )
}
