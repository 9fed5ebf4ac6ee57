// What a pass lets through, in the terms of whoever moves documents: the engine's Access for native links, and the two questions of a guest's door.
// Whoever writes to a name that is not stored yet creates it. Rules: AD-1, AU-1.

import type { DocId } from '@syncline/protocol'
import type { Access, Replica } from '@syncline/replica'
import type { Pass } from './access.ts'

/** For a link that has not shown who it is. */
export const NO_ACCESS: Access = { read: () => false, write: () => false, delete: () => false, presence: () => false }

export function linkAccess(pass: Pass, replica: Replica): Access {
  return {
    read: (doc) => pass.may('read', doc),
    readsAll: (scope) => pass.mayAll?.('read', scope) === true,
    write: (doc) => mayWrite(pass, replica, doc),
    delete: (doc) => pass.may('delete', doc),
    presence: (doc) => pass.may('presence', doc),
    subject: pass.identity.subject,
  }
}

/** True when updates of the document are taken: by its writers, and before it exists by those who may also create it. Cost: a look-up. */
export function mayWrite(pass: Pass, replica: Replica, doc: DocId): boolean {
  return pass.may('write', doc) && (pass.may('create', doc) || replica.has(doc))
}
