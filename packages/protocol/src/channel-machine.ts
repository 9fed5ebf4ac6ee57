// One scope on one link, as three small machines: how I receive the peer's log, how I serve mine, and where one document stands.
// The engine's channel.ts holds the data; these tables hold the order. Rules: CV-1, CV-2; holes H1 and H2 of the protocol study.
//
// receive  opening      one side has not opened the scope yet
//          starting     both opened it; the peer's START decides how it serves me
//          reconciling  ranges or document diffs are outstanding: entries are admitted or held, the cursor stands still (H1)
//          live         the cursor follows what is committed
// serve    opening -> serving, from the position that START announced
// document settled      nothing outstanding
//          queued       differs, waits for a free WANT slot
//          wanted       WANT or ASK sent, its DIFF is outstanding

import type { MachineTable } from './machine.ts'

export type ReceiveState = 'opening' | 'starting' | 'reconciling' | 'live'
export type ReceiveEvent = 'paired' | 'start-equal' | 'start-stream' | 'start-reconcile' | 'entries' | 'reconciled'

export const receiveTable = {
  opening: {
    paired: 'starting',
    'start-equal': 'refuse',
    'start-stream': 'refuse',
    'start-reconcile': 'refuse',
    entries: 'refuse',
    reconciled: 'bug',
  },
  starting: {
    paired: 'bug',
    'start-equal': 'live',
    'start-stream': 'live',
    'start-reconcile': 'reconciling',
    entries: 'refuse',
    reconciled: 'bug',
  },
  reconciling: {
    paired: 'bug',
    'start-equal': 'refuse',
    'start-stream': 'refuse',
    'start-reconcile': 'refuse',
    entries: 'same',
    reconciled: 'live',
  },
  live: {
    paired: 'bug',
    'start-equal': 'refuse',
    'start-stream': 'refuse',
    'start-reconcile': 'refuse',
    entries: 'same',
    reconciled: 'same',
  },
} as const satisfies MachineTable<ReceiveState, ReceiveEvent>

export type ServeState = 'opening' | 'serving'
export type ServeEvent = 'paired' | 'ack' | 'want'

export const serveTable = {
  opening: { paired: 'serving', ack: 'refuse', want: 'refuse' },
  serving: { paired: 'bug', ack: 'same', want: 'same' },
} as const satisfies MachineTable<ServeState, ServeEvent>

export type DocumentState = 'settled' | 'queued' | 'wanted'
export type DocumentEvent = 'differs' | 'slot' | 'diffed'

export const documentTable = {
  settled: { differs: 'queued', slot: 'bug', diffed: 'same' },
  queued: { differs: 'same', slot: 'wanted', diffed: 'same' },
  wanted: { differs: 'same', slot: 'bug', diffed: 'settled' },
} as const satisfies MachineTable<DocumentState, DocumentEvent>
