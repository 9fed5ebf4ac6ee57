// All that a reader sees of a shared type, as one text: sorted keys, formatted runs joined, bytes, bigints and shared types marked as such, so
// that equal text means equal content. Goes by what is in the document, not by a schema. Read by fuzz-schema.ts and own-workload.ts. Rule: TS-5.

import * as Y from 'yjs'

/** The canonical text of a shared type or of a value that one holds. */
export function canonical(content: unknown): string {
  if (content instanceof Y.AbstractType) return shared(content)
  if (content === undefined) return '{"$undefined":true}'
  if (typeof content === 'bigint') return `{"$bigint":"${content}"}`
  if (typeof content === 'number' && !Number.isFinite(content)) return `{"$number":"${content}"}`
  if (content instanceof Uint8Array) return `{"$bytes":[${content.join(',')}]}`
  if (Array.isArray(content)) return list(content)
  if (typeof content === 'object' && content !== null) return fields(Object.entries(content))
  return JSON.stringify(content) ?? 'null'
}

function list(items: readonly unknown[]): string {
  return `[${items.map(canonical).join(',')}]`
}

function fields(entries: readonly (readonly [string, unknown])[]): string {
  const sorted = entries.toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
  return `{${sorted.map(([key, item]) => `${JSON.stringify(key)}:${canonical(item)}`).join(',')}}`
}

function shared(type: Y.AbstractType<unknown>): string {
  if (type instanceof Y.Text) return `{"$text":${runs(type)}}`
  if (type instanceof Y.Map) return `{"$map":${fields([...type.entries()])}}`
  if (type instanceof Y.Array) return `{"$array":${list(type.toArray())}}`
  if (type instanceof Y.XmlElement)
    return `{"$element":${JSON.stringify(type.nodeName)},"attributes":${fields(Object.entries(type.getAttributes()))},"children":${list(type.toArray())}}`
  if (type instanceof Y.XmlFragment) return `{"$xml":${list(type.toArray())}}`
  return '{"$untyped":true}'
}

/** The delta, with neighbours of equal format joined: where Yjs split a run is nothing that a reader sees. */
function runs(text: Y.Text): string {
  const parts: string[] = []
  let run = ''
  let format = ''
  for (const { insert, attributes } of text.toDelta() as { insert: unknown; attributes?: object }[]) {
    const own = attributes === undefined ? '' : fields(Object.entries(attributes))
    if (typeof insert === 'string' && run !== '' && own === format) {
      run += insert
      continue
    }
    if (run !== '') parts.push(part(JSON.stringify(run), format))
    run = typeof insert === 'string' ? insert : ''
    format = own
    if (run === '') parts.push(part(`{"$embed":${canonical(insert)}}`, own))
  }
  if (run !== '') parts.push(part(JSON.stringify(run), format))
  return `[${parts.join(',')}]`
}

function part(insert: string, format: string): string {
  return format === '' || format === '{}' ? insert : `[${insert},${format}]`
}
