// The page: one note, named in the address after "#", shared by everybody who opens the same address. Parts: editor.ts, people.ts, sync-state.ts.

import { WebsocketProvider } from 'y-websocket'
import * as Y from 'yjs'
import { showEditor } from './editor.ts'
import { showPeople } from './people.ts'
import { connectionWords, savedWords, watchSync, type SyncState } from './sync-state.ts'

const relayUrl = document.querySelector<HTMLMetaElement>('meta[name=relay]')!.content
const noteName = decodeURIComponent(location.hash.slice(1)) || 'welcome'
const doc = new Y.Doc()
const text = doc.getText('body')
// y-websocket pastes the room name into a URL. The URL parser encodes what must be; these three would mean something else there.
const room = `note/${noteName.replaceAll(/[%?#]/g, encodeURIComponent)}`
const provider = new WebsocketProvider(relayUrl, room, doc)

const editor = showEditor(text, provider.awareness, document.querySelector('#editor')!)
showPeople(provider.awareness)
showName()
let latest: SyncState | undefined
watchSync(provider, doc, (state) => {
  latest = state
  const connection = document.querySelector<HTMLElement>('#connection')!
  connection.dataset['state'] = state.connection
  write(connection.querySelector('.text')!, connectionWords(state))
  const saved = document.querySelector<HTMLElement>('#saved')!
  saved.dataset['unsent'] = String(state.unsent > 0)
  write(saved, savedWords(state))
})
const showSize = (): void => write(document.querySelector('#size')!, `${text.length.toLocaleString('en')} characters`)
text.observe(showSize)
showSize()
editor.focus()

addEventListener('beforeunload', (event) => {
  if ((latest?.unsent ?? 0) > 0) event.preventDefault()
})
// Another note is another page: a reload leaves nothing of the old one behind.
addEventListener('hashchange', () => location.reload())

function showName(): void {
  document.title = `${noteName} · Notes`
  const field = document.querySelector<HTMLInputElement>('#note-name')!
  field.value = noteName
  const known = new Set<string>([noteName, ...(JSON.parse(localStorage.getItem('notes') ?? '[]') as string[])])
  localStorage.setItem('notes', JSON.stringify([...known].slice(0, 30)))
  document
    .querySelector('#note-names')!
    .append(...[...known].map((name) => Object.assign(document.createElement('option'), { value: name })))
  document.querySelector('#open-note')!.addEventListener('submit', (event) => {
    event.preventDefault()
    const wanted = field.value.trim()
    // "." and ".." are steps in a URL, not names.
    if (!/^\.{0,2}$/.test(wanted)) location.hash = encodeURIComponent(wanted)
  })
}

/** Writes only what changed, so that a screen reader does not say it again. */
function write(element: Element, words: string): void {
  if (element.textContent !== words) element.textContent = words
}
