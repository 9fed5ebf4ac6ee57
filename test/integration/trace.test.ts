// A real document, keystroke by keystroke, over a real link. Where the recording is not at hand, generated typing takes its place, and says so.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { createReplica, type DocHandle, type Replica } from '@syncline/client'
import { expect, onTestFinished, test } from 'vitest'
import { generateTyping, loadRecording, type Recording } from '../../examples/demo/recording.ts'

const GENERATED_EDITS = 50_000
/** Keystrokes between two turns of the event loop: one Yjs transaction each, which the engine commits and sends together. */
const EDITS_PER_TURN = 100

test(
  '[CV-2] a recorded paper, typed keystroke by keystroke, arrives equal to its end, on the peer and after a restart of both',
  { timeout: 240_000 },
  async () => {
    const recording = loadRecording('automerge-paper') ?? generateTyping(GENERATED_EDITS)
    const folder = mkdtempSync(join(tmpdir(), 'syncline-trace-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }))
    const start = (name: string, options: { peers?: string[]; listen?: { port: number } } = {}): Replica => {
      const replica = createReplica({ name, storage: join(folder, name), ...options })
      onTestFinished(() => replica.close())
      return replica
    }

    const peer = start('peer', { listen: { port: 0 } })
    await peer.whenReady()
    const writer = start('writer', { peers: [peer.status.get().listening!.url] })
    const paper = await writer.open('paper')
    const startedAt = performance.now()
    await type(paper, recording)
    const typedMs = performance.now() - startedAt
    await paper.whenSaved('relay')
    const arrivedMs = performance.now() - startedAt
    expect(textOf(await peer.open('paper')) === recording.endContent, 'the peer has the text').toBe(true)
    await Promise.all([writer.close(), peer.close()])

    const reopenedAt = performance.now()
    for (const name of ['writer', 'peer']) {
      const again = start(name)
      expect(textOf(await again.open('paper')) === recording.endContent, `${name} has the text after a restart`).toBe(true)
      await again.close()
    }
    console.log(
      `${recording.source}: ${recording.txns.length} edits typed in ${seconds(typedMs)}, all at the peer after ${seconds(arrivedMs)}, both reopened in ${seconds(performance.now() - reopenedAt)}`,
    )
  },
)

async function type({ doc }: DocHandle, { txns }: Recording): Promise<void> {
  const text = doc.getText('body')
  let typed = 0
  for (const { patches } of txns) {
    doc.transact(() => {
      for (const [position, deleted, inserted] of patches) {
        if (deleted > 0) text.delete(position, deleted)
        if (inserted !== '') text.insert(position, inserted)
      }
    })
    if (++typed % EDITS_PER_TURN === 0) await nextTurn()
  }
}

function textOf({ doc }: DocHandle): string {
  return doc.getText('body').toString()
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}
