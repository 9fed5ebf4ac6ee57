// What linked replicas must have of each other: everything both subscribe to, except what rights and limits keep out. Read by world.ts. Rule: CV-2.

import { ZERO_DIGEST, type DocId, type DocKey } from '@syncline/protocol'
import type { StoreReader } from '@syncline/store'
import type { Edge } from '../oracles/oracle.ts'
import { knowledgeUpTo } from '../oracles/stored-documents.ts'
import { readOr } from './damaged.ts'
import type { SimulatedReplica } from './simulated-replica.ts'
import { keyOf, scopeHolds } from './space.ts'
import type { World } from './world.ts'

/** Null when every link between living replicas stands and has done its work; else what is missing, in words. */
export function differenceIn(world: World): string | null {
  return firstOver(world, hindrance) ?? lackIn(world)
}

/** Null when replicas that are linked, or were, have what they must have of each other. */
export function lackIn(world: World): string | null {
  return firstOver(world, lackingOver)
}

function firstOver(world: World, problem: (world: World, edge: Edge) => string | null): string | null {
  for (const edge of world.edges) {
    const found = edge.from.gone || edge.to.gone ? null : problem(world, edge)
    if (found !== null) return found
  }
  return null
}

export function subscribes(replica: SimulatedReplica, doc: DocId): boolean {
  return replica.settings.interests.some((scope) => scopeHolds(scope, doc))
}

export function sharesIdentity(world: World, replica: SimulatedReplica): boolean {
  return world.replicas.some((other) => other !== replica && other.isUp && other.store!.replicaId === replica.store!.replicaId)
}

/** Why nothing flows over a link, or does not arrive in the store. */
function hindrance(world: World, { from, to }: Edge): string | null {
  if (!from.isUp || !to.isUp) return `${from.isUp ? to.name : from.name} is down`
  if (!world.network.isLinked(from, to)) return `${from.name} and ${to.name} are not linked`
  for (const [one, other] of [
    [from, to],
    [to, from],
  ] as const) {
    if (one.core!.storageFailure !== null) return `${one.name} cannot store what it has`
    if (!isLiveWith(one, other)) return `${one.name} has not shaken hands with ${other.name}`
  }
  return null
}

function lackingOver(world: World, edge: Edge): string | null {
  const { from, to } = edge
  if (!from.isUp || !to.isUp) return `${from.isUp ? to.name : from.name} is down`
  const [a, b] = [from.store!.reader, to.store!.reader]
  if (a.totals().root === b.totals().root) return null
  for (const doc of world.docs) {
    if (!subscribes(from, doc) || !subscribes(to, doc)) continue
    const key = keyOf(doc)
    if ((a.doc(key)?.digest ?? ZERO_DIGEST) === (b.doc(key)?.digest ?? ZERO_DIGEST)) continue
    if (flows(world, edge, from, to, doc) && !includes(b, a, key)) return `${to.name} lacks part of ${doc} that ${from.name} has`
    if (flows(world, edge, to, from, doc) && !includes(a, b, key)) return `${from.name} lacks part of ${doc} that ${to.name} has`
  }
  return null
}

/** A frame of the handshake may have been lost: then the connection stands, and nothing flows until its deadline ends it. */
function isLiveWith(replica: SimulatedReplica, peer: SimulatedReplica): boolean {
  const { replicaId } = peer.store!
  return [...replica.core!.links()].some(({ live, hello }) => live && hello!.replicaId === replicaId)
}

/** Whether what `source` has of a document must reach `target` over this edge. */
function flows(world: World, edge: Edge, source: SimulatedReplica, target: SimulatedReplica, doc: DocId): boolean {
  if (edge.readOnly && edge.from === source && !world.rightsLifted) return false
  return target.settings.limits.documentBytesMax === undefined || !world.refused.has(`${target.name} ${doc}`)
}

function includes(large: StoreReader, small: StoreReader, key: DocKey): boolean {
  return readOr(false, () => knowledgeUpTo(large, key, Infinity).includes(knowledgeUpTo(small, key, Infinity)))
}
