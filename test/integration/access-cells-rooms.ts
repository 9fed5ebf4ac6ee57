// The rows of the access matrix at the y-websocket and y-sweet doors: every message of both protocols, and the requests of y-sweet's SDK.

import * as encoding from 'lib0/encoding'
import * as codec from '../../packages/relay/src/y-websocket-codec.ts'
import { announcement, announces, shows, witnessed, writeOutcome, type Cell, type Driver, type Drivers } from './access-cells.ts'
import { BareClient, freshUpdate } from './room-client.ts'

/** A reader is told once, by the server's own message, that it may not write. */
const PERMISSION_DENIED = 2
const WORDS = 'written by the cell'
const EMPTY = Uint8Array.of(0)

type Which = 'there' | 'gone'
type InRoom = (client: BareClient, cell: Cell, doc: string) => Promise<string>

/** Connects, and runs `work` when the relay greets; tells the close code when it does not. */
async function enter(
  url: string,
  token: string | null,
  work: (client: BareClient) => Promise<string>,
  withReason = false,
): Promise<string> {
  const client = new BareClient(`${url}${token === null ? '' : `?token=${token}`}`)
  try {
    await client.messageWhere(({ kind }) => kind === 'step-1')
    return await work(client)
  } catch (error) {
    const { code, reason } = await client.closed
    if (code < 4000) throw error
    return withReason ? `${code} ${reason.split(':', 1)[0]}` : String(code)
  } finally {
    client.terminate()
  }
}

async function step1(client: BareClient): Promise<string> {
  client.send(codec.step1Frame(EMPTY))
  const answer = await client.messageWhere(({ kind }) => kind === 'step-2')
  return answer.kind === 'step-2' && shows([answer.update]) ? 'sent' : 'nothing'
}

async function live(client: BareClient, { relay }: Cell, doc: string): Promise<string> {
  await relay.seed(doc, freshUpdate('live'))
  client.send(codec.step1Frame(EMPTY))
  await client.messageWhere(({ kind }) => kind === 'step-2')
  return client.messages.some((message) => message.kind === 'update' && shows([message.update], 'live')) ? 'sent' : 'nothing'
}

function write(frameOf: (update: Uint8Array) => Uint8Array): InRoom {
  return async (client, cell, doc) => {
    const update = freshUpdate(WORDS)
    client.send(frameOf(update))
    const isEcho = (message: codec.RoomMessage): boolean => message.kind === 'update' && Buffer.from(message.update).equals(update)
    const isRefusal = (message: codec.RoomMessage): boolean => message.kind === 'foreign' && message.type === PERMISSION_DENIED
    await client.messageWhere((message) => isEcho(message) || isRefusal(message))
    // Whatever else it would hear of it has come with this.
    client.send(codec.step1Frame(EMPTY))
    await client.messageWhere(({ kind }) => kind === 'step-2')
    return writeOutcome(cell, doc, WORDS, {
      saved: client.messages.some(isEcho),
      refusal: client.messages.some(isRefusal) ? 'told' : null,
    })
  }
}

/** y-sweet asks whether a version is saved by message 102; the same bytes come back. */
async function syncStatus(client: BareClient, cell: Cell, doc: string): Promise<string> {
  const isForeign = (type: number) => (message: codec.RoomMessage) => message.kind === 'foreign' && message.type === type
  client.send(codec.step2Frame(freshUpdate(WORDS)))
  client.send(codec.syncStatusFrame(Uint8Array.of(1)))
  await client.messageWhere((message) => isForeign(102)(message) || isForeign(PERMISSION_DENIED)(message))
  client.send(codec.step1Frame(EMPTY))
  await client.messageWhere(({ kind }) => kind === 'step-2')
  const saved = client.messages.some(isForeign(102))
  return writeOutcome(cell, doc, WORDS, { saved, refusal: saved ? null : 'told' })
}

function presence(enters: (work: InRoom) => Driver): Driver {
  return (cell) =>
    witnessed(cell.relay, cell.there, (witness) =>
      enters(async (client) => {
        client.send(codec.awarenessFrame(announcement(101)))
        client.send(codec.step1Frame(EMPTY))
        await client.messageWhere(({ kind }) => kind === 'step-2')
        await witness.caughtUp()
        return witness.sees(101) ? 'seen' : 'unseen'
      })(cell),
    )
}

/** Who was there before, by the message that asks for it, and who comes later. */
function othersPresence(enters: (work: InRoom) => Driver): Driver {
  return (cell) =>
    witnessed(cell.relay, cell.there, async (witness) => {
      await witness.announce(102)
      return enters(async (client) => {
        client.messages.length = 0
        client.send(encoding.encode((encoder) => encoding.writeVarUint(encoder, 3)))
        await witness.announce(103)
        client.send(codec.step1Frame(EMPTY))
        await client.messageWhere(({ kind }) => kind === 'step-2')
        const told = [102, 103].filter((id) =>
          client.messages.some((message) => message.kind === 'awareness' && announces(message.bytes, id)),
        )
        return told.length === 2 ? 'sent' : told.length === 0 ? 'nothing' : `ONLY ${told.join()}`
      })(cell)
    })
}

