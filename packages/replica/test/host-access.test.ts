// What a link's identity may do, and changes of it while the link lives. Real replicas, real store.

import { parseDocId } from '@syncline/protocol'
import { expect, test } from 'vitest'
import { Awareness, applyAwarenessUpdate, encodeAwarenessUpdate } from 'y-protocols/awareness'
import * as Y from 'yjs'
import type { Access } from '../src/index.ts'
import { eventually, linkHosts, note, open, openHost, recordedGuest, textOf, type } from './hosts.ts'

const hidden = parseDocId('secret/1')

/** A relay whose link to a client may do what `rights` says at each moment. */
function relayAndClient() {
  const rights = { read: true, write: true, present: true, hidden: false }
  const access: Access = {
    read: (doc) => (doc === hidden ? rights.hidden : rights.read),
    write: (doc) => (doc === hidden ? rights.hidden : rights.write),
    presence: () => rights.present,
  }
  const [client, relay] = [openHost(), openHost({ role: 'relay' })]
  const { accepted } = linkHosts(client, relay, { accepted: { access } })
  return { rights, client, relay, changed: () => relay.replica.accessChanged(accepted.id) }
}

test('[AD-3] a document that becomes readable on a live link arrives without a reconnect, and one that is not any more stops', async () => {
  const { rights, client, relay, changed } = relayAndClient()
  const secret = open(relay, hidden)
  type(secret, 'first')
  type(open(relay), 'open to all')
  const shown = open(client, hidden)
  await eventually(() => expect(textOf(open(client))).toBe('open to all'))
  expect(textOf(shown)).toBe('')
  rights.hidden = true
  changed()
  await eventually(() => expect(textOf(shown)).toBe('first'))
  rights.hidden = false
  changed()
  type(secret, ', second')
  type(open(relay), '!')
  await eventually(() => expect(textOf(open(client))).toBe('open to all!'))
  expect(textOf(shown)).toBe('first')
})

test('[AD-3] edits refused for want of rights stay with their author, and are taken without a reconnect once the rights are there', async () => {
  const { rights, client, relay, changed } = relayAndClient()
  rights.write = false
  const mine = open(client)
  type(mine, 'unsent')
  await eventually(() => expect(client.replica.status().rejected).toMatchObject([{ doc: note, direction: 'out', code: 'read-only' }]))
  expect(relay.replica.has(note)).toBe(false)
  expect(textOf(mine)).toBe('unsent')
  rights.write = true
  changed()
  await eventually(() => expect(textOf(open(relay))).toBe('unsent'))
  await eventually(() => expect(client.replica.status().rejected).toEqual([]))
  type(mine, ' and sent')
  await eventually(() => expect(textOf(open(relay))).toBe('unsent and sent'))
})

test('[AD-3] presence is a right of its own', async () => {
  const { rights, client, relay } = relayAndClient()
  rights.present = false
  const [left, right] = [open(client), open(relay)]
  left.awareness.setLocalStateField('user', 'unseen')
  type(left, 'seen')
  await eventually(() => expect(textOf(right)).toBe('seen'))
  expect(right.awareness.getStates().has(left.doc.clientID)).toBe(false)
})

test('[PR-2] another connection of the same known subject takes a presence id over at once; a stranger does not', async () => {
  const { replica } = openHost({ role: 'relay' })
  const awareness = new Awareness(new Y.Doc())
  const say = (user: string): Uint8Array => {
    awareness.setLocalState({ user })
    return encodeAwarenessUpdate(awareness, [awareness.clientID])
  }
  const as = (subject: string | null) => {
    const port = { ...recordedGuest(), subject }
    return { port, guest: replica.attachGuest(note, port) }
  }
  const seen = new Awareness(new Y.Doc())
  const watcher = as(null)
  const states = () => {
    for (const bytes of watcher.port.presences.splice(0)) applyAwarenessUpdate(seen, bytes, null)
    return seen.getStates().get(awareness.clientID)
  }
  const [old, stranger, again] = [as('ada'), as('eve'), as('ada')]
  old.guest.presence(say('ada, old socket'))
  await eventually(() => expect(states()).toEqual({ user: 'ada, old socket' }))
  stranger.guest.presence(say('eve as ada'))
  again.guest.presence(say('ada, new socket'))
  await eventually(() => expect(states()).toEqual({ user: 'ada, new socket' }))
  // The old socket's end takes nothing away from the new one.
  old.guest.detach()
  again.guest.presence(say('still here'))
  await eventually(() => expect(states()).toEqual({ user: 'still here' }))
  again.guest.detach()
  await eventually(() => expect(states()).toBe(undefined))
})
