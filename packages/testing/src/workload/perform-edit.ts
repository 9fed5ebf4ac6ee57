// Carries out the edits of a schema on a document, inside the transaction that fuzz-schema.ts opened. Decides for every kind what it does and
// which situations it meets. Total: it is given any JSON and any document, and passes over what does not fit. Read by fuzz-schema.ts.
// Rules: TS-1, TS-2, TS-3.

import * as Y from 'yjs'
import { deleteText, embed, formatText, insertBig, insertText, type Performance } from './perform-text.ts'
import { performXml } from './perform-xml.ts'
import { counted, wrapped } from './positions.ts'
import { resolve, type Target } from './resolve.ts'
import { fieldOf } from './schema.ts'
import type { Edit } from './workload.ts'
import { contentOf, isFields, isList, isSharedForm, itemOf } from './written.ts'

type Step = (performance: Performance, edit: Edit, target: Target) => void

/** kind -> what it does to the type at the end of its path. `makes`: missing types on the way are made. */
const steps: { readonly [kind: string]: { readonly makes: boolean; readonly step: Step } } = {
  'text.insert': { makes: true, step: onText(insertText) },
  'text.big': { makes: true, step: onText(insertBig) },
  'text.delete': { makes: false, step: onText(deleteText) },
  'text.format': { makes: false, step: onText(formatText) },
  'text.embed': { makes: true, step: onText(embed) },
  'map.set': { makes: true, step: setKey },
  'map.nest': { makes: true, step: setKey },
  'map.delete': { makes: false, step: deleteKey },
  'array.insert': { makes: true, step: onArray(insertItems) },
  'array.delete': { makes: false, step: onArray(deleteItems) },
  'array.move': { makes: false, step: onArray(moveItem) },
  'xml.insert': { makes: true, step: onXml },
  'xml.delete': { makes: false, step: onXml },
  'xml.attribute': { makes: false, step: onXml },
  'xml.text': { makes: true, step: onXml },
  'xml.format': { makes: false, step: onXml },
}

/** Carries out one edit, or those of `several`; undo and redo are not for here. */
export function performEdit(performance: Performance, edit: Edit): void {
  if (edit.kind === 'several') {
    if (!isList(edit['edits'])) return
    for (const part of edit['edits'])
      if (isFields(part) && typeof part['kind'] === 'string' && part['kind'] !== 'several') performEdit(performance, part as Edit)
    return
  }
  if (!Object.hasOwn(steps, edit.kind)) return
  const { makes, step } = steps[edit.kind]!
  const target = resolve(performance.schema, performance.doc, edit['path'], makes)
  if (target === null) return
  if (target.made) performance.met('nested type')
  step(performance, edit, target)
}

function onText(step: (performance: Performance, edit: Edit, text: Y.Text) => void): Step {
  return (performance, edit, { shared }) => {
    if (shared instanceof Y.Text) step(performance, edit, shared)
  }
}

function onArray(step: (performance: Performance, edit: Edit, array: Y.Array<unknown>) => void): Step {
  return (performance, edit, { shared }) => {
    if (shared instanceof Y.Array) step(performance, edit, shared as Y.Array<unknown>)
  }
}

function onXml(performance: Performance, edit: Edit, { shared, rest }: Target): void {
  if (shared instanceof Y.XmlFragment) performXml(performance, edit, shared, rest)
}

function setKey(performance: Performance, edit: Edit, { shared, type }: Target): void {
  const { key, value } = edit
  if (!(shared instanceof Y.Map) || type.type !== 'map' || typeof key !== 'string' || value === undefined) return
  if (fieldOf(type, key.toWellFormed()) === undefined) return
  shared.set(key.toWellFormed(), contentOf(value))
  performance.met('map')
  if (isSharedForm(value)) performance.met('nested type')
}

function deleteKey(performance: Performance, edit: Edit, { shared }: Target): void {
  const { key } = edit
  if (!(shared instanceof Y.Map) || typeof key !== 'string' || !shared.has(key.toWellFormed())) return
  shared.delete(key.toWellFormed())
  performance.met('map')
}

function insertItems(performance: Performance, edit: Edit, array: Y.Array<unknown>): void {
  const { values } = edit
  if (!isList(values) || values.length === 0) return
  array.insert(
    wrapped(edit['at'], array.length + 1),
    values.map((value) => itemOf(value)),
  )
  performance.met('array')
  if (values.some(isSharedForm)) performance.met('nested type')
}

function deleteItems(performance: Performance, edit: Edit, array: Y.Array<unknown>): void {
  if (array.length === 0) return
  const from = wrapped(edit['at'], array.length)
  const length = counted(edit['length'], array.length - from)
  if (length === 0) return
  array.delete(from, length)
  performance.met('array')
}

/** Yjs has no move: the item is deleted and a copy is inserted, which is what applications do, and what doubles items under concurrency. */
function moveItem(performance: Performance, edit: Edit, array: Y.Array<unknown>): void {
  if (array.length < 2) return
  const from = wrapped(edit['from'], array.length)
  const item: unknown = array.get(from) ?? null
  if (item instanceof Y.Doc) return
  const copy: unknown = item instanceof Y.AbstractType ? item.clone() : structuredClone(item)
  array.delete(from, 1)
  array.insert(wrapped(edit['to'], array.length + 1), [copy])
  performance.met('array')
  if (copy instanceof Y.AbstractType) performance.met('nested type')
}
