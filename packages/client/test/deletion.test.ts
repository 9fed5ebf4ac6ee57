// Deleting documents as an application sees it.

import * as Y from 'yjs'
import { expect, test } from 'vitest'
import { codeOf, listeningReplica, scratchFolder, scratchReplica, statusWhere } from './scratch.ts'

async function listed(replica: ReturnType<typeof scratchReplica>): Promise<string[]> {
  const names: string[] = []
  for await (const { id } of replica.list()) names.push(id)
  return names.sort()
}

test('[DD-3] a deletion reaches a replica that was away; its open document says so, its edits can be exported, and nothing comes back', async () => {
  const office = await listeningReplica({ name: 'office', storage: scratchFolder() })
  const folder = scratchFolder()
  const laptop = scratchReplica({ name: 'laptop', storage: folder, peers: [office.url] })
  const onLaptop = await laptop.open('note/1')
  onLaptop.doc.getText('body').insert(0, 'shared')
  await onLaptop.whenSaved('relay')
  await laptop.close()

  await office.replica.delete('note/1')
  expect([await listed(office.replica), await codeOf(office.replica.open('note/1'))]).toEqual([[], 'doc-deleted'])

  const away = scratchReplica({ name: 'laptop', storage: folder })
  const offline = await away.open('note/1')
  offline.doc.getText('body').insert(0, 'written on a train, ')
  await offline.whenSaved('local')
  await away.close()

  const back = scratchReplica({ name: 'laptop', storage: folder, peers: [office.url] })
  const reopened = await back.open('note/1')
  await new Promise<void>((resolve) => {
    reopened.status.subscribe(({ deleted }) => {
      if (deleted) resolve()
    })
  })
  expect(await codeOf(reopened.whenSaved())).toBe('doc-deleted')
  expect(reopened.doc.getText('body').toString()).toBe('written on a train, shared')
  expect(reopened.status.get()).toMatchObject({ deleted: true, rejected: [{ code: 'doc-deleted' }] })
  const [remains] = await back.remains('note/1')
  const copy = new Y.Doc()
  Y.applyUpdate(copy, remains!.update)
  expect(copy.getText('body').toString()).toBe('written on a train, shared')
  await reopened.release()
  expect([await listed(back), await listed(office.replica), await codeOf(back.open('note/1'))]).toEqual([[], [], 'doc-deleted'])
})

test('[DD-5] a document is begun anew only on purpose, while the old one is still open too', async () => {
  const replica = scratchReplica({ storage: scratchFolder() })
  const old = await replica.open('note/1')
  old.doc.getText('body').insert(0, 'old')
  await old.whenSaved()
  await replica.delete('note/1')
  const anew = await replica.open('note/1', { recreate: true })
  anew.doc.getText('body').insert(0, 'new')
  await anew.whenSaved()
  expect([old.doc.getText('body').toString(), anew.doc.getText('body').toString()]).toEqual(['old', 'new'])
  expect([old.status.get().deleted, anew.status.get().deleted, await listed(replica)]).toEqual([true, false, ['note/1']])
  await old.release()
  const again = await replica.open('note/1')
  expect(again.doc).toBe(anew.doc)
})

test('[DD-2] delete() waits for a peer when it is asked to, and counts as unsaved until then', async () => {
  const office = await listeningReplica({ name: 'office', storage: scratchFolder() })
  const laptop = scratchReplica({ name: 'laptop', storage: scratchFolder(), peers: [office.url] })
  const note = await laptop.open('note/1')
  note.doc.getText('body').insert(0, 'x')
  await note.whenSaved('relay')
  await laptop.delete('note/1', { tier: 'relay' })
  expect(await codeOf(office.replica.open('note/1'))).toBe('doc-deleted')
  await office.replica.close()
  await statusWhere(laptop, ({ connection }) => connection !== 'connected')
  await laptop.delete('note/2')
  expect((await statusWhere(laptop, ({ pending }) => pending.relay > 0)).pending.relay).toBe(1)
  expect(await codeOf(laptop.delete('note/3', { tier: 'relay', signal: AbortSignal.timeout(50) }))).toBe('wait-aborted')
  expect(await codeOf(laptop.delete(''))).toBe('doc-id-invalid')
})
