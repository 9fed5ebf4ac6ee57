// The text edits of perform-edit.ts, for Y.Text and Y.XmlText. Decides which part of a text an edit is about, and which situations it meets. Read by
// perform-edit.ts and perform-xml.ts. Rules: TS-2, TS-3.

import type * as Y from 'yjs'
import { counted, spanIn } from './positions.ts'
import type { Schema } from './schema.ts'
import type { Edit, Json } from './workload.ts'
import { attributesOf, isFields, jsonOf, stringOf } from './written.ts'

export interface Performance {
  readonly schema: Schema
  readonly doc: Y.Doc
  /** Whether `inPair` of an edit counts. */
  readonly midPair: boolean
  /** Called once per situation and edit, after the change. */
  met(situation: string): void
}

/** Characters of one big insert, whatever the edit asks for. */
const BIG_MAX = 2 ** 24

/** The part of a text that an edit is about. */
export function spanOf(performance: Performance, edit: Edit, text: Y.Text, length: Json | undefined): { from: number; length: number } {
  const span = spanIn(text, edit['at'], length, performance.midPair && edit['inPair'] === true)
  if (span.inPair) performance.met('mid-pair')
  return { from: span.from, length: span.to - span.from }
}

/** Inserts into a Y.Text or Y.XmlText; true when there was something to insert. */
export function insertInto(performance: Performance, edit: Edit, text: Y.Text): boolean {
  const inserted = stringOf(edit['text'])
  if (inserted === '') return false
  const { from } = spanOf(performance, edit, text, 0)
  const attributes = attributesOf(edit['attributes'])
  if (Object.keys(attributes).length > 0) text.insert(from, inserted, attributes)
  else text.insert(from, inserted)
  if (/[\ud800-\udbff]/.test(inserted)) performance.met('astral')
  return true
}

export function insertText(performance: Performance, edit: Edit, text: Y.Text): void {
  if (insertInto(performance, edit, text)) performance.met('text insert')
}

export function insertBig(performance: Performance, edit: Edit, text: Y.Text): void {
  const unit = stringOf(edit['unit'])
  const times = counted(edit['times'], Math.floor(BIG_MAX / Math.max(1, unit.length)))
  if (unit === '' || times === 0) return
  text.insert(spanOf(performance, edit, text, 0).from, unit.repeat(times))
  performance.met('big insert')
}

export function deleteText(performance: Performance, edit: Edit, text: Y.Text): void {
  const { from, length } = spanOf(performance, edit, text, edit['length'])
  if (length === 0) return
  text.delete(from, length)
  performance.met('text delete')
}

export function formatText(performance: Performance, edit: Edit, text: Y.Text): void {
  if (formatInto(performance, edit, text)) performance.met('format')
}

/** Sets and clears formats of a Y.Text or Y.XmlText; true when there was something to format. */
export function formatInto(performance: Performance, edit: Edit, text: Y.Text): boolean {
  const attributes = attributesOf(edit['attributes'])
  const { from, length } = spanOf(performance, edit, text, edit['length'])
  if (length === 0 || Object.keys(attributes).length === 0) return false
  text.format(from, length, attributes)
  return true
}

export function embed(performance: Performance, edit: Edit, text: Y.Text): void {
  const { value } = edit
  if (!isFields(value)) return
  text.insertEmbed(spanOf(performance, edit, text, 0).from, jsonOf(value) as object)
  performance.met('embed')
}
