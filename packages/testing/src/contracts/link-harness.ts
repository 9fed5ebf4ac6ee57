// What the link contract needs of a transport under test. Written by the adapter's author; used by the link rules.

import type { ErrorCode } from '@syncline/protocol'
import type { Clock, Replica } from '@syncline/replica'

/** The two ends of a link: who opened the connection, and who took it. */
export type LinkSide = 'dialler' | 'listener'

/** One transport, with both of its ends in this process. */
export interface LinkHarness {
  /** Real time, as the transport needs it. Replicas that the rules make run by it, and rules that wait give up by it. */
  readonly clock: Clock
  /** How long a rule waits for what must come. Default 10 s, enough for any network of one machine. */
  readonly waitMs?: number
  /** Connects the two replicas once, by the code that users of the adapter call: it ends in one `attachLink` on either side. Resolves when that is under way;
   *  the rules wait for the ends. The adapter must not connect again by itself within 30 s after the connection ended. */
  connect(dialler: Replica, listener: Replica): Promise<LinkConnection>
  /** What the transport still holds open in this process, one line each: sockets, servers, workers. Asked when every connection is closed. */
  leftOpen(): readonly string[]
  /** Ends whatever a rule that failed left behind. */
  dispose(): Promise<void>
}

/** One connection, and the network under it. */
export interface LinkConnection {
  /** The network between the ends breaks now, without a goodbye; both ends can notice (a half-open connection is the engine's affair: it pings). */
  cut(): void
  /** The network carries nothing more towards `side`, or (false) goes on where it stopped. Leave it out where only the port's pause() can do that. */
  hold?(side: LinkSide, held: boolean): void
  /** Which code the adapter gives its user on `side` for the end of the link, when the other side closed it. Undefined: `side` tells none. */
  endCode?(side: LinkSide): ErrorCode | null | undefined
  /** Ends the connection and everything that was opened for it. Resolves when it is gone. */
  close(): Promise<void>
}
