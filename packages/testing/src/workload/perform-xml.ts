// The XML edits of perform-edit.ts. A path leads as deep as the document goes: steps beyond a text or an empty element are not taken, so an edit
// of XML nearly always finds something to do. Read by perform-edit.ts. Rules: TS-2, TS-3.

import * as Y from 'yjs'
import { formatInto, insertInto, spanOf, type Performance } from './perform-text.ts'
import { counted, wrapped } from './positions.ts'
import type { Edit, Json } from './workload.ts'
import { nodeOf, stringOf } from './written.ts'

export function performXml(performance: Performance, edit: Edit, fragment: Y.XmlFragment, steps: readonly Json[]): void {
  if (perform(performance, edit, nodeAt(fragment, steps, edit.kind === 'xml.insert' || edit.kind === 'xml.attribute')))
    performance.met('xml')
}

/** The node at the end of the steps, as deep as the document goes; `container`: never a text. */
function nodeAt(fragment: Y.XmlFragment, steps: readonly Json[], container: boolean): Y.XmlFragment | Y.XmlText {
  let node = fragment
  for (const at of steps) {
    if (node.length === 0) return node
    const child: unknown = node.get(wrapped(at, node.length))
    if (child instanceof Y.XmlText) return container ? node : child
    if (!(child instanceof Y.XmlFragment)) return node
    node = child
  }
  return node
}

function perform(performance: Performance, edit: Edit, node: Y.XmlFragment | Y.XmlText): boolean {
  if (edit.kind === 'xml.text') return write(performance, edit, node)
  if (edit.kind === 'xml.delete') return remove(performance, edit, node)
  if (edit.kind === 'xml.format') return node instanceof Y.XmlText && formatInto(performance, edit, node)
  if (edit.kind === 'xml.attribute') return node instanceof Y.XmlElement && setAttribute(edit, node)
  if (!(node instanceof Y.XmlFragment)) return false
  node.insert(wrapped(edit['at'], node.length + 1), [nodeOf(edit['node'])])
  return true
}

/** Into a text, or as a new text into a container. */
function write(performance: Performance, edit: Edit, node: Y.XmlFragment | Y.XmlText): boolean {
  if (node instanceof Y.XmlText) return insertInto(performance, edit, node)
  node.insert(wrapped(edit['at'], node.length + 1), [new Y.XmlText(stringOf(edit['text']))])
  return true
}

/** Characters of a text, or children of a container. */
function remove(performance: Performance, edit: Edit, node: Y.XmlFragment | Y.XmlText): boolean {
  if (node instanceof Y.XmlText) {
    const { from, length } = spanOf(performance, edit, node, edit['length'])
    if (length > 0) node.delete(from, length)
    return length > 0
  }
  if (node.length === 0) return false
  const from = wrapped(edit['at'], node.length)
  const length = counted(edit['length'], node.length - from)
  if (length > 0) node.delete(from, length)
  return length > 0
}

/** Null removes it. */
function setAttribute(edit: Edit, element: Y.XmlElement): boolean {
  const name = stringOf(edit['name'])
  if (name === '' || name === '__proto__') return false
  if (typeof edit['value'] === 'string') element.setAttribute(name, edit['value'].toWellFormed())
  else if (element.getAttribute(name) === undefined) return false
  else element.removeAttribute(name)
  return true
}
