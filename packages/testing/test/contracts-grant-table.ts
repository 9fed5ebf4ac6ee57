// A provider of access for the policy contract: a table of grants per subject, default deny, deny wins. The smallest that keeps every rule; a product's own provider
// asks its own source. Also the fixed answers that the engine and the simulator use.

import { collectionOf, type DocId, type Scope } from '@syncline/protocol'
import type { Access } from '@syncline/replica'
import type { Grant, PolicyHarness } from '@syncline/testing/contracts'

/** How a subject's grants become an Access; `grants` is read at every question. */
export type AccessMaker = (grants: () => readonly Grant[]) => Access

export const grantTable: AccessMaker = (grants) => {
  const may = (action: Grant['action'], doc: DocId): boolean => {
    const matching = grants().filter((grant) => grant.action === action && reaches(grant.scope, doc))
    return matching.length > 0 && matching.every((grant) => grant.effect === 'allow')
  }
  return { read: (doc) => may('read', doc), write: (doc) => may('write', doc) }
}

export function reaches(scope: Scope, doc: DocId): boolean {
  if (scope.kind === 'space') return true
  return scope.kind === 'collection' ? collectionOf(doc) === scope.collection : doc === scope.doc
}

export function tableHarness(makeAccess: AccessMaker = grantTable): PolicyHarness {
  const subjects = new Map<Access, readonly Grant[]>()
  return {
    accessFor(grants) {
      const access: Access = makeAccess(() => subjects.get(access) ?? [])
      subjects.set(access, grants)
      return Promise.resolve(access)
    },
    change(access, grants) {
      subjects.set(access, grants)
      return Promise.resolve()
    },
    dispose: () => Promise.resolve(),
  }
}

/** A provider with one answer for everybody. */
export function fixedHarness(access: Access): PolicyHarness {
  return {
    accessFor: () => Promise.resolve({ ...access }),
    change: () => Promise.reject(new Error('this provider has no grants')),
    dispose: () => Promise.resolve(),
  }
}

export const everythingAllowed: Access = { read: () => true, write: () => true }
export const readOnly: Access = { read: () => true, write: () => false }
