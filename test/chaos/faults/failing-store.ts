// What is expected of a relay whose store does not take writes for a while, whatever the reason: it lives, acknowledges nothing, says why, goes on serving
// reads, and recovers by itself. Read by full-disk.ts and file-size-limit.ts. Rules: SQ-16, DU-1; PROOF G17.

import type { RelayProcess } from '../../integration/relay-process.ts'
import type { Scene } from '../scene.ts'
import { foreignIn, missingFrom, servedTokens, storedTokens } from '../stored-content.ts'
import type { Typist } from '../typist.ts'

const RECOVER_MS_MAX = 60_000

export interface FailingStore {
  readonly relay: RelayProcess
  /** Its data folder. */
  readonly folder: string
  readonly writer: Typist
  readonly documents: readonly string[]
  /** Codes of the store that say what is wrong. */
  readonly codes: readonly string[]
  break(): void
  mend(): void
}

export async function meetFailingStore(scene: Scene, store: FailingStore): Promise<{ observed: string; problems: string[] }> {
  const { relay, writer, documents } = store
  const problems: string[] = []
  writer.start()
  await scene.until('the relay takes writes', () => writer.acked.length >= 10, 20_000)
  store.break()
  const failed = (): boolean => store.codes.some((code) => relay.troubles().includes(`storage-failed: code ${code}`))
  await scene.until(`the relay says storage-failed with ${store.codes.join(' or ')}`, failed, 60_000)
  await scene.until('the writer is told storage-failed', () => toldOf(writer) === 'storage-failed', 20_000)
  const ackedBefore = writer.acked.length
  const acked = writer.acked.map(({ token }) => token)
  scene.report(`store failed after ${ackedBefore} acknowledged edits: ${relay.troubles().trim().split('\n').at(-1)!.slice(0, 160)}`)
  problems.push(...missingFrom('what is served while the store fails', acked, await servedTokens(scene, relay.url, documents, 20_000)))
  await scene.lasting(3_000)
  // A relay may find room by itself, by moving its WAL into the file: what it acknowledges then must be in the file.
  const meanwhile = writer.acked.slice(ackedBefore).map(({ token }) => token)
  problems.push(...missingFrom('the file of the failing relay', [...acked, ...meanwhile], await storedTokens(store.folder, documents)))
  const before = writer.acked.length
  store.mend()
  const recoveredMs = await scene.until('acks come again', () => writer.acked.length > before, RECOVER_MS_MAX)
  writer.stop()
  await writer.settled(30_000)
  const served = await servedTokens(scene, relay.url, documents)
  const allAcked = writer.acked.map(({ token }) => token)
  problems.push(
    ...missingFrom('the recovered relay', allAcked, served),
    ...missingFrom('the file of the recovered relay', allAcked, await storedTokens(store.folder, documents)),
    ...foreignIn('the recovered relay', served, new Set(writer.made)),
  )
  const kept = meanwhile.length === 0 ? 'none while it failed' : `${meanwhile.length} more where it found room, all in the file`
  const observed = `refused after ${ackedBefore} acks, ${kept}; reads served; acks ${(recoveredMs / 1000).toFixed(1)} s after the cause was gone; ${writer.acked.length} acked, 0 lost`
  return { observed, problems }
}

function toldOf(writer: Typist): string | undefined {
  return writer.replica.status.get().peers[0]?.error?.code
}
