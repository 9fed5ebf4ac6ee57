// Runs in a browser page: one editor with its unmodified binding over an unmodified provider. The address says which editor, whose, and where the relay is. Bundled and
// served by editors.test.ts; sets globalThis.editorPage.

import { defaultKeymap } from '@codemirror/commands'
import { EditorState as CodeState } from '@codemirror/state'
import { EditorView as CodeView, keymap as codeKeymap } from '@codemirror/view'
import { HocuspocusProvider } from '@hocuspocus/provider'
import { Editor } from '@tiptap/core'
import { Bold } from '@tiptap/extension-bold'
import { Collaboration } from '@tiptap/extension-collaboration'
import { CollaborationCaret } from '@tiptap/extension-collaboration-caret'
import { Document } from '@tiptap/extension-document'
import { Paragraph } from '@tiptap/extension-paragraph'
import { Text } from '@tiptap/extension-text'
import { yUndoPluginKey as tiptapUndoKey } from '@tiptap/y-tiptap'
import { baseKeymap, toggleMark } from 'prosemirror-commands'
import { keymap } from 'prosemirror-keymap'
import { schema } from 'prosemirror-schema-basic'
import { EditorState } from 'prosemirror-state'
import { EditorView } from 'prosemirror-view'
import Quill from 'quill'
import QuillCursors from 'quill-cursors'
import { yCollab, yUndoManagerKeymap } from 'y-codemirror.next'
import { redo, undo, yCursorPlugin, ySyncPlugin, yUndoPlugin, yUndoPluginKey } from 'y-prosemirror'
import { QuillBinding } from 'y-quill'
import { WebsocketProvider } from 'y-websocket'
import * as Y from 'yjs'

export interface EditorPage {
  /** What the editor itself holds, as JSON. */
  content(): string
  /** The names at the carets of others, one for each caret. */
  carets(): string[]
  /** What is undone next begins here. */
  cutUndo(): void
}

interface User {
  readonly name: string
  readonly color: string
  readonly colorLight: string
}

interface Place {
  readonly element: HTMLElement
  readonly doc: Y.Doc
  readonly relay: string
  readonly user: User
}

const asked = new URLSearchParams(location.search)
const room = `note/${asked.get('editor')!}`

type Awareness = WebsocketProvider['awareness']

const editors: Record<string, (place: Place) => EditorPage> = {
  prosemirror(place) {
    const awareness = roomOf(place)
    const plugins = [
      ySyncPlugin(place.doc.getXmlFragment('prosemirror')),
      yCursorPlugin(awareness),
      yUndoPlugin(),
      keymap({ 'Mod-z': undo, 'Mod-y': redo, 'Mod-b': toggleMark(schema.marks.strong) }),
      keymap(baseKeymap),
    ]
    const view = new EditorView(place.element, { state: EditorState.create({ schema, plugins }) })
    return {
      content: () => JSON.stringify(view.state.doc.toJSON()),
      carets: () => namesAt('.ProseMirror-yjs-cursor'),
      cutUndo: () => yUndoPluginKey.getState(view.state).undoManager.stopCapturing(),
    }
  },

  tiptap({ element, doc, relay, user }) {
    const provider = new HocuspocusProvider({ url: relay, name: room, document: doc })
    const editor = new Editor({
      element,
      extensions: [
        Document,
        Paragraph,
        Text,
        Bold,
        Collaboration.configure({ document: doc }),
        CollaborationCaret.configure({ provider, user: { ...user } }),
      ],
    })
    return {
      content: () => JSON.stringify(editor.getJSON()),
      carets: () => namesAt('.collaboration-carets__label'),
      cutUndo: () => tiptapUndoKey.getState(editor.state)!.undoManager.stopCapturing(),
    }
  },

  quill(place) {
    Quill.register('modules/cursors', QuillCursors)
    const quill = new Quill(place.element, { modules: { cursors: true, history: { userOnly: true } } })
    const binding = new QuillBinding(place.doc.getText('quill'), quill, roomOf(place))
    return {
      content: () => JSON.stringify(binding.quill.getContents().ops),
      carets: () => namesAt('.ql-cursor-name'),
      cutUndo: () => quill.history.cutoff(),
    }
  },

  codemirror(place) {
    const text = place.doc.getText('codemirror')
    const undoManager = new Y.UndoManager(text)
    const extensions = [codeKeymap.of([...yUndoManagerKeymap, ...defaultKeymap]), yCollab(text, roomOf(place), { undoManager })]
    const view = new CodeView({ parent: place.element, state: CodeState.create({ extensions }) })
    return {
      content: () => JSON.stringify(view.state.doc.toString()),
      carets: () => namesAt('.cm-ySelectionInfo'),
      cutUndo: () => undoManager.stopCapturing(),
    }
  },
}

/** Without BroadcastChannel: nothing but the relay may sync. */
function roomOf({ doc, relay, user }: Place): Awareness {
  const provider = new WebsocketProvider(relay, room, doc, { disableBc: true, maxBackoffTime: 200 })
  provider.awareness.setLocalStateField('user', user)
  return provider.awareness
}

function namesAt(selector: string): string[] {
  return [...document.querySelectorAll(selector)].map((element) => element.textContent.replaceAll('\u2060', '').trim())
}

const name = asked.get('user')!
const colors: Record<string, string> = { Ada: '#3366cc', Ben: '#cc6633', Cas: '#339966' }
const editorPage = editors[asked.get('editor')!]!({
  element: document.querySelector('#editor')!,
  doc: new Y.Doc(),
  relay: asked.get('relay')!,
  // CodeMirror's binding takes two carets of one color for the same.
  user: { name, color: colors[name]!, colorLight: `${colors[name]!}33` },
})
Object.assign(globalThis, { editorPage })
