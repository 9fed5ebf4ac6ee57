// State machines as tables that the compiler completes. A cell is the next state, 'same', 'refuse' (the other side broke the protocol)
// or 'bug' (we did). Read by link-machine.ts and channel-machine.ts; a test walks every cell.

export type Cell<State extends string> = State | 'same' | 'refuse' | 'bug'
export type MachineTable<State extends string, Event extends string> = { readonly [S in State]: { readonly [E in Event]: Cell<State> } }

/** The next state, or 'refuse' when the event is the other side's fault. Throws on a 'bug' cell: our own fault stops here. */
export function step<State extends string, Event extends string>(
  table: MachineTable<State, Event>,
  state: State,
  event: Event,
): State | 'refuse' {
  const cell: Cell<State> = table[state][event]
  if (cell === 'bug') throw new Error(`impossible: ${event} in state ${state}`)
  return cell === 'same' ? state : cell
}
