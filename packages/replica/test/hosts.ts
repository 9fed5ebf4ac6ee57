// Real replicas for the host tests: real stores (memory, or SQLite in a scratch folder), real time, links through the event loop or real sockets.
// Everything opened here is closed after the test that opened it.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseDocId, parseSpaceId, type DocId } from '@syncline/protocol'
import type { Store } from '@syncline/store'
import { createMemoryStore } from '@syncline/store/memory'
import { openSqliteStore } from '@syncline/store/sqlite'
import { onTestFinished, vi } from 'vitest'
import type * as Y from 'yjs'
import {
  Replica,
  type AttachedLink,
  type GuestPort,
  type LinkPort,
  type OpenDocument,
  type ReplicaEvent,
  type ReplicaOptions,
} from '../src/index.ts'
import { nodeClock, nodeCompression, nodeRandom } from '../src/ws/index.ts'

export const space = parseSpaceId('default')
export const clock = nodeClock()
export const note = parseDocId('note/1')

export interface Host {
  readonly replica: Replica
  readonly events: ReplicaEvent[]
  /** What user code threw. */
  readonly errors: unknown[]
}

export type HostOptions = Partial<Omit<ReplicaOptions, 'onEvent' | 'onError'>>

export function memoryStore(): Store {
  return createMemoryStore({ space, random: nodeRandom, durability: 'process' })
}

export function scratchFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'syncline-host-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

export function sqliteStore(path: string): Promise<Store> {
  return openSqliteStore({ path, space, durability: 'process' })
}

export function openHost(options: HostOptions = {}): Host {
  const events: ReplicaEvent[] = []
  const errors: unknown[] = []
  const replica = new Replica({
    store: memoryStore(),
    role: 'device',
    clock,
    random: nodeRandom,
    compression: nodeCompression,
    ...options,
    onEvent: (event) => events.push(event),
    onError: (error) => errors.push(error),
  })
  onTestFinished(() => replica.close())
  return { replica, events, errors }
}

export interface LocalLink {
  readonly dialled: AttachedLink
  readonly accepted: AttachedLink
  /** Ends it as a lost connection would. */
  cut(): void
}

/** A link through the event loop: messages arrive in order, each in a later turn. `ports` may change what a side's port does. */
export function linkHosts(
  dialler: Host,
  listener: Host,
  ports: { dialled?: Partial<LinkPort>; accepted?: Partial<LinkPort> } = {},
): LocalLink {
  const ends: AttachedLink[] = []
  let open = true
  const cut = (): void => {
    if (!open) return
    open = false
    for (const end of ends) end.closed()
  }
  const port = (self: 0 | 1): LinkPort => ({
    dialled: self === 0,
    send: (bytes) => clock.soon(() => (open ? ends[1 - self]!.received(bytes.slice()) : undefined)),
    close: () => clock.soon(cut),
    buffered: () => 0,
  })
  ends.push(dialler.replica.attachLink({ ...port(0), ...ports.dialled }))
  ends.push(listener.replica.attachLink({ ...port(1), ...ports.accepted }))
  return { dialled: ends[0]!, accepted: ends[1]!, cut }
}

/** Waits until `check` does not throw. */
export function eventually<T>(check: () => T | Promise<T>): Promise<T> {
  return vi.waitFor(check, { timeout: 10_000, interval: 5 })
}

export function open(host: Host, doc: DocId = note): OpenDocument {
  return host.replica.openDocument(doc)
}

export function textOf(document: OpenDocument | { doc: Y.Doc }): string {
  return document.doc.getText('body').toString()
}

export function type(document: OpenDocument, text: string): void {
  const body = document.doc.getText('body')
  body.insert(body.length, text)
}

export interface RecordedGuest extends GuestPort {
  readonly delivered: Uint8Array[]
  readonly presences: Uint8Array[]
  readonly closes: string[]
  unsent: number
}

/** A door's side of a guest that remembers everything. `unsent` is what buffered() answers. */
export function recordedGuest(): RecordedGuest {
  const port: RecordedGuest = {
    delivered: [],
    presences: [],
    closes: [],
    unsent: 0,
    deliver: (updates) => void port.delivered.push(...updates),
    presence: (bytes) => void port.presences.push(bytes),
    ping: () => undefined,
    close: (code) => void port.closes.push(code),
    buffered: () => port.unsent,
  }
  return port
}
