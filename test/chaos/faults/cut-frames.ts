// C14: connections that end in the middle of a frame, by FIN or by RST. Rules: IN-1, CV-2.

import { cutting } from '../link-faults.ts'
import { verdict, type Scenario } from '../scenario.ts'
import { meetHarmedLink } from './harmed-link.ts'

const AFTER_BYTES = 20_000
const BRIEF_MS = 2_500
const FOR_MS = 12_000

export const cutFrames: Scenario = {
  id: 'cut-frames',
  fault: 'connections end in the middle of a frame',
  how: `a proxy cuts a frame short after about ${AFTER_BYTES} bytes of a connection and sends FIN or RST to both sides, for ${FOR_MS / 1000} s`,
  expected:
    'what arrived of a cut frame is dropped; links come back and resume; nothing wrong is stored; all are equal within 60 s of the end',
  deadlineMs: 150_000,
  async run(scene) {
    const cuts = { fin: 0, rst: 0 }
    const fault = cutting(scene.random, AFTER_BYTES, (how) => cuts[how]++)
    const { problems, acked, equalMs, ends } = await meetHarmedLink(scene, { fault, forMs: scene.brief ? BRIEF_MS : FOR_MS })
    const unseen = cuts.fin > 0 && cuts.rst > 0 ? [] : ['not both kinds of cut happened']
    return verdict(
      `${cuts.fin} FIN and ${cuts.rst} RST in a frame; links ended: ${ends}; ${acked} acked, 0 lost; equal ${Math.round(equalMs)} ms after`,
      [...problems, ...unseen],
    )
  },
}