const inRoom =
  (which: Which, work: InRoom, withReason = false): Driver =>
  (cell) =>
    enter(`${cell.relay.relay.url}/${cell[which]}`, cell.token, (client) => work(client, cell, cell[which]), withReason)

export const roomDrivers: Drivers = {
  connection: inRoom('there', async () => 'open', true),
  'connection to an absent document': inRoom('gone', async () => 'open', true),
  'step 1': inRoom('there', step1),
  'update of others': inRoom('there', live),
  update: inRoom('there', write(codec.updateFrame)),
  'update of an absent document': inRoom('gone', write(codec.updateFrame)),
  'step 2': inRoom('there', write(codec.step2Frame)),
  'step 2 of an absent document': inRoom('gone', write(codec.step2Frame)),
  awareness: presence((work) => inRoom('there', work)),
  'query awareness, and awareness of others': othersPresence((work) => inRoom('there', work)),
}

// y-sweet

interface Asked {
  readonly status: number
  readonly body: Uint8Array
}

/** A request of the SDK, with the token of the cell. */
async function asked({ relay, token }: Cell, method: string, path: string, body?: Uint8Array | object): Promise<Asked> {
  const response = await fetch(`${relay.relay.url.replace('ws', 'http')}${path}`, {
    method,
    headers: token === null ? {} : { authorization: `Bearer ${token}` },
    ...(body === undefined ? {} : { body: (body instanceof Uint8Array ? body : JSON.stringify(body)) as BodyInit }),
  })
  return { status: response.status, body: await response.bytes() }
}

const pathOf = (doc: string): string => encodeURIComponent(doc)

const statusOf =
  (method: string, path: (cell: Cell) => string, body?: (cell: Cell) => object): Driver =>
  async (cell) =>
    String((await asked(cell, method, path(cell), body?.(cell))).status)

const asUpdate =
  (which: Which): Driver =>
  async (cell) => {
    const { status, body } = await asked(cell, 'GET', `/d/${pathOf(cell[which])}/as-update`)
    return status !== 200 ? String(status) : shows([body]) ? 'sent' : 'nothing'
  }

const post =
  (which: Which): Driver =>
  async (cell) => {
    const { status } = await asked(cell, 'POST', `/d/${pathOf(cell[which])}/update`, freshUpdate(WORDS))
    return writeOutcome(cell, cell[which], WORDS, { saved: status === 200, refusal: status === 200 ? null : String(status) })
  }

const ySweetAddress = (doc: string): string => `/d/${pathOf(doc)}/ws/${doc}`

const inYSweet =
  (which: Which, work: InRoom, withReason = false): Driver =>
  (cell) =>
    enter(`${cell.relay.relay.url}${ySweetAddress(cell[which])}`, cell.token, (client) => work(client, cell, cell[which]), withReason)

/** With a client token that the relay gave for the token of the cell. */
const withGrant =
  (authorization: 'full' | 'read-only', which: Which, work: InRoom): Driver =>
  async (cell) => {
    const doc = cell[which]
    const { status, body } = await asked(cell, 'POST', `/doc/${pathOf(doc)}/auth`, { authorization })
    if (status !== 200) return String(status)
    const { token } = JSON.parse(new TextDecoder().decode(body)) as { token: string }
    return enter(`${cell.relay.relay.url}${ySweetAddress(doc)}`, token, (client) => work(client, cell, doc))
  }

export const ySweetDrivers: Drivers = {
  'POST /check_store': statusOf('POST', () => '/check_store'),
  'POST /doc/new': statusOf(
    'POST',
    () => '/doc/new',
    ({ there }) => ({ docId: there }),
  ),
  'POST /doc/new of an absent document': statusOf(
    'POST',
    () => '/doc/new',
    ({ gone }) => ({ docId: gone }),
  ),
  'POST /doc/:doc/auth': statusOf('POST', ({ there }) => `/doc/${pathOf(there)}/auth`),
  'POST /doc/:doc/auth of an absent document': statusOf('POST', ({ gone }) => `/doc/${pathOf(gone)}/auth`),
  'POST /doc/:doc/auth, read-only': statusOf(
    'POST',
    ({ there }) => `/doc/${pathOf(there)}/auth`,
    () => ({ authorization: 'read-only' }),
  ),
  'GET /d/:doc/as-update': asUpdate('there'),
  'GET /d/:doc/as-update of an absent document': asUpdate('gone'),
  'POST /d/:doc/update': post('there'),
  'POST /d/:doc/update of an absent document': post('gone'),
  connection: inYSweet('there', async () => 'open', true),
  'step 1': inYSweet('there', step1),
  'update of others': inYSweet('there', live),
  update: inYSweet('there', write(codec.updateFrame)),
  'update of an absent document': inYSweet('gone', write(codec.updateFrame)),
  'step 2, then 102': inYSweet('there', syncStatus),
  awareness: presence((work) => inYSweet('there', work)),
  'query awareness, and awareness of others': othersPresence((work) => inYSweet('there', work)),
  'update by a full client token': withGrant('full', 'there', write(codec.updateFrame)),
  'update of an absent document by a full client token': withGrant('full', 'gone', write(codec.updateFrame)),
  'update by a read-only client token': withGrant('read-only', 'there', write(codec.updateFrame)),
  'awareness by a read-only client token': presence((work) => withGrant('read-only', 'there', work)),
}
