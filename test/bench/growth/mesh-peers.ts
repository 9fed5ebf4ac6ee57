// Growth in peers: a full mesh of so many replicas, all written to. Frames and bytes per edit, of all links together, and how long an edit and a burst of edits take.

import { mesh } from '../mesh/mesh.ts'
import type { GrowthPart } from './growth.ts'

export const meshPart: GrowthPart = {
  name: 'mesh',
  title: 'Replicas in a full mesh',
  sizes: [2, 4, 8, 16],
  quickSizes: [2, 4],
  async measure(size, quick, progress) {
    const { light, heavy, idleCpuMsPerSecond } = await mesh(
      {
        ...{ replicas: size, shape: 'full', documents: 8 },
        light: { perSecond: 32, ms: quick ? 1_000 : 10_000 },
        heavy: { inFlight: 8, ms: quick ? 500 : 5_000 },
      },
      progress,
    )
    return {
      'CPU of an idle replica, ms a second': idleCpuMsPerSecond,
      'frames per edit': light.framesPerEdit,
      'payload bytes per edit': light.bytesPerEdit,
      'copies of an edit that a replica is sent': light.copies,
      'p50 of a delivery, ms': light.p50Ms,
      'p99 of a delivery, ms': light.p99Ms,
      'CPU of all replicas per edit, idle included, ms': light.cpuMsPerEdit,
      'edits/s until all are equal, as fast as it goes': heavy.editsPerSecond,
      'all equal after the last of them, ms': heavy.convergedMs,
    }
  },
}
