// Providers of access, each wrong in one way that providers are wrong in: the policy contract must find every one of them by the rules that are named.

import { collectionOf, scopeText, type DocId } from '@syncline/protocol'
import type { Access } from '@syncline/replica'
import type { Grant } from '@syncline/testing/contracts'
import { grantTable, reaches, type AccessMaker } from './contracts-grant-table.ts'

export interface BrokenPolicy {
  readonly fault: string
  readonly foundBy: readonly string[]
  /** What is wrong may be shared by the subjects of one provider. */
  make(): AccessMaker
}

type Answer = boolean | Promise<boolean> | number

/** A table of grants with another way to decide. */
function deciding(decide: (grants: readonly Grant[], action: Grant['action'], doc: DocId, right: boolean) => Answer): () => AccessMaker {
  return () => (grants) => {
    const right = grantTable(grants)
    const answer =
      (action: Grant['action']): Access['read'] =>
      (doc) =>
        decide(grants(), action, doc, right[action](doc)) as boolean
    return { read: answer('read'), write: answer('write') }
  }
}

/** A table of grants that compares names in a form of its own. */
function comparing(form: (name: string) => string): () => AccessMaker {
  return deciding((grants, action, doc) => {
    const same = ({ scope }: Grant): boolean =>
      scope.kind === 'document'
        ? form(scope.doc) === form(doc)
        : reaches(scope.kind === 'space' ? scope : { kind: 'collection', collection: form(scope.collection) }, form(doc) as DocId)
    const matching = grants.filter((grant) => grant.action === action && same(grant))
    return matching.length > 0 && matching.every((grant) => grant.effect === 'allow')
  })
}

const breadth = { space: 0, collection: 1, document: 2 }

