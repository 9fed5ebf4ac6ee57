// What somebody who waits for an upgrade is told. The upgrade itself runs in the writer thread (upgrade-file.ts), which says when a stage begins; this side looks at
// the clock and at the growing backup, so that a long stage is told of again and again. Read by sqlite-store.ts.

import { statSync } from 'node:fs'
import type { Clock } from './clock.ts'

export interface UpgradeNotice {
  /** copying: the backup is written. upgrading: the backup is complete, the file is being changed. upgraded: done. */
  readonly stage: 'copying' | 'upgrading' | 'upgraded'
  readonly path: string
  /** Where the backup is, or will be. */
  readonly backup: string
  /** Formats. */
  readonly from: number
  readonly to: number
  /** Of the backup: what there is of it, and about how many it will be. */
  readonly doneBytes: number
  readonly bytes: number
}

/** As the writer thread says it. `writing`: the file that grows while the backup is made. */
export interface UpgradeStage extends UpgradeNotice {
  readonly writing: string
}

const TELL_EVERY_MS = 5_000

/** Tells `listener` of each stage at once, and of one that lasts every 5 s. `end` it when the opening is over. */
export function relayNotices(clock: Clock, listener: (notice: UpgradeNotice) => void): { heard(stage: UpgradeStage): void; end(): void } {
  let cancel = (): void => undefined
  const tell = ({ writing, ...notice }: UpgradeStage): void => {
    const doneBytes = notice.stage === 'copying' ? (statSync(writing, { throwIfNoEntry: false })?.size ?? 0) : notice.bytes
    listener({ ...notice, doneBytes })
    if (notice.stage !== 'upgraded') cancel = clock.after(TELL_EVERY_MS, () => tell({ ...notice, writing }))
  }
  return {
    heard(stage) {
      cancel()
      tell(stage)
    },
    end: () => cancel(),
  }
}
