// A Hocuspocus client made of frames: what it says is up to the test, what it hears is kept as words. Frames go over a RawSocket, so that a test may also break the
// rules of WebSocket. Read by the access and bad-input tests.

import * as encoding from 'lib0/encoding'
import { readAnswer, type Answer } from '../../packages/relay/test/hocuspocus-answers.ts'
import { OPCODE, RawSocket, type Ended } from '../bad-input/raw-socket.ts'

export const TYPE = { sync: 0, awareness: 1, auth: 2, queryAwareness: 3, stateless: 5, broadcastStateless: 6, close: 7 } as const

export type Field = number | string | Uint8Array

/** A name, then numbers, texts and bytes, each with its length. */
export function frame(name: string, ...fields: readonly Field[]): Uint8Array {
  return encoding.encode((encoder) => {
    encoding.writeVarString(encoder, name)
    for (const field of fields) {
      if (typeof field === 'number') encoding.writeVarUint(encoder, field)
      else if (typeof field === 'string') encoding.writeVarString(encoder, field)
      else encoding.writeVarUint8Array(encoder, field)
    }
  })
}

export const frames = {
  auth: (name: string, token: string): Uint8Array => frame(name, TYPE.auth, 0, token),
  step1: (name: string, stateVector: Uint8Array): Uint8Array => frame(name, TYPE.sync, 0, stateVector),
  step2: (name: string, update: Uint8Array): Uint8Array => frame(name, TYPE.sync, 1, update),
  update: (name: string, update: Uint8Array): Uint8Array => frame(name, TYPE.sync, 2, update),
  awareness: (name: string, bytes: Uint8Array): Uint8Array => frame(name, TYPE.awareness, bytes),
  queryAwareness: (name: string): Uint8Array => frame(name, TYPE.queryAwareness),
  stateless: (name: string, payload: string): Uint8Array => frame(name, TYPE.stateless, payload),
  broadcastStateless: (name: string, payload: string): Uint8Array => frame(name, TYPE.broadcastStateless, payload),
  close: (name: string): Uint8Array => frame(name, TYPE.close),
  ping: Uint8Array.of(9),
}

export class HocuspocusPeer {
  readonly socket: RawSocket
  readonly answers: Answer[] = []
  readonly ended: Promise<Ended>
  /** Called with each answer as it arrives, pongs excepted. */
  onAnswer: (answer: Answer) => void = () => undefined
  #end: Ended | null = null
  #pongs = 0
  readonly #waiting = new Set<() => void>()

  private constructor(socket: RawSocket) {
    this.socket = socket
    socket.onBinary = (payload) => {
      const answer = readAnswer(payload)
      if (answer.words === 'pong') {
        this.#pongs++
      } else {
        this.answers.push(answer)
        this.onAnswer(answer)
      }
      for (const check of this.#waiting) check()
    }
    this.ended = socket.ended.then((end) => {
      this.#end = end
      for (const check of this.#waiting) check()
      return end
    })
  }

  static async connected(port: number): Promise<HocuspocusPeer> {
    return new HocuspocusPeer(await RawSocket.upgraded(port, '/'))
  }

  /** Connected, and its document answered to the token: open or denied. */
  static async authenticated(port: number, name: string, token: string): Promise<HocuspocusPeer> {
    const peer = await HocuspocusPeer.connected(port)
    peer.say(frames.auth(name, token))
    await peer.until(() => peer.verdictOf(name) !== null)
    return peer
  }

  /** `authenticated read-write`, `denied ...`; null while there is none. The newest one counts. */
  verdictOf(name: string): string | null {
    return this.answers.findLast((answer) => answer.name === name && /^(denied|authenticated) /.test(answer.words))?.words ?? null
  }

  heard(name: string, words: string): Answer[] {
    return this.answers.filter((answer) => answer.name === name && answer.words === words)
  }

  say(...messages: readonly Uint8Array[]): void {
    for (const message of messages) this.socket.binary(message)
  }

  /** Resolves when `holds`, looked at after each frame. Rejects when the connection ends before. */
  until(holds: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const check = (): void => {
        const held = holds()
        if (!held && this.#end === null) return
        this.#waiting.delete(check)
        if (held) resolve()
        else reject(new Error(`the connection ended with ${this.#end!.code} ${this.#end!.reason}`))
      }
      this.#waiting.add(check)
      check()
    })
  }

  /** Resolves when the relay has taken everything said so far: it answers a ping, and takes messages in order. */
  async handled(): Promise<void> {
    const wanted = this.#pongs + 1
    this.say(frames.ping)
    await this.until(() => this.#pongs >= wanted)
  }

  /** The same between the fragments of a message: a ping of WebSocket. */
  handledBetween(): Promise<void> {
    return new Promise((resolve) => {
      this.socket.onPong = () => resolve()
      this.socket.frame(OPCODE.ping)
    })
  }

  destroy(): void {
    this.socket.destroy()
  }
}
