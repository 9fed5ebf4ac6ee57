// C16: a network that changes bytes which TCP's checksum lets through. Rule: IN-1.

import { corrupting } from '../link-faults.ts'
import { verdict, type Scenario } from '../scenario.ts'
import { meetHarmedLink } from './harmed-link.ts'

const EVERY_BYTES = 12_000
const BRIEF_MS = 2_500
const FOR_MS = 12_000

export const corruptingLink: Scenario = {
  id: 'corrupting-link',
  fault: 'a link changes bytes on their way',
  how: `a proxy flips one bit in about every ${EVERY_BYTES} bytes after the upgrade, both ways, between two relays and for one client, for ${FOR_MS / 1000} s`,
  expected:
    'links are cut with frame-corrupt or by WebSocket; nothing that nobody wrote is stored or forwarded; all are equal within 60 s of the end',
  deadlineMs: 150_000,
  async run(scene) {
    let hits = 0
    const fault = corrupting(scene.random, EVERY_BYTES, () => hits++)
    const { problems, acked, equalMs, ends, endCodes } = await meetHarmedLink(scene, { fault, forMs: scene.brief ? BRIEF_MS : FOR_MS })
    const unseen = (endCodes.get('frame-corrupt') ?? 0) > 0 ? [] : ['no link was cut with frame-corrupt']
    return verdict(`${hits} bits flipped; links ended: ${ends}; ${acked} acked, 0 lost, 0 wrong; equal ${Math.round(equalMs)} ms after`, [
      ...problems,
      ...unseen,
    ])
  },
}
