// One connection's stay in a document: the pass lets it in, the space is open and stays so, the hooks are told, and a document that a hook loads is committed before
// anything is asked of it. The one way into a document for every foreign door and for requests. Decides the order of these, and what an identity without rights hears:
// an absent space looks like a forbidden document. Rules: AD-2, HK-1, HK-4, SP-2, SP-3.

import { SynclineError, type DocId, type SpaceId } from '@syncline/protocol'
import { docDeleted, type Replica } from '@syncline/replica'
import type { Action, DoorName, Pass } from './access/access.ts'
import type { ConnectionEvent, HookRunner, Loaded } from './hooks.ts'

/** What a visit needs of the spaces of a relay. */
export interface SpaceSource {
  use(space: SpaceId, mayCreate: boolean): Promise<SpaceHeld>
}

export interface SpaceHeld {
  readonly replica: Replica
  readonly watch: { readonly hooks: Pick<HookRunner, 'connected' | 'asked' | 'disconnected' | 'wrote'> }
  release(): void
}

export interface Destination {
  readonly space: SpaceId
  readonly doc: DocId
  readonly door: DoorName
}

export interface Visit {
  readonly replica: Replica
  /** A write of this visitor was committed at `seq`. */
  wrote(seq: number): void
  /** Idempotent. */
  leave(): void
}

/** A connection that stays. Rejects with "access-denied", "hook-failed", and what Spaces.use rejects with. The pass stays the caller's. */
export async function visit(spaces: SpaceSource, { space, doc, door }: Destination, pass: Pass): Promise<Visit> {
  must(pass, 'read', doc)
  const held = await spaces.use(space, mayMake(pass, doc))
  const event = { doc, door, identity: pass.identity }
  return await served(new Stay(held, pass, doc, event), 'read', held.watch.hooks.connected(event))
}

/** A request that reads or writes: as a connection, but hooks are not told that it comes and goes, and reading makes no space. */
export async function callAt(
  spaces: SpaceSource,
  { space, doc }: Pick<Destination, 'space' | 'doc'>,
  pass: Pass,
  action: 'read' | 'write',
): Promise<Visit> {
  must(pass, action, doc)
  const held = await spaces.use(space, action === 'write' && mayMake(pass, doc))
  return await served(new Stay(held, pass, doc, null), action, held.watch.hooks.asked(doc))
}

/** Whoever may write, and make the document, may make the space for it. */
export function mayMake(pass: Pass, doc: DocId): boolean {
  return pass.may('write', doc) && pass.may('create', doc)
}

async function served(stay: Stay, action: Action, loading: Promise<Loaded>): Promise<Visit> {
  const { replica, pass, doc } = stay
  try {
    if ((await loading) === 'failed') throw new SynclineError('hook-failed', 'What this document begins with could not be had.')
    // It took a while.
    must(pass, action, doc)
    if (replica.isDeleted(doc)) throw docDeleted(doc)
  } catch (error) {
    stay.leave()
    throw error
  }
  return stay
}

class Stay implements Visit {
  readonly pass: Pass
  readonly doc: DocId
  private readonly held: SpaceHeld
  /** As it was told to the hooks; null: they are not told. */
  private readonly event: ConnectionEvent | null
  private isOver = false

  constructor(held: SpaceHeld, pass: Pass, doc: DocId, event: ConnectionEvent | null) {
    this.held = held
    this.pass = pass
    this.doc = doc
    this.event = event
  }

  get replica(): Replica {
    return this.held.replica
  }

  wrote(seq: number): void {
    this.held.watch.hooks.wrote(this.doc, this.pass.identity, seq)
  }

  leave(): void {
    if (this.isOver) return
    this.isOver = true
    if (this.event !== null) this.held.watch.hooks.disconnected(this.event)
    this.held.release()
  }
}

function must(pass: Pass, action: Action, doc: DocId): void {
  if (!pass.may(action, doc))
    throw (
      pass.ended ??
      new SynclineError('access-denied', action === 'read' ? 'This document cannot be read here.' : 'This document cannot be written here.')
    )
}
