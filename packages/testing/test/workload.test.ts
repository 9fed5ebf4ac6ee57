import { walkUpdate } from '@syncline/protocol'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import * as Y from 'yjs'
import { Random } from '../src/random.ts'
import { DocumentAuthor } from '../src/workload/author.ts'
import { editsOf } from '../src/workload/arbitraries.ts'
import { WEIGHTS } from '../src/workload/draw-edit.ts'
import { everything, fuzzSchema } from '../src/workload/fuzz-schema.ts'
import { array, map, record, text, value } from '../src/workload/schema.ts'
import type { Edit, Json, Workload } from '../src/workload/workload.ts'
import { nasty } from './workload-schemas.ts'

const workloads: readonly Workload[] = [
  everything({ midPair: true, big: { chance: 0.02, bytes: 3_000 } }),
  fuzzSchema(nasty, { name: 'nasty' }),
  fuzzSchema({ list: array(map({ a: value() })) }, { name: 'list', undo: false }),
  fuzzSchema({ byId: record(map({ note: text() })) }, { name: 'records', weights: { several: 0, 'map.nest': 0 } }),
]

function author(met: (situation: string) => void = () => undefined): DocumentAuthor {
  const doc = new Y.Doc({ guid: 'test' })
  doc.clientID = 7
  return new DocumentAuthor(doc, { met })
}

function drawn(workload: Workload, seed: number, count: number): Edit[] {
  const random = new Random(seed)
  return Array.from({ length: count }, () => workload.draw(random))
}

describe.each(workloads.map((workload) => [workload.name, workload] as const))('%s', (_name, workload) => {
  test('[TS-1] an edit is plain data: drawn by chance alone, stored as JSON and performed again it gives the same document', () => {
    for (let seed = 0; seed < 20; seed++) {
      const edits = drawn(workload, seed, 150)
      expect(drawn(workload, seed, 150)).toEqual(edits)
      const one = author()
      const two = author()
      const answers = edits.map((edit) => workload.perform(edit, one))
      const stored = JSON.parse(JSON.stringify(edits)) as Edit[]
      expect(
        stored.map((edit) => workload.perform(edit, two)),
        `seed ${seed}`,
      ).toEqual(answers)
      expect(Y.encodeStateAsUpdate(two.doc), `seed ${seed}`).toEqual(Y.encodeStateAsUpdate(one.doc))
      expect(workload.visible(two.doc)).toBe(workload.visible(one.doc))
    }
  })

  test('[TS-2] every situation that a workload names is met, and no other', () => {
    const met = new Set<string>()
    for (let seed = 0; seed < 25; seed++) {
      const own = author((situation) => met.add(situation))
      for (const edit of drawn(workload, seed, 200)) workload.perform(edit, own)
    }
    expect([...met].toSorted()).toEqual([...workload.situations].toSorted())
  })

  test('[TS-3] perform says truly whether it changed something, and every replica takes what it wrote', () => {
    const own = author()
    let updates = 0
    own.doc.on('update', (update: Uint8Array) => {
      updates++
      expect(walkUpdate(update)).not.toHaveProperty('code')
    })
    for (const edit of drawn(workload, 3, 600)) {
      const before = updates
      const changed = workload.perform(edit, own)
      expect(updates > before, JSON.stringify(edit)).toBe(changed)
    }
  })

  test('[TS-4] simpler forms of an edit are smaller, so shrinking ends, and they can be performed', () => {
    const own = author()
    for (const edit of drawn(workload, 4, 400)) {
      for (const form of workload.simpler(edit)) {
        expect(measure(form) < measure(edit), `${JSON.stringify(edit)} -> ${JSON.stringify(form)}`).toBe(true)
        workload.perform(form, own)
      }
      expect(measure(simplest(workload, edit)) < 200n, JSON.stringify(edit)).toBe(true)
    }
  })
})

