// What a pass lets through, in the terms of whoever moves documents: the engine's Access for native links, and the two questions of a guest's door.
// Whoever writes to a name that is not stored yet creates it. Rules: AD-1, AU-1.

import { parseDocId, type DocId, type SpaceId } from '@syncline/protocol'
import type { Access, Replica } from '@syncline/replica'
import type { Meter } from '../rate-limits.ts'
import { accountOf, type Pass } from './access.ts'

/** What stands for a space where somebody administers it. */
const THE_SPACE: DocId = parseDocId('*')

/** For a link that has not shown who it is. */
export const NO_ACCESS: Access = { read: () => false, write: () => false, delete: () => false, presence: () => false }

/** Of a relay without authentication. */
export class OpenAccess implements Access {
  private readonly space: SpaceId
  private readonly meter: Pick<Meter, 'updates'>

  constructor(space: SpaceId, meter: Pick<Meter, 'updates'>) {
    this.space = space
    this.meter = meter
  }

  read(): boolean {
    return true
  }

  readsAll(): boolean {
    return true
  }

  write(): boolean {
    return true
  }

  came(doc: DocId, bytes: number, what: 'update' | 'deletion' | 'more'): void {
    this.meter.updates(this.space, doc, what === 'more' ? 0 : 1, bytes)
  }
}

export function linkAccess(pass: Pass, replica: Replica, meter: Pick<Meter, 'updates' | 'remembers'>): Access {
  // A relay that peers brings what others did, as much as there is.
  const remembers = (): void => (pass.may('admin', THE_SPACE) ? undefined : meter.remembers(accountOf(pass)))
  return {
    read: (doc) => pass.may('read', doc),
    readsAll: (scope) => pass.mayAll?.('read', scope) === true,
    write: (doc) => mayWrite(pass, replica, doc),
    delete: (doc) => pass.may('delete', doc),
    presence: (doc) => pass.may('presence', doc),
    subject: pass.identity.subject,
    came(doc, bytes, what) {
      meter.updates(replica.space, doc, what === 'more' ? 0 : 1, bytes)
      if (what === 'deletion' && !replica.has(doc) && !replica.isDeleted(doc)) remembers()
    },
    refused: remembers,
  }
}

/** True when updates of the document are taken: by its writers, and before it exists by those who may also create it. Cost: a look-up. */
export function mayWrite(pass: Pass, replica: Replica, doc: DocId): boolean {
  return pass.may('write', doc) && (pass.may('create', doc) || replica.has(doc))
}
