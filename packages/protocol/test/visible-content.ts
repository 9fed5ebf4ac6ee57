// What a reader of a Y.Doc can see, as comparable text: for every root type its list (text with formats in effect) and its map, by item and not by
// the class a caller gave the root, so that it also works on documents that nobody opened. Nothing about ids. Read by the differential tests.

import * as Y from 'yjs'

type Type = Y.AbstractType<unknown>

/** Equal for documents that show the same. */
export function visibleContent(doc: Y.Doc): string {
  const roots = [...doc.share.keys()].sort().map((name) => [name, dumpType(doc.share.get(name) as Type)] as const)
  // a root that somebody merely opened shows nothing
  return JSON.stringify(roots.filter(([, dump]) => dump !== EMPTY))
}

const EMPTY = '{"list":[],"map":[]}'

function dumpType(type: Type): string {
  const list: unknown[] = []
  const formats = new Map<string, unknown>()
  for (let item = type._start; item !== null; item = item.right) {
    if (item.deleted) continue
    const { content } = item
    if (content instanceof Y.ContentFormat) {
      if (content.value === null) formats.delete(content.key)
      else formats.set(content.key, content.value)
    } else {
      const marks = JSON.stringify([...formats].sort(([a], [b]) => (a < b ? -1 : 1)))
      const last = list.at(-1) as [string, string, string] | undefined
      if (content instanceof Y.ContentString) {
        if (last?.[0] === 'text' && last[2] === marks) last[1] += content.str
        else list.push(['text', content.str, marks])
      } else {
        for (const value of dumpContent(content)) list.push(['value', value, marks])
      }
    }
  }
  const map: unknown[] = []
  for (const key of [...type._map.keys()].sort()) {
    const item = type._map.get(key)!
    if (!item.deleted) map.push([key, dumpContent(item.content).at(-1)])
  }
  return JSON.stringify({ list, map })
}

function dumpContent(content: Y.Item['content']): string[] {
  if (content instanceof Y.ContentType) {
    const type = content.type as unknown as Type & { nodeName?: string; hookName?: string }
    return [`${type.constructor.name} ${type.nodeName ?? ''} ${type.hookName ?? ''} ${dumpType(type)}`]
  }
  if (content instanceof Y.ContentDoc) {
    const { guid, gc, autoLoad, meta } = content.doc
    return [`Doc ${guid} ${gc} ${autoLoad} ${dumpValue(meta)}`]
  }
  return content.getContent().map(dumpValue)
}

function dumpValue(value: unknown): string {
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value === 'number') return Object.is(value, -0) ? '-0' : String(value)
  if (value instanceof Uint8Array) return `bytes ${[...value].join(' ')}`
  if (Array.isArray(value)) return `[${value.map(dumpValue).join(',')}]`
  if (typeof value === 'object' && value !== null) {
    return `{${Object.keys(value)
      .sort()
      .map((key) => `${JSON.stringify(key)}:${dumpValue((value as Record<string, unknown>)[key])}`)
      .join(',')}}`
  }
  return JSON.stringify(value) ?? 'undefined'
}
