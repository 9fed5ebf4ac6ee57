// The faults of a link, as treatments of bytes for FaultyProxy: corrupted, cut short, reset in the middle of a frame, late, slow, silent, never read; and of
// whole WebSocket frames: repeated, lost, overtaken. Chance is seeded. The HTTP upgrade passes unharmed, so that it is frames that are hit.

import type { Random } from '@syncline/testing'
import type { Fault, Outlet } from './faulty-proxy.ts'
import { FrameSplitter } from './web-socket-frames.ts'

/** Bytes of each direction that pass unharmed: the upgrade. */
class Upgrade {
  #tail = ''
  #passed = false

  /** How many of these bytes still belong to the upgrade. */
  take(bytes: Buffer): number {
    if (this.#passed) return 0
    const before = this.#tail.length
    const text = this.#tail + bytes.toString('latin1')
    const end = text.indexOf('\r\n\r\n')
    this.#tail = text.slice(-3)
    if (end === -1) return bytes.length
    this.#passed = true
    return end + 4 - before
  }
}

/** A treatment of what follows the upgrade. */
function afterUpgrade(outlet: Outlet, treat: (bytes: Buffer) => void): (bytes: Buffer) => void {
  const upgrade = new Upgrade()
  return (bytes) => {
    const passing = upgrade.take(bytes)
    if (passing > 0) outlet.write(bytes.subarray(0, passing))
    if (passing < bytes.length) treat(bytes.subarray(passing))
  }
}

/** How far it is to the next blow: about `bytes`, at random. */
function distance(random: Random, bytes: number): number {
  return 1 + random.below(2 * bytes)
}

/** Changes one byte in about `everyBytes`. `onHit` counts them. */
export function corrupting(random: Random, everyBytes: number, onHit: () => void): Fault {
  return (outlet) => {
    let next = distance(random, everyBytes)
    return afterUpgrade(outlet, (bytes) => {
      const harmed = Buffer.from(bytes)
      let at = next - 1
      for (; at < harmed.length; at += distance(random, everyBytes)) {
        harmed[at]! ^= 1 << random.below(8)
        onHit()
      }
      next = at - harmed.length + 1
      outlet.write(harmed)
    })
  }
}

/** After about `afterBytes` of a direction, in the middle of whatever is passing: the rest is lost, and both sides get FIN or RST. */
export function cutting(random: Random, afterBytes: number, onHit: (how: 'fin' | 'rst') => void): Fault {
  return (outlet) => {
    let left = distance(random, afterBytes)
    return afterUpgrade(outlet, (bytes) => {
      if (left <= 0) return
      left -= bytes.length
      if (left > 0) return outlet.write(bytes)
      outlet.write(bytes.subarray(0, bytes.length + left - 1))
      const how = random.chance(0.5) ? 'fin' : 'rst'
      onHit(how)
      // Not at once: what was written before should arrive, so that the frame is seen to end early.
      outlet.after(5, () => (how === 'fin' ? outlet.finish() : outlet.reset()))
    })
  }
}

/** What passes later, in order: timers alone may overtake each other. */
class Later {
  readonly #outlet: Outlet
  readonly #waiting: { readonly atMs: number; readonly bytes: Buffer }[] = []
  #due = false

  constructor(outlet: Outlet) {
    this.#outlet = outlet
  }

  write(bytes: Buffer, atMs: number): void {
    this.#waiting.push({ atMs, bytes })
    this.#wait()
  }

  #wait(): void {
    const first = this.#waiting[0]
    if (this.#due || first === undefined) return
    this.#due = true
    this.#outlet.after(Math.max(1, first.atMs - this.#outlet.now()), () => {
      this.#due = false
      while (this.#waiting.length > 0 && this.#waiting[0]!.atMs <= this.#outlet.now()) this.#outlet.write(this.#waiting.shift()!.bytes)
      this.#wait()
    })
  }
}

/** Everything arrives `ms` late, give or take `jitterMs`, in order. */
export function late(random: Random, ms: number, jitterMs: number): Fault {
  return (outlet) => {
    const later = new Later(outlet)
    let lastAt = 0
    return (bytes) => {
      lastAt = Math.max(lastAt, outlet.now() + ms - jitterMs + random.below(2 * jitterMs + 1))
      later.write(bytes, lastAt)
    }
  }
}

/** A line of so many bytes a second: what is sent faster waits. */
export function narrow(bytesPerSecond: number): Fault {
  return (outlet) => {
    const later = new Later(outlet)
    let freeAt = 0
    return (bytes) => {
      freeAt = Math.max(freeAt, outlet.now()) + (bytes.length * 1000) / bytesPerSecond
      later.write(bytes, freeAt)
    }
  }
}

/** Both sides stay connected and hear nothing any more, from the moment that `silent` says so. */
export function halfOpen(silent: () => boolean): Fault {
  return (outlet) => (bytes) => {
    if (!silent()) outlet.write(bytes)
  }
}

/** From the moment that `stalled` says so, what the far side sends is not read any more: its buffers fill. */
export function neverRead(stalled: () => boolean): Fault {
  return (outlet) => (bytes) => {
    outlet.write(bytes)
    if (outlet.way === 'down' && stalled()) outlet.stall()
  }
}

export type FrameFault = 'repeated' | 'lost' | 'overtaken'

/** Whole WebSocket frames of data: one in `oneIn` is sent twice, not at all, or after the next one. */
export function shuffling(random: Random, oneIn: number, onHit: (what: FrameFault) => void): Fault {
  return (outlet) => {
    const splitter = new FrameSplitter()
    let overtaken: Buffer | null = null
    return afterUpgrade(outlet, (bytes) => {
      for (const frame of splitter.push(bytes)) {
        const hit = frame.isData && overtaken === null && random.below(oneIn) === 0
        const what = hit ? random.pick<FrameFault>(['repeated', 'lost', 'overtaken']) : null
        if (what !== null) onHit(what)
        if (what === 'overtaken') {
          overtaken = frame.bytes
          continue
        }
        if (what !== 'lost') outlet.write(frame.bytes)
        if (what === 'repeated') outlet.write(frame.bytes)
        if (overtaken !== null) outlet.write(overtaken)
        overtaken = null
      }
    })
  }
}

/** Passes everything, and keeps what one side sent: to be sent again by somebody else. */
export function recording(record: (way: 'up' | 'down', bytes: Buffer) => void): Fault {
  return (outlet) => (bytes) => {
    record(outlet.way, bytes)
    outlet.write(bytes)
  }
}
