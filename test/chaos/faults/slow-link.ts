// C13, C15: links that are late and irregular, narrow, or dead without a word. Rules: CV-2, DU-1.

import { FaultyProxy, harmless } from '../faulty-proxy.ts'
import { halfOpen, late, narrow } from '../link-faults.ts'
import { verdict, type Scenario } from '../scenario.ts'
import { percentile, Typist } from '../typist.ts'
import { meetHarmedLink } from './harmed-link.ts'

const LATE = { ms: 300, jitterMs: 200 }
/** 56 kbit a second. */
const NARROW_BYTES = 7_000
const FOR_MS = 8_000

export const lateLink: Scenario = {
  id: 'late-link',
  fault: 'a link is late and irregular',
  how: `a proxy delays every byte by ${LATE.ms} ms, give or take ${LATE.jitterMs}, both ways, for ${FOR_MS / 1000} s`,
  expected: 'no link is cut after the upgrade; edits go on being acknowledged; all are equal within 60 s of the end',
  deadlineMs: 150_000,
  async run(scene) {
    let acksOfFar: number[] = []
    const { problems, acked, equalMs, ends, endCodes } = await meetHarmedLink(scene, {
      fault: late(scene.random, LATE.ms, LATE.jitterMs),
      forMs: FOR_MS,
      async during({ typists }) {
        const far = typists[1]!
        await scene.lasting(3_000)
        const before = far.acked.length
        await scene.until('the client behind the late link writes', () => far.acked.length >= before + 12, 20_000)
        acksOfFar = far.acked.slice(before).map(({ tookMs }) => tookMs)
      },
    })
    // The reset that put the fault in place, and the one that ended it, are the proxy's.
    const cut = [...endCodes.keys()].filter((code) => code !== 'lost').map((code) => `a link was cut with ${code}`)
    const median = Math.round(percentile(acksOfFar, 50))
    return verdict(
      `acks through it take ${median} ms (median); links ended: ${ends}; ${acked} acked, 0 lost; equal ${Math.round(equalMs)} ms after`,
      [...problems, ...cut],
    )
  },
}

export const narrowLink: Scenario = {
  id: 'narrow-link',
  fault: 'a link carries 56 kbit a second while more is written',
  how: `a proxy passes ${NARROW_BYTES} bytes a second each way, for ${FOR_MS / 1000} s, between two relays and for one client that write about ten times as much`,
  expected: 'nothing is lost or wrong; other clients are acknowledged as before; all are equal within 60 s of the end',
  deadlineMs: 150_000,
  async run(scene) {
    let before = 0
    let during = 0
    const { problems, acked, equalMs, ends } = await meetHarmedLink(scene, {
      fault: narrow(NARROW_BYTES),
      forMs: FOR_MS,
      async during({ typists }) {
        const [near] = typists
        before = percentile(
          near!.acked.map(({ tookMs }) => tookMs),
          99,
        )
        const from = near!.acked.length
        await scene.lasting(3_000)
        during = percentile(
          near!.acked.slice(from).map(({ tookMs }) => tookMs),
          99,
        )
      },
    })
    const slow = during > Math.max(500, 5 * before) ? [`others wait ${Math.round(during)} ms for their acks`] : []
    return verdict(
      `ack p99 of a client at the same relay ${Math.round(before)} ms before, ${Math.round(during)} ms during; links ended: ${ends}; ${acked} acked, 0 lost; equal ${Math.round(equalMs)} ms after`,
      [...problems, ...slow],
    )
  },
}

/** LIMITS.silentCloseMs is 30 s; the rest is the engine's tick and this machine. */
const CUT_MS_MAX = 36_000

export const halfOpenLink: Scenario = {
  id: 'half-open-link',
  fault: 'a link stays connected and carries nothing any more',
  how: 'a proxy swallows everything in both directions without closing anything',
  expected: 'both sides cut the link with link-silent within 36 s; what was under way is saved over the next link',
  deadlineMs: 120_000,
  async run(scene) {
    const folder = scene.subfolder('a')
    const relay = await scene.relay(folder)
    const proxy = await FaultyProxy.open(relay.port)
    scene.atEnd(() => proxy.close())
    let silent = false
    proxy.fault = halfOpen(() => silent)
    const writer = await Typist.open(scene, { name: 'writer', peers: [proxy.url], documents: ['note/1'] })
    writer.start()
    await scene.until('edits are acknowledged', () => writer.acked.length >= 20, 20_000)
    silent = true
    const told = (): boolean => writer.replica.status.get().peers[0]?.error?.code === 'link-silent'
    const bySide = { relay: 0, client: 0 }
    const began = scene.now()
    await scene.until(
      'both sides cut the silent link',
      () => {
        if (told()) bySide.client ||= scene.now() - began
        if (/link-ended:.*link-silent/.test(relay.troubles())) bySide.relay ||= scene.now() - began
        return bySide.client > 0 && bySide.relay > 0
      },
      CUT_MS_MAX,
    )
    proxy.become(harmless)
    writer.stop()
    const savedMs = await writer.settled(30_000)
    return verdict(
      `cut with link-silent after ${(bySide.relay / 1000).toFixed(1)} s by the relay, ${(bySide.client / 1000).toFixed(1)} s by the client; saved ${Math.round(savedMs)} ms after; ${writer.acked.length} acked, ${writer.made.length - writer.acked.length} open`,
      writer.refusals.map((code) => `the client was refused: ${code}`),
    )
  },
}
