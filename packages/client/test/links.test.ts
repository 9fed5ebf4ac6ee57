import { DEFAULT_SPACE } from '@syncline/protocol'
import { Replica as Engine } from '@syncline/replica'
import { listen, nodeClock, nodeCompression, nodeRandom } from '@syncline/replica/ws'
import { createMemoryStore } from '@syncline/store/memory'
import { expect, onTestFinished, test } from 'vitest'
import { codeOf, listeningReplica, scratchFolder, scratchReplica, statusWhere } from './scratch.ts'

/** A peer of the given means, which keeps what it acknowledges as far as anybody is told. */
async function peerWithLimit(documentBytesMax: number): Promise<string> {
  const store = createMemoryStore({ space: DEFAULT_SPACE, random: nodeRandom, durability: 'disk' })
  const engine = new Engine({
    store,
    role: 'relay',
    clock: nodeClock(),
    random: nodeRandom,
    compression: nodeCompression,
    limits: { documentBytesMax },
  })
  const listener = await listen(engine, { port: 0 })
  onTestFinished(async () => {
    await engine.close()
    await listener.close()
  })
  return `ws://127.0.0.1:${listener.port}`
}

test('[LK-7] two replicas that listen and dial each other keep one link, and each sees the other connected', async () => {
  const one = await listeningReplica({ name: 'one', storage: scratchFolder() })
  const two = await listeningReplica({ name: 'two', storage: scratchFolder(), peers: [one.url] })
  await statusWhere(two.replica, ({ synced }) => synced)
  // Now the first one learns the second one's address, as a restart with both configured would have it.
  await one.replica.close()
  const again = scratchReplica({ name: 'one', storage: scratchFolder(), listen: { port: Number(new URL(one.url).port) }, peers: [two.url] })
  const [a, b] = [await again.open('note'), await two.replica.open('note')]
  a.doc.getText('body').insert(0, 'a')
  b.doc.getText('body').insert(0, 'b')
  await Promise.all([a.whenSaved('relay'), b.whenSaved('relay')])
  for (const replica of [again, two.replica]) {
    const linked = await statusWhere(replica, ({ peers }) => peers.filter(({ state }) => state === 'connected').length === 1)
    expect(linked.connection).toBe('connected')
  }
  expect(a.doc.getText('body').toString()).toBe(b.doc.getText('body').toString())
  // The other end of the link is one replica, not one for each address.
  expect(await codeOf(a.whenSaved({ copies: 2 }))).toBe('copies-unreachable')
})

test('[AP-3] a document that the peer refuses rejects its waits with the code, and holds up no other', async () => {
  const device = scratchReplica({ storage: scratchFolder(), peers: [await peerWithLimit(2_000)] })
  const large = await device.open('large')
  large.doc.getText('body').insert(0, 'x'.repeat(5_000))
  const small = await device.open('small')
  small.doc.getText('body').insert(0, 'fits')
  await small.whenSaved('relay')
  expect(await codeOf(large.whenSaved('relay'))).toBe('doc-too-large')
  expect(await codeOf(large.whenSaved({ copies: 1 }))).toBe('doc-too-large')
  await large.whenSaved('local')
  const { rejected } = await statusWhere(device, (status) => status.rejected.length > 0)
  expect(rejected).toMatchObject([{ doc: 'large', direction: 'out', code: 'doc-too-large' }])
  expect(large.status.get()).toMatchObject({ pending: { local: false }, rejected: [{ code: 'doc-too-large' }] })
  expect(small.status.get().rejected).toEqual([])
})

test('[AP-13] presence reaches whoever has the document open, and goes with the handle', async () => {
  const { replica: server, url } = await listeningReplica()
  const device = scratchReplica({ peers: [url] })
  const [here, there] = [await device.open('note'), await server.open('note')]
  const names = (): unknown[] =>
    [...there.awareness.getStates().values()].map((state) => (state['user'] as { name: string } | undefined)?.name)
  const seen = (name: string, present: boolean): Promise<void> =>
    new Promise((resolve) => {
      const look = (): void => {
        if (names().includes(name) !== present) return
        there.awareness.off('change', look)
        resolve()
      }
      there.awareness.on('change', look)
      look()
    })
  here.awareness.setLocalStateField('user', { name: 'Ada' })
  await seen('Ada', true)
  await here.release()
  await seen('Ada', false)
})
