// Catalogue 87, the one lie that a relay acts on: a cursor beyond the head of its own epoch means that it lost a tail which the peer has. It starts a new epoch, and all
// native links begin again. In a relay of its own, for the links of others end by it.

import { expect, test } from 'vitest'
import { createRelay } from '@syncline/relay'
import { temporaryFolder } from '../integration/relay-process.ts'
import { BareClient, freshUpdate } from '../integration/room-client.ts'
import * as codec from '../../packages/relay/src/y-websocket-codec.ts'
import { linkEnding } from './answers.ts'
import { NativePeer } from './native-peer.ts'

test('[IN-1] 87 a cursor ahead of the head over the native link: links begin again under a new epoch, rooms go on, nothing is lost', async () => {
  const folder = temporaryFolder()
  const relay = await createRelay({ data: folder.path, port: 0, durability: 'process' })
  try {
    const room = new BareClient(`${relay.url}/note`)
    await room.opened
    const observer = await NativePeer.live(relay.port)
    const { nonce } = await observer.messageWhere('hello')
    const liar = await NativePeer.silent(relay.port)
    liar.say(liar.hello(), liar.open(0, '*', { nonce, seq: 2 ** 40 }))
    expect(await linkEnding(liar)).toBe('ERROR shutting-down, closed 1012 shutting-down')
    expect(await linkEnding(observer)).toBe('ERROR shutting-down, closed 1012 shutting-down')
    const update = freshUpdate('still here')
    room.send(codec.updateFrame(update))
    await room.echoOf(update)
    const again = await NativePeer.live(relay.port)
    // The same process, at a new epoch.
    expect((await again.messageWhere('hello')).nonce).toBe(nonce)
    again.say(again.open(0, '*', null))
    expect((await again.messageWhere('start')).nonce).not.toBe(nonce)
    expect((await again.messageWhere('open')).documents).toBe(1)
    again.socket.destroy()
    room.terminate()
  } finally {
    await relay.close()
    folder.remove()
  }
})