/** What every simpler form has less of: magnitude of numbers, characters, entries. Kinds and keys count nothing. */
function measure(json: Json): bigint {
  if (typeof json === 'number') return 1n + BigInt(Math.ceil(Math.abs(json) * 16))
  if (typeof json === 'string') return 1n + BigInt(json.length)
  if (typeof json === 'boolean') return json ? 2n : 1n
  if (json === null) return 1n
  if (Array.isArray(json)) return json.reduce((sum: bigint, item: Json) => sum + 1n + measure(item), 1n)
  return Object.entries(json).reduce((sum, [key, item]) => sum + (key === 'kind' ? 0n : 1n + measure(item)), 1n)
}

/** The first simpler form, of that again, to the end. */
function simplest(workload: Workload, edit: Edit): Edit {
  for (const form of workload.simpler(edit)) return simplest(workload, form)
  return edit
}

const FIELDS = [
  'at',
  'from',
  'to',
  'length',
  'times',
  'key',
  'name',
  'text',
  'unit',
  'value',
  'values',
  'node',
  'attributes',
  'inPair',
  'edits',
  'path',
]
const FORMS = ['$text', '$map', '$array', '$xml', '$bytes', '$bigint', '$element', 'attributes', 'children', '__proto__', 'done']
const ROOTS = ['text', 'map', 'array', 'xml', 'nowhere', '__proto__', 'nested', 'inner', '\ud800']

const { json } = fc.letrec<{ json: Json; leaf: Json }>((tie) => ({
  leaf: fc.oneof(
    fc.constantFrom<Json>(null, true, 0, 1, -3, 0.5, 1e300, '', '\udc00', '99999999999999999999', '-9223372036854775808', ...ROOTS),
    fc.string({ unit: 'binary', maxLength: 5 }),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
  ),
  json: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    tie('leaf'),
    fc.array(tie('json'), { maxLength: 4 }),
    fc.dictionary(fc.constantFrom(...FORMS), tie('json'), { maxKeys: 3 }),
  ),
}))

const path = fc.tuple(fc.constantFrom(...ROOTS), fc.array(fc.oneof(fc.constantFrom<Json>(...ROOTS), fc.nat(), json), { maxLength: 3 }))
const kind = fc.constantFrom(...Object.keys(WEIGHTS), 'text.big', 'constructor', 'unknown')
const anyEdit = fc
  .tuple(
    kind,
    fc.oneof(
      path.map(([root, rest]): Json => [root, ...rest]),
      json,
    ),
    fc.dictionary(fc.constantFrom(...FIELDS), json),
  )
  .map(([kind, path, fields]): Edit => ({ ...fields, path: fields['path'] ?? path, kind }))

/** Documents that this workload never makes. */
const otherShapes: readonly ((doc: Y.Doc) => void)[] = [
  () => undefined,
  (doc) => {
    doc.getMap('text').set('a', 1)
    doc.getText('map').insert(0, 'a')
    doc.getXmlFragment('array').insert(0, [new Y.XmlText('a')])
    doc.getArray('xml').insert(0, [1])
  },
  (doc) => {
    doc.getText('text').insertEmbed(0, new Y.Map())
    doc.getMap('map').set('nested', new Y.XmlElement('p'))
    doc.getMap('map').set('inner', new Y.Array())
    doc.getArray('array').insert(0, [new Y.Doc(), new Y.XmlText('a'), Y.Array.from([1]), 'a'])
    doc.getXmlFragment('xml').insert(0, [new Y.XmlHook('hook') as unknown as Y.XmlElement, new Y.XmlElement('p')])
  },
]

test('[TS-3] perform is total: any JSON as an edit, on documents of any shape', () => {
  const workload = everything({ midPair: true })
  fc.assert(
    fc.property(
      fc.constantFrom(...otherShapes),
      fc.array(fc.oneof(anyEdit, editsOf(workload, { maxLength: 5 })), { maxLength: 30 }),
      (shape, parts) => {
        const own = author()
        shape(own.doc)
        own.doc.on('update', (update: Uint8Array) => expect(walkUpdate(update)).not.toHaveProperty('code'))
        for (const edit of parts.flat()) {
          workload.perform(edit, own)
          for (const form of workload.simpler(edit)) expect(form.kind).toBeTypeOf('string')
        }
      },
    ),
    { numRuns: 400, seed: 3 },
  )
})

