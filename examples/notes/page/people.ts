// Who is in the note: this window's name and colour, and the list of everybody present. Reads and writes the awareness of the provider.

import type { Awareness } from 'y-protocols/awareness'

const NAMES = ['Ada', 'Alan', 'Barbara', 'Edsger', 'Frances', 'Grace', 'Katherine', 'Ken', 'Margaret', 'Radia']
// Each reads on white and on near-black.
const COLOURS = ['#0b8494', '#c2570c', '#7c5cd6', '#3c8c2f', '#c93a78', '#8a7400', '#3b76d4', '#b3483f']

export function showPeople(awareness: Awareness): void {
  const list = document.querySelector<HTMLUListElement>('#people')!
  const nameField = document.querySelector<HTMLInputElement>('#my-name')!
  const user = rememberedUser()
  nameField.value = user.name
  document.querySelector<HTMLElement>('#my-colour')!.style.setProperty('--colour', user.color)
  awareness.setLocalStateField('user', user)
  nameField.addEventListener('input', () => {
    user.name = nameField.value.trim() || 'Guest'
    sessionStorage.setItem('user', JSON.stringify(user))
    // y-codemirror draws a caret with its name once. Without the caret, which is not in the text now, the next one is drawn with the new name.
    awareness.setLocalState({ user: { ...user }, cursor: null })
  })
  awareness.on('change', () => {
    const others = [...awareness.getStates()].filter(([clientId]) => clientId !== awareness.clientID)
    list.replaceChildren(...others.map(([, state]) => person(state['user'])))
  })
}

function person(user: unknown): HTMLLIElement {
  const { name, color } = { name: 'Guest', color: '', ...(user as Partial<User> | undefined) }
  const item = document.createElement('li')
  const dot = document.createElement('span')
  dot.className = 'dot'
  dot.ariaHidden = 'true'
  // Colours come from other people's browsers: only a plain hex colour is used.
  if (/^#[0-9a-f]{6}$/i.test(color)) dot.style.setProperty('--colour', color)
  item.append(dot, String(name).slice(0, 40))
  return item
}

interface User {
  name: string
  color: string
  colorLight: string
}

/** Kept for this window only, so that two windows of one browser are two people. */
function rememberedUser(): User {
  const stored = sessionStorage.getItem('user')
  if (stored !== null) return JSON.parse(stored) as User
  const color = pick(COLOURS)
  const user = { name: pick(NAMES), color, colorLight: `${color}40` }
  sessionStorage.setItem('user', JSON.stringify(user))
  return user
}

function pick(from: readonly string[]): string {
  return from[crypto.getRandomValues(new Uint32Array(1))[0]! % from.length]!
}
