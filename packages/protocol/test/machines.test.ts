// Walks every cell of the protocol's machines: each table is complete, its targets are states, and no state is a dead end by mistake.

import { expect, test } from 'vitest'
import { documentTable, receiveTable, serveTable } from '../src/channel-machine.ts'
import { linkTable } from '../src/link-machine.ts'
import { step, type MachineTable } from '../src/machine.ts'

const tables: Record<string, MachineTable<string, string>> = {
  link: linkTable,
  receive: receiveTable,
  serve: serveTable,
  document: documentTable,
}

for (const [name, table] of Object.entries(tables)) {
  test(`[IN-1] every cell of the ${name} machine is a state, a refusal or an assertion`, () => {
    const states = Object.keys(table)
    const events = Object.keys(table[states[0]!]!)
    const reached = new Set([states[0]!])
    for (const state of states) {
      expect(Object.keys(table[state]!), `${name} ${state}`).toEqual(events)
      for (const event of events) {
        const cell = table[state]![event]!
        expect([...states, 'same', 'refuse', 'bug'], `${name} ${state} ${event}`).toContain(cell)
        if (cell === 'bug') expect(() => step(table, state, event)).toThrow('impossible')
        else expect(step(table, state, event)).toBe(cell === 'same' ? state : cell)
        if (states.includes(cell)) reached.add(cell)
      }
    }
    expect([...reached].toSorted(), `${name}: every state is reached`).toEqual(states.toSorted())
  })
}
