// Every frame at the edge of a replica goes by here, as by a packet sniffer: to the observer, to the oracles, and into the recording. Read by world.ts.

import type { FrameObserver } from '../oracles/frames.ts'
import type { Oracles } from '../oracles/oracles.ts'
import type { RecordedMessage } from '../timeline/recording.ts'
import { describeFrame } from './describe-frame.ts'
import type { Traffic } from './network.ts'
import type { World } from './world.ts'

const IDLE = /^(?:ping|pong|advance|verify|verified)\([^)]*\)(?:, (?:ping|pong|advance|verify|verified)\([^)]*\))*$/

export function watchTraffic(world: World, frames: FrameObserver, oracles: Oracles): Traffic {
  const underWay = new WeakMap<Uint8Array, RecordedMessage>()
  return {
    sent(port, bytes) {
      oracles.sent(port, bytes, frames.sends(port, bytes))
      const { recorder } = world.trace
      if (recorder === null) return
      const text = describeFrame(bytes)
      const idle = IDLE.test(text)
      const [from, to] = [port.owner.name, port.peer.owner.name]
      underWay.set(bytes, recorder.message({ from, to, sentMs: world.nowMs, arrivedMs: null, fate: '', text, idle }))
    },
    delivered(port, bytes) {
      frames.delivered(port, bytes)
      const message = underWay.get(bytes)
      if (message !== undefined) message.arrivedMs = world.nowMs
    },
    suffers(_port, bytes, fate) {
      const message = underWay.get(bytes)
      if (message !== undefined && message.arrivedMs === null) message.fate = fate
    },
  }
}