test('[TS-5] equal content has equal visible text, and unequal content has not', () => {
  const workload = everything()
  const seen = (change: (doc: Y.Doc) => void): string => {
    const doc = new Y.Doc()
    change(doc)
    return workload.visible(doc)
  }
  const empty = seen(() => undefined)
  expect(seen((doc) => doc.getText('text').insert(0, ''))).toBe(empty)
  const same = seen((doc) => {
    doc.getMap('map').set('a', 1)
    doc.getMap('map').set('b', { x: 1, y: 2 })
    doc.getText('text').insert(0, 'ab', { bold: true, italic: true })
  })
  const otherwise = seen((doc) => {
    doc.getText('text').insert(0, 'b', { italic: true, bold: true })
    doc.getText('text').insert(0, 'xa', { italic: true, bold: true })
    doc.getText('text').delete(0, 1)
    doc.getMap('map').set('b', { y: 2, x: 1 })
    doc.getMap('map').set('a', 1)
  })
  expect(otherwise).toBe(same)
  const twoRuns = seen((doc) => {
    const other = new Y.Doc()
    for (const one of [doc, other]) one.getText('text').insert(0, 'ab', { bold: true })
    exchange(doc, other)
    expect(doc.getText('text').toDelta()).toHaveLength(2)
  })
  expect(twoRuns).toBe(seen((doc) => doc.getText('text').insert(0, 'abab', { bold: true })))
  const contents: unknown[] = [
    '1',
    1,
    1n,
    null,
    [],
    {},
    new Uint8Array(),
    new Y.Text(),
    new Y.Map(),
    new Y.Array(),
    new Y.XmlFragment(),
    new Y.XmlElement('a'),
  ]
  const texts = contents.map((content) => seen((doc) => doc.getMap('map').set('k', content)))
  const formats = [{}, { bold: true }, { bold: 'true' }].map((format) => seen((doc) => doc.getText('text').insert(0, 'a', format)))
  expect(new Set([empty, ...texts, ...formats]).size).toBe(1 + texts.length + formats.length)
})

test('[TS-7] undo and redo touch only own edits', () => {
  const workload = fuzzSchema({ text: text({ formats: ['bold'] }), list: array(value()) })
  const theirsIn = (doc: Y.Doc): number[] => [
    [...doc.getText('text').toString()].filter((letter) => letter === 'T').length,
    doc
      .getArray('list')
      .toArray()
      .filter((item) => item === 'theirs').length,
  ]
  for (let seed = 0; seed < 60; seed++) {
    const [mine, theirs] = [author(), author()]
    theirs.doc.clientID = 8
    const random = new Random(seed)
    workload.perform({ kind: 'undo' }, mine)
    for (let round = 0; round < 30; round++) {
      workload.perform(workload.draw(random), mine)
      workload.perform({ kind: 'text.insert', path: ['text'], at: random.below(1_000), text: 'T' }, theirs)
      workload.perform({ kind: 'array.insert', path: ['list'], at: random.below(1_000), values: ['theirs'] }, theirs)
      exchange(mine.doc, theirs.doc)
    }
    let before = theirsIn(theirs.doc)
    let undone = 0
    while (workload.perform({ kind: 'undo' }, mine)) {
      exchange(mine.doc, theirs.doc)
      const after = theirsIn(theirs.doc)
      expect(
        after.every((count, index) => count >= before[index]!),
        `seed ${seed}: an undo took what they wrote`,
      ).toBe(true)
      before = after
      undone++
    }
    expect(undone, `seed ${seed}`).toBeGreaterThan(5)
    expect(workload.visible(mine.doc)).toBe(workload.visible(theirs.doc))
  }
})

function exchange(a: Y.Doc, b: Y.Doc): void {
  Y.applyUpdate(b, Y.encodeStateAsUpdate(a, Y.encodeStateVector(b)), 'peer')
  Y.applyUpdate(a, Y.encodeStateAsUpdate(b, Y.encodeStateVector(a)), 'peer')
}
