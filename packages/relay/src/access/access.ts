// What a door asks before it lets anybody do anything, and what it gets: credentials in, a live pass out. Nothing is decided here. Implemented by doorman.ts
// (authentication and policy) and open-doorman.ts (a relay without authentication); asked by every door, for every message. Rules: AC-1 to AC-8, AD-1 to AD-4, AU-1.

import type { DocId, Scope, SpaceId, SynclineError } from '@syncline/protocol'

/** What an identity may do to a document. 'create': the first write to a name; 'presence': be seen in it; 'admin': the admin port and its API. */
export type Action = 'read' | 'write' | 'create' | 'delete' | 'presence' | 'admin'

export const ACTIONS: readonly Action[] = ['read', 'write', 'create', 'delete', 'presence', 'admin']

export type DoorName = 'native' | 'y-websocket' | 'hocuspocus' | 'y-sweet' | 'http'

/** What a connection brought to show who it is. Never logged. */
export interface Credentials {
  /** As the client sent it; null: none. */
  readonly token: string | null
  readonly door: DoorName
  readonly space: SpaceId
  /** Address of the client: behind a trusted proxy, the forwarded one. */
  readonly address: string
}

/** Values of claims: what JSON can say. */
export type Claim = string | number | boolean | null | readonly Claim[] | { readonly [name: string]: Claim }

/** Who a connection speaks for. */
export interface Identity {
  /** Null: anonymous. Two connections of one subject are one person. */
  readonly subject: string | null
  /** As the token says; the policy may assign more. */
  readonly roles: readonly string[]
  readonly claims: Readonly<Record<string, Claim>>
  /** When it ends by itself, in ms since 1970; null: never. */
  readonly expiresAtMs: number | null
}

/** What one connection may do, now: the answer follows the policy and the clock while the connection lives. */
export interface Pass {
  readonly identity: Identity
  /** Whom limits count for where nobody is known by name; left out: nobody. */
  readonly account?: string
  /** Total and cheap: asked for every message. False for everything once the pass has ended. */
  may(action: Action, doc: DocId): boolean
  /** Whether there may be a document of the space to which this may be done; false only when there is none. For a link that names no document yet. */
  reaches(action: Action): boolean
  /** True: may() says yes to this for every document of the scope, also such as do not exist yet, until onChange is called. Left out: never known. */
  mayAll?(action: Action, scope: Scope): boolean
  /** Why it allows nothing any more ("auth-expired", "auth-revoked"); null while it is good. */
  readonly ended: SynclineError | null
  /** Takes a newer token of the same subject in place of the old. Rejects with what Doorman.admit rejects with; the old one stays good then. */
  renew(token: string): Promise<void>
  /** Called, in a later turn, when answers of may() may have changed or the pass ended. Returns the way to stop. */
  onChange(listener: () => void): () => void
  /** The connection is gone. Idempotent. */
  drop(): void
}

export interface Doorman {
  /** False: whoever reaches the port is let in, so the relay keeps to this machine. */
  readonly authenticates: boolean
  /** Rejects with "auth-required" (no token where one is needed), "auth-invalid", "auth-expired" or "auth-unavailable" (the one who knows does not answer: come
   *  back later). Says nothing about documents. */
  admit(credentials: Credentials): Promise<Pass>
}

/** Whom what comes with a pass counts for: the subject, or what stands for it. Null: nobody in particular. */
export function accountOf({ identity, account }: Pass): string | null {
  return identity.subject ?? account ?? null
}
