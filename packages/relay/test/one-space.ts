// A replica as the only space of a relay, for tests that open a door by itself.

import { SynclineError } from '@syncline/protocol'
import type { Replica } from '@syncline/replica'
import { nodeClock } from '@syncline/replica/ws'
import { HookRunner, type RelayHooks } from '../src/hooks.ts'
import type { SpaceSource } from '../src/visit.ts'

export function oneSpace(replica: Replica, hooks: RelayHooks = {}): SpaceSource {
  const runner = new HookRunner(hooks, nodeClock())
  runner.start(replica)
  return {
    use: async (space) => {
      if (space !== replica.space) throw new SynclineError('access-denied', 'There is one space here.')
      return { replica, watch: { hooks: runner }, release: () => undefined }
    },
  }
}
