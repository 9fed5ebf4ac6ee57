// Where the page is, as its address says it after the #: #/relay, #/documents, #/document=NAME and #/spaces, with #/space=SPACE/ before them for another space than the default
// one. Pure; the only place that knows this form. Read by page.ts and by whatever links to a place. Rules: PG-2, PG-7.

export interface Place {
  /** Null: the default one. */
  readonly space: string | null
  readonly view: 'relay' | 'documents' | 'spaces'
  /** The document that the inspector shows. */
  readonly name: string | null
}

/** What makes no sense leads to the first view. */
export function placeOf(hash: string): Place {
  const [, named, rest = ''] = /^#\/(?:space=([^/]*)\/)?(.*)$/s.exec(hash) ?? []
  const space = named === undefined ? null : decoded(named)
  const at = { space: space === '' || space === 'default' ? null : space, name: null }
  if (rest.startsWith('document=')) return { ...at, view: 'documents', name: decoded(rest.slice('document='.length)) }
  if (rest === 'documents') return { ...at, view: 'documents' }
  // Of the relay, whatever space was in view.
  if (rest === 'spaces') return { ...at, view: 'spaces' }
  return { ...at, view: 'relay' }
}

/** (No element has such an id: the browser would take the focus there.) */
export function hrefOf({ space, view, name }: Place): string {
  const base = space === null ? '#/' : `#/space=${encodeURIComponent(space.toWellFormed())}/`
  return view === 'documents' && name !== null ? `${base}document=${encodeURIComponent(name.toWellFormed())}` : `${base}${view}`
}

/** Null for what is no percent-encoded text. */
function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text)
  } catch {
    return null
  }
}
