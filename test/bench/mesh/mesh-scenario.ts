// pnpm bench --only mesh: eight replicas, fully meshed and in a ring.

import { markdownTable } from '../markdown-table.ts'
import type { Progress } from '../report.ts'
import { mesh, type MeshResult, type MeshShape } from './mesh.ts'

const REPLICAS = 8

export async function meshScenario(quick: boolean, progress: Progress): Promise<void> {
  const shapes: readonly MeshShape[] = ['full', 'ring']
  const results: MeshResult[] = []
  for (const shape of shapes) {
    const light = { perSecond: 80, ms: quick ? 2_000 : 20_000 }
    const heavy = { inFlight: 256, ms: quick ? 1_000 : 10_000 }
    results.push(
      await mesh({ replicas: REPLICAS, shape, documents: REPLICAS, light, heavy }, (line) => progress(`mesh, ${shape}: ${line}`)),
    )
  }
  const row = (name: string, of: (result: MeshResult) => number): { name: string; values: number[] } => ({ name, values: results.map(of) })
  console.log(
    markdownTable({
      title: `Mesh of ${REPLICAS} replicas, all written to`,
      cases: ['fully meshed', 'ring'],
      rows: [
        row('links', ({ links }) => links),
        row('CPU of an idle replica, ms a second', ({ idleCpuMsPerSecond }) => idleCpuMsPerSecond),
        row('edits/s until all are equal, as fast as it goes', ({ heavy }) => heavy.editsPerSecond),
        row('all equal after the last of them, ms', ({ heavy }) => heavy.convergedMs),
        row('frames per edit then', ({ heavy }) => heavy.framesPerEdit),
        row('payload bytes per edit then', ({ heavy }) => heavy.bytesPerEdit),
        row('CPU of all replicas per edit then, ms', ({ heavy }) => heavy.cpuMsPerEdit),
        row('at 80 edits/s of all together: p50 of a delivery, ms', ({ light }) => light.p50Ms),
        row('p99 of a delivery, ms', ({ light }) => light.p99Ms),
        row('frames per edit', ({ light }) => light.framesPerEdit),
        row('payload bytes per edit', ({ light }) => light.bytesPerEdit),
        row('copies of an edit that a replica is sent', ({ light }) => light.copies),
        row('CPU of all replicas per edit, idle included, ms', ({ light }) => light.cpuMsPerEdit),
      ],
    }),
  )
}