export const brokenPolicies: readonly BrokenPolicy[] = [
  { fault: 'answers with a promise', foundBy: ['PO-1'], make: deciding((_, __, ___, right) => Promise.resolve(right)) },
  { fault: 'answers 1 and 0', foundBy: ['PO-1'], make: deciding((_, __, ___, right) => (right ? 1 : 0)) },
  {
    fault: 'throws on names that are no percent-encoding',
    foundBy: ['PO-1'],
    make: deciding((_, __, doc, right) => (decodeURIComponent(doc).length > 0 ? right : false)),
  },
  {
    fault: 'throws on names of 512 bytes',
    foundBy: ['PO-1'],
    make: deciding((_, __, doc, right) => {
      if (doc.length >= 512) throw new Error('too long')
      return right
    }),
  },
  {
    fault: 'forgets what it knew after 1,000 questions',
    foundBy: ['PO-2'],
    make() {
      let asked = 0
      return deciding((_, __, ___, right) => right && ++asked < 1_000)()
    },
  },
  {
    fault: 'answers a name otherwise the second time',
    foundBy: ['PO-2'],
    make() {
      const asked = new Set<string>()
      return deciding((_, action, doc, right) => {
        const again = asked.has(action + doc)
        asked.add(action + doc)
        return again || right
      })()
    },
  },
  {
    fault: 'allows what nothing speaks of',
    foundBy: ['PO-3'],
    make: deciding((grants, action, doc, right) => right || !grants.some((grant) => grant.action === action && reaches(grant.scope, doc))),
  },
  {
    fault: 'allows everybody to read',
    foundBy: ['PO-3', 'PO-10', 'PO-14'],
    make: deciding((_, action, __, right) => right || action === 'read'),
  },
  {
    fault: 'allows everybody to write',
    foundBy: ['PO-5', 'PO-12', 'PO-15'],
    make: deciding((_, action, __, right) => right || action === 'write'),
  },
  {
    fault: 'takes a collection for a beginning of names',
    foundBy: ['PO-4'],
    make: deciding(
      (grants, action, doc, right) =>
        right || grants.some(({ action: of, scope }) => of === action && doc.startsWith(scopeText(scope).slice(0, -2))),
    ),
  },
  {
    fault: 'takes the last slash for the end of the collection',
    foundBy: ['PO-4'],
    make: deciding((grants, action, doc) =>
      grants.some(({ action: of, scope }) =>
        of !== action
          ? false
          : scope.kind === 'collection'
            ? doc.slice(0, Math.max(0, doc.lastIndexOf('/'))) === scope.collection
            : reaches(scope, doc),
      ),
    ),
  },
  {
    fault: 'lets those read who may write',
    foundBy: ['PO-5', 'PO-14'],
    make: () => (grants) => {
      const { read, write } = grantTable(grants)
      return { read: (doc) => read(doc) || write(doc), write }
    },
  },
  {
    fault: 'lets nobody write who may not read',
    foundBy: ['PO-5', 'PO-14'],
    make: () => (grants) => {
      const { read, write } = grantTable(grants)
      return { read, write: (doc) => read(doc) && write(doc) }
    },
  },
  { fault: 'compares without case', foundBy: ['PO-6'], make: comparing((name) => name.toLowerCase()) },
  { fault: 'compares in normal form C', foundBy: ['PO-6'], make: comparing((name) => name.normalize('NFC')) },
  { fault: 'compares in normal form KC', foundBy: ['PO-6'], make: comparing((name) => name.normalize('NFKC')) },
  { fault: 'trims names', foundBy: ['PO-6'], make: comparing((name) => name.trim()) },
  { fault: 'normalises paths', foundBy: ['PO-6'], make: comparing((name) => new URL(`file:///${name}`).pathname) },
  {
    fault: 'takes names for patterns',
    foundBy: ['PO-6'],
    make: deciding(
      (grants, action, doc, right) =>
        right ||
        grants.some(
          ({ action: of, scope }) =>
            of === action && scope.kind === 'document' && new RegExp(`^${scope.doc.replaceAll(/[[\]?.*]+/g, '.*')}$`).test(doc),
        ),
    ),
  },
  {
    fault: 'lets the last line win',
    foundBy: ['PO-7'],
    make: deciding(
      (grants, action, doc) => grants.findLast((grant) => grant.action === action && reaches(grant.scope, doc))?.effect === 'allow',
    ),
  },
  {
    fault: 'lets the narrowest line win',
    foundBy: ['PO-7'],
    make: deciding((grants, action, doc) => {
      const matching = grants.filter((grant) => grant.action === action && reaches(grant.scope, doc))
      const narrowest = Math.max(...matching.map((grant) => breadth[grant.scope.kind]))
      const deciders = matching.filter((grant) => breadth[grant.scope.kind] === narrowest)
      return deciders.length > 0 && deciders.every((grant) => grant.effect === 'allow')
    }),
  },
  {
    fault: 'remembers an answer for ever',
    foundBy: ['PO-8', 'PO-11', 'PO-13', 'PO-15'],
    make: () => (grants) => {
      const right = grantTable(grants)
      const known = new Map<string, boolean>()
      const answer =
        (action: Grant['action']): Access['read'] =>
        (doc) => {
          const answered = known.get(action + doc) ?? right[action](doc)
          known.set(action + doc, answered)
          return answered
        }
      return { read: answer('read'), write: answer('write') }
    },
  },
  {
    fault: 'still lets read what it once let read',
    foundBy: ['PO-8', 'PO-11', 'PO-16'],
    make: () => (grants) => {
      const { read, write } = grantTable(grants)
      const seen = new Set<DocId>()
      return { read: (doc) => seen.has(doc) || (read(doc) && seen.add(doc).size > 0), write }
    },
  },
  {
    fault: 'shares a cache between subjects',
    foundBy: ['PO-9'],
    make() {
      const known = new Map<string, boolean>()
      return deciding((_, action, doc, right) => {
        const answered = known.get(action + collectionOf(doc)) ?? right
        known.set(action + collectionOf(doc), answered)
        return answered
      })()
    },
  },
]
