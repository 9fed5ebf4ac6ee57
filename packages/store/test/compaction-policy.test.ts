// When a document is worth compacting.

import { expect, test } from 'vitest'
import { LIMITS } from '@syncline/protocol'
import { isDue, isOverdue, isWorthRewriting, tailBytesBound, urgency } from '@syncline/store'

const nothing = { tailRows: 0, tailBytes: 0, snapshotBytes: 0 }

test('[ST-25] a document is due from the bound of its rows or of its bytes on, not before', () => {
  expect(isDue(nothing)).toBe(false)
  expect(isDue({ ...nothing, tailRows: LIMITS.tailRowsDue - 1, tailBytes: LIMITS.tailBytesDue - 1 })).toBe(false)
  expect(isDue({ ...nothing, tailRows: LIMITS.tailRowsDue })).toBe(true)
  expect(isDue({ ...nothing, tailBytes: LIMITS.tailBytesDue })).toBe(true)
})

test('[ST-25] the bound of bytes grows with the snapshot: a quarter of it', () => {
  expect(tailBytesBound(0)).toBe(LIMITS.tailBytesDue)
  expect(tailBytesBound(4 * LIMITS.tailBytesDue)).toBe(LIMITS.tailBytesDue)
  const snapshotBytes = 1_000_000
  expect(isDue({ tailRows: 1, tailBytes: 249_999, snapshotBytes })).toBe(false)
  expect(isDue({ tailRows: 1, tailBytes: 250_000, snapshotBytes })).toBe(true)
})

test('[ST-25] a document past the hard bound of rows does not wait for the next sweep, and urgency orders the due', () => {
  expect(isOverdue({ ...nothing, tailRows: LIMITS.tailRowsHardMax - 1 })).toBe(false)
  expect(isOverdue({ ...nothing, tailRows: LIMITS.tailRowsHardMax })).toBe(true)
  expect(urgency({ ...nothing, tailRows: LIMITS.tailRowsDue })).toBe(1)
  expect(urgency({ ...nothing, tailRows: 3 * LIMITS.tailRowsDue })).toBeGreaterThan(
    urgency({ ...nothing, tailBytes: 2 * LIMITS.tailBytesDue }),
  )
})

test('[ST-25] a large document that is due by a few hundred short rows is not worth rewriting yet, and is when they weigh something or are too many', () => {
  const large = { tailRows: LIMITS.tailRowsDue, tailBytes: 4_000, snapshotBytes: 1_000_000 }
  expect([isDue(large), isWorthRewriting(large)]).toEqual([true, false])
  expect(isWorthRewriting({ ...large, tailBytes: 250_000 })).toBe(true)
  expect(isWorthRewriting({ ...large, tailRows: LIMITS.tailRowsHardMax })).toBe(true)
  expect(isWorthRewriting({ ...large, snapshotBytes: 100_000 })).toBe(true)
})
