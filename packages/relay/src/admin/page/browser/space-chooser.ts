// Which space is in view: a field with the names that the relay told, where it told any; whoever may not see the list knows the name. Read by page.ts. Rules: PG-2, PG-7.

import { element, part } from './elements.ts'

export class SpaceChooser {
  private readonly form = part('space-form')
  private readonly field = part('space') as HTMLInputElement
  private readonly known = part('spaces-known')
  private shown = ''

  /** `onChosen`: the name as it was typed; empty for the default one. */
  constructor(onChosen: (space: string) => void) {
    this.form.addEventListener('submit', (event) => {
      event.preventDefault()
      const chosen = this.field.value.trim()
      this.field.blur()
      onChosen(chosen)
    })
    // A name of the list that is picked by the mouse is an input without a key.
    this.field.addEventListener('input', (event) => {
      if (!(event instanceof InputEvent) || event.inputType === 'insertReplacementText') onChosen(this.field.value.trim())
    })
    this.field.addEventListener('blur', () => (this.field.value = this.shown))
  }

  get hasFocus(): boolean {
    return document.activeElement === this.field
  }

  show(space: string | null, isOffered: boolean): void {
    this.shown = space ?? 'default'
    this.form.hidden = !isOffered
    if (!this.hasFocus) this.field.value = this.shown
  }

  offer(names: readonly string[]): void {
    const [before, now] = [this.known.children.length, names.join('\n')]
    if (before === names.length && this.known.dataset['names'] === now) return
    this.known.dataset['names'] = now
    this.known.replaceChildren(...names.map((name) => element('option', { value: name })))
  }

  focus(): void {
    this.field.focus()
    this.field.select()
  }

  leave(): void {
    this.field.blur()
  }
}
