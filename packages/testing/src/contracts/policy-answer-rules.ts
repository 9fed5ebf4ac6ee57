// What an Access must answer, asked directly. The engine asks inside its pure steps, for every row and every frame: it cannot wait for an answer, catch a throw,
// or repair one that changes by itself. Part of policyContract. Rules: PO-1 to PO-9.

import { LIMITS, parseDocId, type DocId, type Scope } from '@syncline/protocol'
import type { Access } from '@syncline/replica'
import { allow, deny, type Grant, type PolicyHarness } from './policy-harness.ts'
import { check, type ContractRule } from './rule.ts'

const actions = ['read', 'write'] as const
const space: Scope = { kind: 'space' }

/** Valid names that trip those who take them for something else: patterns, paths, prefixes, keys of objects, text of one normal form. */
const strangeNames: readonly DocId[] = [
  'a',
  '/',
  '//',
  '/a',
  'a/',
  'a//b',
  '.',
  '..',
  '../a',
  'a/../b',
  'a/b/c/d/e/f',
  '*',
  '**',
  'a/*',
  'a/?',
  'a/[bc]',
  'a/{b,c}',
  'a.b',
  'a/.*',
  '^a$',
  'a|b',
  '(',
  '\\',
  '=a',
  ':',
  'urn:syncline:a',
  'https://example.org/a?b=c#d',
  '%2e%2e%2fa',
  '%00',
  '%zz',
  ' ',
  ' a',
  'a ',
  'a\nb',
  'a\tb',
  '\u{feff}a',
  'a\u{200b}b',
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
  'null',
  'undefined',
  '0',
  '-1',
  'true',
  "'; drop table docs; --",
  '"a"',
  '<a>',
  '\u{e9}',
  'e\u{301}',
  '\u{3b1}\u{3b2}/\u{3b3}',
  '\u{441}\u{43e}\u{432}\u{435}\u{442}/\u{43c}\u{438}\u{440}',
  '\u{65e5}\u{672c}\u{8a9e}/\u{6587}\u{66f8}',
  '\u{627}\u{644}/\u{645}',
  '\u{5d0}/\u{5d1}',
  '\u{1f469}\u{200d}\u{1f4bb}/\u{1f600}',
  'x'.repeat(LIMITS.docIdBytesMax),
  `${'y'.repeat(LIMITS.docIdBytesMax - 2)}/z`,
  '/'.repeat(LIMITS.docIdBytesMax),
  '\u{1f600}'.repeat(LIMITS.docIdBytesMax / 4),
].map(parseDocId)

/** Names of which a careless comparison takes one for the other. */
const confusable: readonly (readonly [string, string])[] = [
  ['notes/a', 'notes/b'],
  ['notes/a', 'notes/A'],
  ['notes/a', 'Notes/a'],
  ['notes/a', 'notes/a/'],
  ['notes/a', 'notes/a '],
  ['notes/a', ' notes/a'],
  ['notes/a', 'notes//a'],
  ['notes/a', '/notes/a'],
  ['notes/a', 'notes/a/b'],
  ['notes/a', 'notes/ab'],
  ['notes/a', 'notes%2fa'],
  ['notes/a.b', 'notes/axb'],
  ['notes/*', 'notes/a'],
  ['notes/?', 'notes/a'],
  ['notes/[ab]', 'notes/a'],
  ['notes/.*', 'notes/a'],
  ['*', 'notes'],
  ['a/../b', 'b'],
  ['notes/\u{e9}', 'notes/e\u{301}'],
  ['notes/\u{212b}', 'notes/\u{c5}'],
  ['notes/\u{fb01}', 'notes/fi'],
  ['notes/stra\u{df}e', 'notes/strasse'],
  ['notes/\u{430}', 'notes/a'],
  ['notes/a', 'notes/a\u{200b}'],
  ['notes/1', 'notes/01'],
  ['1', '01'],
  ['__proto__', 'constructor'],
]

