// Which key does what, everywhere but in a field or a dialog. Read by page.ts. Rule: PG-2.

/** One key each; Escape reaches fields too. */
export type Shortcuts = Readonly<Record<string, () => void>>

export function listenForKeys(shortcuts: Shortcuts): void {
  document.addEventListener('keydown', (event) => {
    if (event.defaultPrevented || event.altKey || event.ctrlKey || event.metaKey) return
    if (document.querySelector('dialog[open]') !== null) return
    const target = event.target as Element
    if (target.matches('input, select, textarea') && event.key !== 'Escape') return
    const run = shortcuts[event.key]
    if (run === undefined) return
    event.preventDefault()
    run()
  })
}
