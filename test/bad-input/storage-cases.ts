// Catalogue 95 to 101, files and folders: each is proved where the store is tested, on real files. And what concerns authentication, policies and other things that
// do not exist yet: named here with the reason, so that no number is forgotten when they come.

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

const AUTH = 'There is no authentication yet: a relay serves this machine only (AU-0). Tokens come with roles and policies.'
const POLICY = 'There is no policy log yet: it comes with roles and policies.'

export const laterCases: readonly LaterCase[] = [
  { number: 31, later: AUTH },
  { number: 32, later: AUTH },
  { number: 33, later: AUTH },
  { number: 34, later: AUTH },
  { number: 37, later: AUTH },
  { number: 38, later: AUTH },
  { number: 39, later: POLICY },
  { number: 40, later: POLICY },
  { number: 41, later: POLICY },
  { number: 44, later: 'Nothing is forbidden yet: reading rights come with roles.' },
  {
    number: 45,
    later: 'No link is read-only at a relay yet: the engine refuses such writes as "read-only", identities come with authentication.',
  },
  { number: 46, later: 'There is nothing to revoke yet, and there are no batches.' },
  { number: 47, later: AUTH },
  {
    number: 67,
    later:
      'Authors are not bound to client ids before signed batches; equal ids with other content are 68, and the content digest reports them (CV-3).',
  },
  { number: 79, later: 'There is no schema that declares root names and types; whatever is well-formed is taken.' },
  { number: 91, later: 'There are no session tokens yet.' },
  { number: 92, later: 'There are no batches yet: rows of kind batch are admitted like others.' },
]
