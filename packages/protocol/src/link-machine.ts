// The life of one link. Decides which frames make sense when; the engine's link-session.ts acts on it. Rules: IN-1, LK-1 (one link per pair of replicas).
//
// greeting    waiting for the peer's HELLO
// contending  HELLO came from a replica that another live link already speaks for: that older link is being pinged, frames wait
// live        HELLO accepted: channels open, messages flow
// closed      nothing is sent or accepted any more

import type { MachineTable } from './machine.ts'

export type LinkState = 'greeting' | 'contending' | 'live' | 'closed'
export type LinkEvent = 'hello' | 'hello-contended' | 'contest-won' | 'message' | 'ended'

export const linkTable = {
  greeting: { hello: 'live', 'hello-contended': 'contending', 'contest-won': 'bug', message: 'refuse', ended: 'closed' },
  contending: { hello: 'refuse', 'hello-contended': 'bug', 'contest-won': 'live', message: 'same', ended: 'closed' },
  live: { hello: 'refuse', 'hello-contended': 'bug', 'contest-won': 'bug', message: 'same', ended: 'closed' },
  closed: { hello: 'same', 'hello-contended': 'bug', 'contest-won': 'same', message: 'same', ended: 'same' },
} as const satisfies MachineTable<LinkState, LinkEvent>
