// The rows of the access matrix on the admin port: every route of the HTTP API, and the three that anybody who reaches the port may ask.

import { shows, CONTENT, type Cell, type Driver, type Drivers } from './access-cells.ts'
import { freshUpdate } from './room-client.ts'

const WORDS = 'written by the cell'

type Which = 'there' | 'gone'

interface Asked {
  readonly status: number
  readonly body: Uint8Array
}

async function asked({ relay, token }: Cell, path: string, init: RequestInit = {}): Promise<Asked> {
  const headers = token === null ? {} : { authorization: `Bearer ${token}` }
  const response = await fetch(`${relay.adminUrl}${path}`, { ...init, headers: { ...headers, ...init.headers } })
  return { status: response.status, body: await response.bytes() }
}

const textIn = ({ body }: Asked): string => new TextDecoder().decode(body)

const documentPath = (doc: string, rest = ''): string => `/api/documents/${encodeURIComponent(doc)}${rest}`

/** A read: `sent` when the answer holds what it must. */
function read(path: (cell: Cell) => string, holds: (answer: Asked, cell: Cell) => boolean): Driver {
  return async (cell) => {
    const answer = await asked(cell, path(cell))
    if (answer.status !== 200) return String(answer.status)
    return holds(answer, cell) ? 'sent' : 'nothing'
  }
}

function write(
  which: Which,
  path: (doc: string) => string,
  init: (words: string) => RequestInit,
  holds: (cell: Cell, doc: string) => boolean,
): Driver {
  return async (cell) => {
    const doc = cell[which]
    const { status } = await asked(cell, path(doc), init(WORDS))
    const stored = holds(cell, doc)
    if (stored !== (status === 200)) return stored ? 'STORED AND NOT SAID' : 'CALLED SAVED AND NOT STORED'
    return stored ? 'stored' : String(status)
  }
}

const post = (which: Which): Driver =>
  write(
    which,
    (doc) => documentPath(doc, '/update'),
    (words) => ({ method: 'POST', body: freshUpdate(words) as BodyInit }),
    ({ relay }, doc) => relay.has(doc) && relay.textOf(doc).includes(WORDS),
  )

const patch = (which: Which): Driver =>
  write(
    which,
    (doc) => documentPath(doc, '/maps/fields'),
    (words) => ({ method: 'PATCH', body: JSON.stringify({ title: words }), headers: { 'content-type': 'application/json' } }),
    ({ relay }, doc) => relay.has(doc) && relay.fieldOf(doc, 'title') === WORDS,
  )

const remove =
  (which: Which): Driver =>
  async (cell) => {
    const { status } = await asked(cell, documentPath(cell[which]), { method: 'DELETE' })
    const isThere = cell.relay.has(cell[which])
    if (which === 'there' && isThere !== (status !== 200)) return isThere ? 'CALLED DELETED AND THERE' : 'GONE AND NOT SAID'
    return status === 200 ? 'deleted' : String(status)
  }

/** What is left of a document that was deleted, for whoever may delete it. */
const remains: Driver = async (cell) => {
  await cell.relay.remove(cell.there)
  return read(
    ({ there }) => documentPath(there, '/remains'),
    ({ body }) => shows([body]),
  )(cell)
}

const recreate: Driver = async (cell) => {
  await cell.relay.remove(cell.there)
  const { status } = await asked(cell, documentPath(cell.there, '/recreate'), { method: 'POST' })
  return status === 200 ? 'recreated' : String(status)
}

/** An event stream has no end: the head of its answer says who gets it. */
const events: Driver = async ({ relay, token }) => {
  const stop = new AbortController()
  const headers = token === null ? {} : { authorization: `Bearer ${token}` }
  const { status } = await fetch(`${relay.adminUrl}/api/events`, { headers, signal: stop.signal })
  stop.abort()
  return status === 200 ? 'sent' : String(status)
}

const names = (answer: Asked, { there }: Cell): boolean => textIn(answer).includes(JSON.stringify(there))
const something = ({ body }: Asked): boolean => body.length > 0

export const httpDrivers: Drivers = {
  'GET /api/documents': read(({ there }) => `/api/documents?limit=500&prefix=${encodeURIComponent(there)}`, names),
  'GET /api/documents/:name': read(
    ({ there }) => documentPath(there),
    (answer) => textIn(answer).includes(CONTENT),
  ),
  'GET /api/documents/:name, absent': read(({ gone }) => documentPath(gone), something),
  'GET /api/documents/:name/log': read(({ there }) => documentPath(there, '/log'), something),
  'GET /api/documents/:name/update': read(
    ({ there }) => documentPath(there, '/update'),
    ({ body }) => shows([body]),
  ),
  'GET /api/documents/:name/update, absent': read(({ gone }) => documentPath(gone, '/update'), something),
  'POST /api/documents/:name/update': post('there'),
  'POST /api/documents/:name/update, absent': post('gone'),
  'PATCH /api/documents/:name/maps/:root': patch('there'),
  'PATCH /api/documents/:name/maps/:root, absent': patch('gone'),
  'DELETE /api/documents/:name': remove('there'),
  'DELETE /api/documents/:name, absent': remove('gone'),
  'GET /api/documents/:name/remains, deleted': remains,
  'POST /api/documents/:name/recreate, deleted': recreate,
  'GET /api/changes': changes,
  'GET /api/status': read(() => '/api/status', something),
  'GET /api/spaces': read(() => '/api/spaces', something),
  'GET /api/history': read(() => '/api/history', something),
  'GET /api/events': events,
  'a route that is none': read(() => '/api/nothing', something),
  'GET /metrics': read(() => '/metrics', something),
  'GET /livez': read(() => '/livez', something),
  'GET /readyz': read(() => '/readyz', something),
}

/** Page by page, as a follower does. */
async function changes(cell: Cell): Promise<string> {
  for (let position: string | null = null; ;) {
    const answer = await asked(cell, `/api/changes?limit=1000${position === null ? '' : `&after=${position}`}`)
    if (answer.status !== 200) return String(answer.status)
    if (names(answer, cell)) return 'sent'
    const page = JSON.parse(textIn(answer)) as { position: string; more: boolean }
    if (!page.more) return 'nothing'
    position = page.position
  }
}
