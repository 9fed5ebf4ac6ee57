// The catalogue of bad inputs by number (1 to 108), and how a row of it is written: where it goes in, what is sent, and the one answer that is right.
// catalogue.test.ts proves that every number has a row: a case here, a test elsewhere, or the reason why it waits.

import type { RelayUnderAttack } from './relay-under-attack.ts'

export const CATALOGUE_MAX = 108

/** http: bytes before the upgrade. native: a syncline.1 link. room: a y-websocket connection. hocuspocus, y-sweet: connections of theirs, and the requests of y-sweet.
 *  json: the HTTP API. admin: whatever else comes to the admin port. api: a program that uses the client. */
export type Door = 'http' | 'native' | 'room' | 'hocuspocus' | 'y-sweet' | 'json' | 'admin' | 'api'

export const doorNames: Readonly<Record<Door, string>> = {
  http: 'over HTTP',
  native: 'over the native link',
  room: 'over the y-websocket door',
  hocuspocus: 'over the Hocuspocus door',
  'y-sweet': 'over the y-sweet door',
  json: 'over the HTTP API',
  admin: 'at the admin port',
  api: 'through the client',
}

/** A case as a program over a socket. */
export interface AttackCase {
  readonly number: number
  readonly door: Door
  /** What is sent. */
  readonly what: string
  /** Sends it, and tells the answer in the words of answers.ts. `doc` is a document of this case alone, with an observer in it. */
  readonly attack: (scene: RelayUnderAttack, doc: string) => Promise<string>
  readonly answer: string
  /** What it may leave behind in `doc`; default nothing at all. */
  readonly leaves?: {
    readonly updates?: number
    readonly held?: number
    readonly presence?: number
    readonly documents?: readonly string[]
  }
  /** Takes seconds by itself: started together with the others of its kind. */
  readonly slow?: boolean
}

/** Proved by a test that is about more than this case. */
export interface ElsewhereCase {
  readonly number: number
  readonly file: string
  readonly title: string
  readonly answer: string
}

/** Concerns what does not exist yet. */
export interface LaterCase {
  readonly number: number
  readonly later: string
}
