// What a relay sends to a Hocuspocus provider, read back as words. For tests: the relay itself never reads these.

import * as decoding from 'lib0/decoding'

export interface Answer {
  readonly name: string
  /** E.g. `authenticated read-write`, `step-1`, `status 1`. */
  readonly words: string
  /** Of step 1, step 2, update and awareness. */
  readonly bytes: Uint8Array
}

export function readAnswer(frame: Uint8Array): Answer {
  if (frame.length === 1) return { name: '', words: frame[0] === 10 ? 'pong' : `byte ${frame[0]}`, bytes: frame }
  const decoder = decoding.createDecoder(frame)
  const name = decoding.readVarString(decoder)
  const type = decoding.readVarUint(decoder)
  const answer = (words: string, bytes: Uint8Array = new Uint8Array()): Answer => ({ name, words, bytes })
  switch (type) {
    case 0:
      return answer(['step-1', 'step-2', 'update'][decoding.readVarUint(decoder)]!, decoding.readVarUint8Array(decoder))
    case 1:
      return answer(name === '' ? 'heartbeat' : 'awareness', decoding.readVarUint8Array(decoder))
    case 2: {
      const kind = decoding.readVarUint(decoder)
      return answer(kind === 0 ? 'send-token' : `${['', 'denied', 'authenticated'][kind]} ${decoding.readVarString(decoder)}`)
    }
    case 3:
      return answer('query-awareness')
    case 5:
      return answer(`stateless ${decoding.readVarString(decoder)}`)
    case 7:
      return answer(`close ${decoding.readVarString(decoder)}`)
    case 8:
      return answer(`status ${decoding.readVarUint(decoder)}`)
    default:
      throw new Error(`type ${type} is none that a provider knows`)
  }
}
