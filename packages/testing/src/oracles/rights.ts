// What a replica behind a read-only link wrote, and nobody else could bring, is not on the other side. Rule: AU-1.

import { Violation } from '../violation.ts'
import type { IdentityOracle } from './identity.ts'
import type { Edge, Oracle, Stage } from './oracle.ts'
import { documentsOf, knowledgeOf } from './stored-documents.ts'

export class RightsOracle implements Oracle {
  readonly rules = ['AU-1']
  readonly #identity: IdentityOracle
  #stage: Stage | null = null

  constructor(identity: IdentityOracle) {
    this.#identity = identity
  }

  begin(stage: Stage): void {
    this.#stage = stage
  }

  end(): void {
    const { edges, rightsLifted } = this.#stage!
    for (const edge of edges) if (edge.readOnly && !rightsLifted) this.#check(edge, edges)
  }

  #check(edge: Edge, edges: readonly Edge[]): void {
    const { from, to } = edge
    if (!to.isUp || edges.some((other) => other !== edge && (other.from === from || other.to === from))) return
    const { reader } = to.store!
    for (const row of documentsOf(reader)) {
      for (const [client] of knowledgeOf(to.name, reader, row).clients())
        if (this.#identity.ownerOf(client)?.startsWith(`${from.name}/`))
          throw new Violation('AU-1', `${to.name} took what ${from.name} wrote in ${row.name}`)
    }
  }
}
