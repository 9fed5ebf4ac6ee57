// The editor: CodeMirror 6 bound to the note's Y.Text, with the other people's cursors, and an undo that takes back only one's own edits.

import { defaultKeymap, indentWithTab } from '@codemirror/commands'
import { markdown } from '@codemirror/lang-markdown'
import { defaultHighlightStyle, HighlightStyle, syntaxHighlighting } from '@codemirror/language'
import { EditorState } from '@codemirror/state'
import { drawSelection, EditorView, highlightSpecialChars, keymap, placeholder } from '@codemirror/view'
import { yCollab, yUndoManagerKeymap } from 'y-codemirror.next'
import type { Awareness } from 'y-protocols/awareness'
import * as Y from 'yjs'

export function showEditor(text: Y.Text, awareness: Awareness, parent: HTMLElement): EditorView {
  const undoManager = new Y.UndoManager(text)
  return new EditorView({
    parent,
    state: EditorState.create({
      doc: text.toString(),
      extensions: [
        // Tab indents; Escape and then Tab leaves the editor, which is CodeMirror's way for keyboard users.
        keymap.of([...yUndoManagerKeymap, ...defaultKeymap, indentWithTab]),
        yCollab(text, awareness, { undoManager }),
        markdown(),
        syntaxHighlighting(markup),
        drawSelection(),
        highlightSpecialChars(),
        EditorView.lineWrapping,
        EditorView.contentAttributes.of({ 'aria-label': 'Text of the note' }),
        placeholder('Write here. Open this page in a second window to write together.'),
        look,
      ],
    }),
  })
}

/** CodeMirror's own styles with the page's colours, which follow light and dark. */
const markup = HighlightStyle.define(
  defaultHighlightStyle.specs.map((spec) =>
    spec['color'] === undefined ? { ...spec, textDecoration: 'none' } : { ...spec, color: 'var(--markup)' },
  ),
)

const look = EditorView.theme({
  '&': { color: 'var(--ink)', backgroundColor: 'var(--paper)' },
  '&.cm-focused': { outline: 'none' },
  '.cm-scroller': { fontFamily: 'var(--text)', fontSize: '19px', lineHeight: '1.6' },
  '.cm-content': { width: '100%', maxWidth: '46em', margin: '0 auto', padding: '36px 24px 40vh', caretColor: 'var(--ink)' },
  '.cm-cursor': { borderLeftColor: 'var(--ink)', borderLeftWidth: '2px' },
  '&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground': {
    backgroundColor: 'var(--selection)',
  },
  '.cm-placeholder': { color: 'var(--ink-soft)', fontStyle: 'italic' },
  '.cm-ySelectionInfo': {
    fontFamily: 'var(--sans)',
    fontSize: '12px',
    padding: '1px 6px',
    borderRadius: '4px',
    top: '-1.5em',
    opacity: '1',
  },
})
