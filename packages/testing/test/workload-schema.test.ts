import { SynclineError } from '@syncline/protocol'
import { describe, expect, test } from 'vitest'
import { fuzzSchema } from '../src/workload/fuzz-schema.ts'
import { array, bigint, either, json, map, oneOf, record, schema, string, text, value, xml, type Schema } from '../src/workload/schema.ts'
import { nasty } from './workload-schemas.ts'

const endless: { type: 'array'; of: unknown } = { type: 'array', of: null }
endless.of = endless

/** what is wrong -> the schema, and words that the error has. */
const malformed: readonly (readonly [string, unknown, RegExp])[] = [
  ['no object', 'text', /it is an object/],
  ['no roots', {}, /at least one root/],
  ['a plain value at the root', { done: value() }, /root "done".*holds no plain value/],
  ['a function for a type', { title: text }, /root "title".*was the call forgotten/],
  ['an unknown type', { title: { type: 'texts' } }, /root "title" has the unknown type "texts"/],
  ['nothing for a type', { list: { type: 'array' } }, /root "list", item is a type/],
  [
    'a wrong type deep inside',
    { byId: record(map({ tags: array({ type: 'tag' } as never) })) },
    /other keys, field "tags", item has the unknown type "tag"/,
  ],
  ['a schema that contains itself', { list: endless }, /contains itself/],
  ['a name that replicas refuse', { list: map(JSON.parse('{"__proto__":{"type":"json"}}') as never) }, /__proto__/],
  ['half a surrogate pair', { '\ud800': text() }, /half a surrogate pair/],
  ['an empty name', { '': text() }, /at least one character/],
  ['a map that allows nothing', { map: map({}) }, /allows no other keys/],
  ['a format without values', { text: text({ formats: { color: [] } }) }, /format "color" has at least one JSON value/],
  ['a format that clears itself', { text: text({ formats: { color: [null] } }) }, /none of them null/],
  ['a choice between two maps', { list: array(either(record(json()), map({ a: json() }))) }, /cannot be told apart/],
  ['a choice of one', { list: array(either(json())) }, /at least two types/],
  ['no values to choose from', { list: array(oneOf()) }, /at least one value/],
  ['a value that is no JSON', { list: array(oneOf(new Date() as never)) }, /an object is none/],
  ['a bigint in an array', { list: array(either(string(), bigint())) }, /not in a Y.Array/],
  ['element names that are none', { body: xml({ elements: [1 as never] }) }, /at least one character, not 1/],
]

describe('malformed schemas', () => {
  test.each(malformed)('[TS-6] %s is refused in words that name the place', (_what, roots, words) => {
    for (const make of [schema, fuzzSchema]) {
      expect(() => make(roots as Schema)).toThrow(words)
      expect(() => make(roots as Schema)).toThrow(SynclineError)
    }
  })
})

test('[TS-6] a schema is plain JSON: stored and read again it draws the same edits', async () => {
  const { Random } = await import('../src/random.ts')
  const stored = fuzzSchema(JSON.parse(JSON.stringify(nasty)) as Schema)
  const [one, two] = [new Random(1), new Random(1)]
  for (let i = 0; i < 200; i++) expect(stored.draw(one)).toEqual(fuzzSchema(nasty).draw(two))
})

test('[TS-6] options that leave nothing to draw are refused in words', () => {
  const title = { title: text() }
  const refusals: readonly (readonly [() => unknown, RegExp])[] = [
    [() => fuzzSchema(title, { weights: { 'text.insert': 0, 'text.delete': 0 } }), /no kind of edit is left/],
    [() => fuzzSchema(title, { weights: { 'text.insert': -1 } }), /weight of text.insert is 0 or a positive number, not -1/],
    [() => fuzzSchema(title, { weights: { insert: 1 } as never }), /insert is no kind of edit; there are text.insert/],
    [() => fuzzSchema(title, { words: [] }), /words are some texts/],
    [() => fuzzSchema(title, { keys: ['__proto__'] }), /keys are some texts/],
  ]
  for (const [make, words] of refusals) expect(make).toThrow(words)
})
