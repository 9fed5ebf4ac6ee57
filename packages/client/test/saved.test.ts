import type { Durability, ReplicaId } from '@syncline/protocol'
import { describe, expect, test } from 'vitest'
import { savedVerdict, type PeerCopy, type SavedFacts } from '../src/saved.ts'

function peer(name: string, durability: Durability, facts: Partial<PeerCopy> = {}): PeerCopy {
  return { peer: name as ReplicaId, durability, acked: false, reachable: true, refusal: null, ...facts }
}

function facts(durability: Durability, peers: readonly PeerCopy[], unknownPeers = 0): SavedFacts {
  return { durability, peers, unknownPeers }
}

const refusal = { code: 'doc-too-large', reason: 'over the limit' }

describe('relay', () => {
  const verdict = (peers: readonly PeerCopy[], unknownPeers = 0): unknown => savedVerdict('relay', facts('disk', peers, unknownPeers))

  test('[AP-3] relay means one peer that keeps what it acknowledges', () => {
    expect(verdict([])).toEqual({ kind: 'waiting' })
    expect(verdict([peer('a', 'memory', { acked: true })])).toEqual({ kind: 'waiting' })
    expect(verdict([peer('a', 'disk')])).toEqual({ kind: 'waiting' })
    expect(verdict([peer('a', 'process', { acked: true })])).toEqual({ kind: 'saved' })
    expect(verdict([peer('a', 'disk', { acked: true, reachable: false })])).toEqual({ kind: 'saved' })
  })

  test('[AP-3] a refusal fails the wait only when nobody else can take the edit', () => {
    expect(verdict([peer('a', 'disk', { refusal })])).toEqual({ kind: 'failed', ...refusal })
    expect(verdict([peer('a', 'disk', { refusal }), peer('b', 'disk')])).toEqual({ kind: 'waiting' })
    expect(verdict([peer('a', 'disk', { refusal })], 1)).toEqual({ kind: 'waiting' })
    expect(verdict([peer('a', 'disk', { refusal }), peer('b', 'process', { acked: true })])).toEqual({ kind: 'saved' })
    // A peer in memory could not have made it true, and its refusal changes nothing.
    expect(verdict([peer('a', 'memory', { refusal })])).toEqual({ kind: 'waiting' })
  })

  test('[AP-3] a refusal with a code of a later release is told in words', () => {
    expect(verdict([peer('a', 'disk', { refusal: { code: 'from-the-future', reason: 'why' } })])).toEqual({
      kind: 'failed',
      code: 'read-only',
      reason: 'from-the-future: why',
    })
  })
})

describe('copies', () => {
  const verdict = (copies: number, own: Durability, peers: readonly PeerCopy[], unknownPeers = 0): string => {
    const found = savedVerdict({ copies }, facts(own, peers, unknownPeers))
    return found.kind === 'failed' ? found.code : found.kind
  }

  test('[AP-3] copies counts replicas at disk, this one included if it is', () => {
    expect(verdict(1, 'disk', [])).toBe('saved')
    expect(verdict(1, 'process', [peer('a', 'disk')])).toBe('waiting')
    expect(verdict(2, 'disk', [peer('a', 'disk', { acked: true })])).toBe('saved')
    expect(verdict(2, 'process', [peer('a', 'disk', { acked: true }), peer('b', 'disk')])).toBe('waiting')
    expect(verdict(2, 'disk', [peer('a', 'process', { acked: true }), peer('b', 'disk')])).toBe('waiting')
  })

  test('[AP-3] more copies than this replica and its direct peers can make are unreachable, not waited for', () => {
    expect(verdict(1, 'process', [])).toBe('copies-unreachable')
    expect(verdict(2, 'disk', [peer('a', 'process')])).toBe('copies-unreachable')
    expect(verdict(3, 'disk', [peer('a', 'disk')])).toBe('copies-unreachable')
    expect(verdict(2, 'disk', [peer('a', 'disk', { reachable: false })])).toBe('copies-unreachable')
    // Behind an address where nobody answered yet may be a replica at disk.
    expect(verdict(2, 'disk', [], 1)).toBe('waiting')
    expect(verdict(2, 'disk', [peer('a', 'disk', { refusal })])).toBe('doc-too-large')
  })
})