export const policyAnswerRules: readonly ContractRule<PolicyHarness>[] = [
  {
    id: 'PO-1',
    guarantee: 'read() and write() answer true or false, at once and without throwing, for every valid document name of 1 to 512 bytes',
    async run(harness) {
      const access = await harness.accessFor([allow('read', space), allow('write', collection('a'))])
      for (const action of actions) {
        for (const doc of strangeNames) {
          const answer: unknown = access[action](doc)
          check(typeof answer === 'boolean', `${action}(${words(doc)}) answered ${describe(answer)}, wanted true or false`)
        }
      }
    },
  },
  {
    id: 'PO-2',
    guarantee: 'the same question has the same answer until the grants change, whatever else was asked in between and how often',
    async run(harness) {
      const access = await harness.accessFor([allow('read', collection('a')), allow('write', document('a/b/c/d/e/f'))])
      const first = answers(access, strangeNames)
      for (let at = 0; at < 5_000; at++) for (const action of actions) access[action](parseDocId(`a/${at}`))
      const again = answers(access, strangeNames.toReversed()).toReversed()
      const { read, write } = access
      check(first.join() === again.join(), 'names that were asked again were answered otherwise')
      const detached = strangeNames.map((doc) => `${read.call(access, doc)} ${write.call(access, doc)}`)
      check(first.join() === detached.join(), 'read() and write() answer otherwise when asked in the other order')
    },
  },
  {
    id: 'PO-3',
    needs: 'grants',
    guarantee: 'what nothing allows is denied',
    async run(harness) {
      const access = await harness.accessFor([])
      for (const doc of strangeNames) checkAnswers(access, doc, false, false, 'a subject without grants')
    },
  },
  {
    id: 'PO-4',
    needs: 'grants',
    guarantee: 'a grant reaches the space, the collection or the document that it names, and nothing beside it',
    async run(harness) {
      const whole = await harness.accessFor([allow('read', space), allow('write', space)])
      for (const doc of strangeNames) checkAnswers(whole, doc, true, true, 'a grant of the space')
      const notes = await harness.accessFor([allow('read', collection('notes')), allow('write', collection('notes'))])
      for (const name of ['notes/a', 'notes/', 'notes/a/b', 'notes//', 'notes/*', 'notes/..'])
        checkAnswers(notes, parseDocId(name), true, true, 'a grant of the collection "notes"')
      for (const name of ['notes', 'notesx/a', 'note/a', 'xnotes/a', 'Notes/a', '/notes/a', 'a/notes/b', 'notes:a', 'notes\\a', 'notes '])
        checkAnswers(notes, parseDocId(name), false, false, 'a grant of the collection "notes"')
      const bare = await harness.accessFor([allow('read', collection('')), allow('write', collection(''))])
      for (const name of ['a', 'notes', '/a', '*']) checkAnswers(bare, parseDocId(name), true, true, 'a grant of the bare names')
      for (const name of ['a/b', 'notes/a']) checkAnswers(bare, parseDocId(name), false, false, 'a grant of the bare names')
    },
  },
  {
    id: 'PO-5',
    needs: 'grants',
    guarantee: 'reading and writing are separate: a grant of the one gives nothing of the other',
    async run(harness) {
      for (const scope of [space, collection('notes'), document('notes/a')]) {
        const doc = parseDocId('notes/a')
        checkAnswers(await harness.accessFor([allow('read', scope)]), doc, true, false, `read of the ${scope.kind}`)
        checkAnswers(await harness.accessFor([allow('write', scope)]), doc, false, true, `write of the ${scope.kind}`)
      }
    },
  },
  {
    id: 'PO-6',
    needs: 'grants',
    guarantee: 'names that differ in one code point, in case or in normal form are different documents',
    async run(harness) {
      for (const pair of confusable) {
        for (const [mine, other] of [pair, pair.toReversed() as [string, string]]) {
          const access = await harness.accessFor([allow('read', document(mine)), allow('write', document(mine))])
          checkAnswers(access, parseDocId(mine), true, true, `a grant of the document ${words(mine)}`)
          checkAnswers(access, parseDocId(other), false, false, `a grant of the document ${words(mine)}`)
        }
      }
    },
  },
  {
    id: 'PO-7',
    needs: 'denials',
    guarantee: 'what is denied is denied, whatever allows it, however broad or narrow either is, in whichever order they stand',
    async run(harness) {
      const doc = parseDocId('notes/a')
      const scopes = [space, collection('notes'), document('notes/a')]
      for (const allowed of scopes) {
        for (const denied of scopes) {
          const grants = [allow('read', allowed), allow('write', allowed), deny('write', denied)]
          for (const order of [grants, grants.toReversed(), [...grants, ...grants]]) {
            const what = `the ${allowed.kind} allowed and writing of the ${denied.kind} denied`
            checkAnswers(await harness.accessFor(order), doc, true, false, what)
          }
        }
      }
      const beside = await harness.accessFor([allow('read', space), allow('write', space), deny('read', collection('secret'))])
      checkAnswers(beside, doc, true, true, 'another collection denied')
      checkAnswers(beside, parseDocId('secret/a'), false, true, 'reading of the collection denied')
    },
  },
  {
    id: 'PO-8',
    needs: 'grants',
    guarantee: 'a change of grants holds from the next question on, both ways, at the Access that links already have',
    async run(harness) {
      const doc = parseDocId('notes/a')
      const access = await harness.accessFor([allow('read', space)])
      const steps: readonly { grants: Grant[]; read: boolean; write: boolean }[] = [
        { grants: [allow('read', space)], read: true, write: false },
        { grants: [allow('read', collection('notes')), allow('write', document('notes/a'))], read: true, write: true },
        { grants: [], read: false, write: false },
        { grants: [allow('write', collection('notes'))], read: false, write: true },
        { grants: [allow('read', document('notes/b'))], read: false, write: false },
        { grants: [allow('read', document('notes/a'))], read: true, write: false },
      ]
      for (const [at, { grants, read, write }] of steps.entries()) {
        if (at > 0) await harness.change(access, grants)
        checkAnswers(access, doc, read, write, `after ${at} changes`)
      }
    },
  },
  {
    id: 'PO-9',
    needs: 'grants',
    guarantee: 'subjects share nothing: neither grants, nor their changes, nor answers that were given',
    async run(harness) {
      const doc = parseDocId('notes/a')
      const reader = await harness.accessFor([allow('read', space)])
      const nobody = await harness.accessFor([])
      const writer = await harness.accessFor([allow('write', collection('notes'))])
      const verify = (what: string, read: boolean): void => {
        checkAnswers(reader, doc, read, false, `${what}: the reader`)
        checkAnswers(nobody, doc, false, false, `${what}: the subject without grants`)
        checkAnswers(writer, doc, false, true, `${what}: the writer`)
      }
      verify('at first', true)
      await harness.change(reader, [])
      verify('after the reader lost its grant', false)
      await harness.change(reader, [allow('read', space)])
      verify('after the reader got it again', true)
    },
  },
]

function collection(name: string): Scope {
  return { kind: 'collection', collection: name }
}

function document(name: string): Scope {
  return { kind: 'document', doc: parseDocId(name) }
}

function answers(access: Access, docs: readonly DocId[]): string[] {
  return docs.map((doc) => {
    const write = access.write(doc)
    return `${access.read(doc)} ${write}`
  })
}

function checkAnswers(access: Access, doc: DocId, read: boolean, write: boolean, subject: string): void {
  const wanted = { read, write }
  for (const action of actions) {
    const answer: unknown = access[action](doc)
    check(answer === wanted[action], `${subject}: ${action}(${words(doc)}) answered ${describe(answer)}, wanted ${wanted[action]}`)
  }
}

function words(name: string): string {
  return JSON.stringify(name.length > 60 ? `${name.slice(0, 20)}... of ${name.length}` : name)
}

function describe(answer: unknown): string {
  if (answer instanceof Promise) return 'a promise'
  return typeof answer === 'boolean' ? String(answer) : `${typeof answer} ${String(answer)}`
}
