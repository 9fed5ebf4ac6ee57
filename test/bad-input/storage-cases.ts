// Catalogue 95 to 101, files and folders: each is proved where the store is tested, on real files; 44 and 45 where rights are. And what concerns signatures and other
// things that do not exist yet: named here with the reason, so that no number is forgotten when they come.

import type { ElsewhereCase, LaterCase } from './catalogue.ts'

const FILES = 'packages/store/test/sqlite-files.test.ts'
const PROCESSES = 'packages/store/test/sqlite-processes.test.ts'
const FLIPS = 'packages/store/test/sqlite-flips.test.ts'
const RESTORED = 'test/integration/restored-copies.test.ts'

export const storageCases: readonly ElsewhereCase[] = [
  { number: 95, file: FILES, title: 'a file of a newer format is refused and left as it is', answer: 'store-newer' },
  { number: 96, file: FILES, title: 'a file of another space is refused and left as it is', answer: 'store-foreign' },
  { number: 97, file: FILES, title: 'a file of zero bytes and an empty database count as new', answer: 'taken as new' },
  {
    number: 97,
    file: FILES,
    title: 'an empty or absent file beside a WAL that holds commits is refused, and the WAL kept',
    answer: 'store-corrupt',
  },
  { number: 97, file: FILES, title: 'random bytes, text and a folder are refused and left as they are', answer: 'store-foreign' },
  { number: 97, file: FILES, title: 'a truncated file is refused and left as it is, wherever it is cut', answer: 'store-corrupt' },
  {
    number: 97,
    file: FILES,
    title: 'a WAL that was cut, or damaged in its middle, leaves a prefix, and the damage is noticed',
    answer: 'a prefix, tailLost',
  },
  { number: 98, file: FLIPS, title: 'is a typed error or harmless, never wrong data', answer: 'doc-quarantined' },
  {
    number: 98,
    file: FLIPS,
    title: 'a bit flipped anywhere in the pages of log, doc and snap is never wrong data',
    answer: 'doc-quarantined',
  },
  { number: 99, file: RESTORED, title: '[ID-1]', answer: 'another replica, or itself with a fresh epoch' },
  { number: 100, file: PROCESSES, title: 'a second opener is refused in words that name the process', answer: 'store-locked' },
  { number: 101, file: FILES, title: 'in a read-only folder writing is "store-io", and reading works', answer: 'store-io' },
]

/** Rights, where the test is the whole matrix of them. */
export const rightsCases: readonly ElsewhereCase[] = [
  {
    number: 44,
    file: 'test/integration/access-alike.test.ts',
    title: 'the same bytes about a document that is forbidden and one that is absent',
    answer: 'access-denied, doc-missing',
  },
  {
    number: 45,
    file: 'test/integration/access-matrix.test.ts',
    title: 'what each identity gets is what docs/access.md says',
    answer: 'read-only',
  },
]

const SIGNED = 'Comes with signed batches and the signed policy log: until then a bearer token is all that a connection shows.'

export const laterCases: readonly LaterCase[] = [
  { number: 37, later: SIGNED },
  { number: 38, later: SIGNED },
  { number: 39, later: 'There is no policy log with signed entries: a policy is one file, taken whole or not at all (40).' },
  {
    number: 67,
    later:
      'Authors are not bound to client ids before signed batches; equal ids with other content are 68, and the content digest reports them (CV-3).',
  },
  { number: 92, later: 'There are no batches yet: rows of kind batch are admitted like others.' },
]
