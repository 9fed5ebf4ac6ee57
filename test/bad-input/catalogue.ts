// The catalogue of bad inputs by number (1 to 108), and how a row of it is written: where it goes in, what is sent, and the one answer that is right.
// catalogue.test.ts proves that every number has a row: a case here, a test elsewhere, or the reason why it waits.

import type { RelayUnderAttack } from './relay-under-attack.ts'

export const CATALOGUE_MAX = 108

/** http: bytes before the upgrade. native: a syncline.1 link. room: a y-websocket connection. api: a program that uses the client. */
export type Door = 'http' | 'native' | 'room' | 'api'

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
