// Asks for a token when the relay wants one; it is kept for this tab and forgotten with it. Read by page.ts. Rule: PG-5.

import { part, setText } from './elements.ts'

export class TokenDialog {
  private readonly dialog = part('token-dialog') as HTMLDialogElement
  private readonly field = part('token') as HTMLInputElement
  private readonly trouble = part('token-trouble')

  constructor(onToken: (token: string) => void) {
    part('token-form').addEventListener('submit', (event) => {
      event.preventDefault()
      const token = this.field.value.trim()
      if (token === '') return
      this.field.value = ''
      this.dialog.close()
      onToken(token)
    })
  }

  /** `why`: of a token that was not taken; empty: none was sent. */
  ask(why: string): void {
    setText(this.trouble, why)
    if (!this.dialog.open) this.dialog.showModal()
    this.field.focus()
  }

  close(): void {
    this.dialog.close()
  }
}
