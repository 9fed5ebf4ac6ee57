// Folders and replicas that a test makes and that are gone after it.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createReplica, type Replica, type ReplicaOptions, type SyncStatus } from '@syncline/client'
import { onTestFinished } from 'vitest'

export function scratchFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'syncline-client-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }))
  return folder
}

/** In memory unless told otherwise; redials fast. */
export function scratchReplica(options: Partial<ReplicaOptions> = {}): Replica {
  const replica = createReplica({ name: 'test', storage: { kind: 'memory' }, backoff: { firstMs: 20, maxMs: 100 }, ...options })
  onTestFinished(() => replica.close())
  return replica
}

/** A replica that others can dial, and its address. */
export async function listeningReplica(options: Partial<ReplicaOptions> = {}): Promise<{ replica: Replica; url: string }> {
  const replica = scratchReplica({ listen: { port: 0 }, ...options })
  await replica.whenReady()
  return { replica, url: replica.status.get().listening!.url }
}

/** Resolves with the first status that is so; the test's own time limit is the bound. */
export function statusWhere(replica: Replica, holds: (status: SyncStatus) => boolean): Promise<SyncStatus> {
  return new Promise((resolve) => {
    let stop: (() => void) | null = null
    stop = replica.status.subscribe((status) => {
      if (!holds(status)) return
      resolve(status)
      queueMicrotask(() => stop?.())
    })
  })
}

/** The code that a promise rejects with. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
  } catch (error) {
    return (error as { code?: string }).code ?? String(error)
  }
  return 'resolved'
}
