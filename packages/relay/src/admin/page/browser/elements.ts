// How the page makes its elements: attributes and text, never markup. What comes from the relay gets in as text and as nothing else. Read by every part of
// browser/ that shows something. Rule: PG-3.

import { hrefOf, placeOf } from './place.ts'

export type Child = Node | string

/** The element of the document with this id: part of the page as served. */
export function part(id: string): HTMLElement {
  return document.getElementById(id)!
}

export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Readonly<Record<string, string>> = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value)
  made.append(...children)
  return made
}

/** Of an SVG drawing. */
export function shape<K extends keyof SVGElementTagNameMap>(
  tag: K,
  attributes: Readonly<Record<string, string | number>> = {},
  text = '',
): SVGElementTagNameMap[K] {
  const made = document.createElementNS('http://www.w3.org/2000/svg', tag)
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value))
  if (text !== '') made.textContent = text
  return made
}

/** Touches the document only when it differs, so that selections stay. */
export function setText(node: Node, text: string): void {
  if (node.textContent !== text) node.textContent = text
}

/** Where the inspector shows a document of this space (null: the default one); without one, of that in view. */
export function documentHref(name: string, space: string | null = placeOf(location.hash).space): string {
  return hrefOf({ space, view: 'documents', name })
}
