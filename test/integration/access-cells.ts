// A cell of the access matrix as a program: somebody with certain rights does one thing at one door, and what came of it is told in a few words. What is told is looked at
// from both sides: what the connection heard, and what the replica holds or others saw. Read by access-matrix.test.ts and the files of the doors.

import * as Y from 'yjs'
import { parseDocId, docKeyOf, DEFAULT_SPACE, type DocKey } from '@syncline/protocol'
import * as codec from '../../packages/relay/src/y-websocket-codec.ts'
import { BareClient, freshUpdate } from './room-client.ts'
import { tokenFor, type GuardedRelay, type Roles } from './guarded-relay.ts'

const on = (actions: readonly string[], doc = 'm/**'): readonly object[] => [{ allow: actions, space: 'default', doc }]

/** Who comes, by column of the matrix, and the rights of those that have any. */
export const identities = {
  'no token': null,
  'expired token': on(['read', 'write', 'create', 'presence']),
  'no right': [],
  read: on(['read']),
  'read, presence': on(['read', 'presence']),
  'read, write': on(['read', 'write']),
  'read, write, create': on(['read', 'write', 'create']),
  'write, create': on(['write', 'create']),
  presence: on(['presence']),
  'create, delete': on(['create', 'delete']),
  'read, delete': on(['read', 'delete']),
  admin: on(['admin'], '*'),
} as const satisfies Record<string, readonly object[] | null>

export type Column = keyof typeof identities

export const columns: readonly Column[] = Object.keys(identities) as Column[]

export const matrixRoles: Roles = {
  ...Object.fromEntries(columns.filter((column) => column !== 'no token').map((column) => [column, identities[column]])),
  witness: on(['read', 'write', 'create', 'presence']),
}

export async function tokenOf(column: Column): Promise<string | null> {
  if (column === 'no token') return null
  return tokenFor(column, { roles: [column], expiresInS: column === 'expired token' ? -60 : 600 })
}

/** Text that is in every document which is there. */
export const CONTENT = 'what stands there'

export interface Cell {
  readonly relay: GuardedRelay
  /** Null: none. */
  readonly token: string | null
  /** A document of this cell alone, with CONTENT. */
  readonly there: string
  /** A name of this cell alone that holds nothing. */
  readonly gone: string
}

/** Does one thing, and tells what came of it. */
export type Driver = (cell: Cell) => Promise<string>

/** Drivers of one door by row of the matrix. */
export type Drivers = Readonly<Record<string, Driver>>

let cells = 0

export async function cellFor(relay: GuardedRelay, column: Column): Promise<Cell> {
  const number = String(++cells).padStart(4, '0')
  const cell = { relay, token: await tokenOf(column), there: `m/there-${number}`, gone: `m/gone--${number}` }
  await relay.seed(cell.there, freshUpdate(CONTENT))
  return cell
}

export const keyOf = (doc: string): DocKey => docKeyOf(DEFAULT_SPACE, parseDocId(doc))

/** What became of a write: `stored`, or the `refusal` that its author heard; in capitals what would contradict it. */
export function writeOutcome(
  { relay }: Cell,
  doc: string,
  words: string,
  heard: { readonly saved: boolean; readonly refusal: string | null },
): string {
  const stored = relay.has(doc) && relay.textOf(doc).includes(words)
  if (heard.saved !== stored) return stored ? 'STORED AND NOT SAID' : 'CALLED SAVED AND NOT STORED'
  if (stored) return heard.refusal === null ? 'stored' : `STORED AND ${heard.refusal}`
  return heard.refusal ?? 'silence'
}

/** True when one of the updates holds CONTENT or `words`. */
export function shows(updates: readonly Uint8Array[], words: string = CONTENT): boolean {
  const doc = new Y.Doc()
  for (const update of updates) Y.applyUpdate(doc, update)
  return doc.getText('body').toString().includes(words)
}

/** An awareness update of one client, with a state that is its own. */
export function announcement(clientId: number, clock = 1): Uint8Array {
  const state = new TextEncoder().encode(`{"user":"client ${clientId}"}`)
  return Uint8Array.of(1, clientId, clock, state.length, ...state)
}

export const announces = (bytes: Uint8Array, clientId: number): boolean => Buffer.from(bytes).includes(`"client ${clientId}"`)

/** Somebody with all rights in a document over y-websocket: sees presence, and is seen. */
export class Witness {
  readonly client: BareClient

  private constructor(client: BareClient) {
    this.client = client
  }

  static async in(relay: GuardedRelay, doc: string): Promise<Witness> {
    const client = new BareClient(`${relay.relay.url}/${doc}?token=${await tokenFor('witness', { roles: ['witness'] })}`)
    await client.opened
    const witness = new Witness(client)
    await witness.caughtUp()
    return witness
  }

  /** Resolves when it has what the relay sent before now. */
  async caughtUp(): Promise<void> {
    const before = this.client.messages.length
    this.client.send(codec.step1Frame(Uint8Array.of(0)))
    await this.client.messageWhere((message) => message.kind === 'step-2' && this.client.messages.indexOf(message) >= before)
  }

  /** Announces its presence; resolves when others were told. */
  async announce(clientId: number): Promise<void> {
    this.client.send(codec.awarenessFrame(announcement(clientId)))
    await this.caughtUp()
  }

  sees(clientId: number): boolean {
    return this.client.messages.some((message) => message.kind === 'awareness' && announces(message.bytes, clientId))
  }

  leave(): void {
    this.client.terminate()
  }
}

/** Runs `work` with a witness in the document. */
export async function witnessed(relay: GuardedRelay, doc: string, work: (witness: Witness) => Promise<string>): Promise<string> {
  const witness = await Witness.in(relay, doc)
  try {
    return await work(witness)
  } finally {
    witness.leave()
  }
}
