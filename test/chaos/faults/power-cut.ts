// C2: the power is cut under the SQLite store (the campaign of crash-images/ as a scenario). Rules: DU-1, DU-2, ID-1.

import { crashImageCampaign } from '../crash-images/campaign.ts'
import type { Scenario } from '../scenario.ts'

const IMAGES = 200

export const powerCut: Scenario = {
  id: 'power-cut',
  fault: 'the power is cut while the store writes',
  how: `${IMAGES} seeded images of SQLite on a simulated disk: unsynced writes lost, a subset kept, torn at 512 bytes; a tenth as many on a disk that syncs nothing, as control`,
  expected: 'at disk nothing acknowledged is lost, at process only a suffix; neither corrupts or forks; the control does lose',
  deadlineMs: 600_000,
  run: ({ seed, report, brief }) => crashImageCampaign({ images: brief ? 20 : IMAGES, seed, report }),
}
