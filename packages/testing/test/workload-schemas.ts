// Schemas that the workload tests share: one with every type in every place, and names that trip naive code.
import {
  array,
  bigint,
  boolean,
  bytes,
  either,
  json,
  map,
  number,
  oneOf,
  record,
  schema,
  string,
  text,
  value,
  xml,
  type Schema,
} from '../src/workload/schema.ts'

const body = xml({ elements: ['p', 'li'], attributes: ['id', 'class'], formats: ['b'] })

export const nasty: Schema = schema({
  title: text({ formats: ['bold', 'italic'], embeds: true }),
  'ключ 😀': record(
    either(string(), text({ formats: { color: ['#f00', '#0f0'] } }), array(either(json(), map({ deep: record(text()) }))), body),
  ),
  todos: array(
    map({
      done: boolean(),
      state: oneOf('open', 'done', null),
      size: number(),
      id: bigint(),
      blob: bytes(),
      tags: array(string()),
      note: text({ formats: ['bold'] }),
      body,
    }),
  ),
  constructor: map({ toString: text(), hasOwnProperty: record(map({ x: value() })) }),
  grid: array(array(array(value()))),
  body,
})
