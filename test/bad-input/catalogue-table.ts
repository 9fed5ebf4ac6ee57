// The catalogue as docs/faults.md shows it: for each number what is sent first of all under it, in how many ways, and at which doors. Read by catalogue.test.ts, which
// compares the page with it.

import { CATALOGUE_MAX, type AttackCase, type Door } from './catalogue.ts'
import { clientCases } from './client-cases.ts'
import { doorSessionCases } from './door-session-cases.ts'
import { doorTransportCases } from './door-transport-cases.ts'
import { payloadCases } from './payload-cases.ts'
import { sessionCases } from './session-cases.ts'
import { laterCases, rightsCases, storageCases } from './storage-cases.ts'
import { tokenCases } from './token-cases.ts'
import { transportCases } from './transport-cases.ts'

type Place = Door | 'files'

/** In the order of the page. */
const places: readonly (readonly [Place, string])[] = [
  ['http', 'HTTP'],
  ['native', 'native'],
  ['room', 'y-websocket'],
  ['hocuspocus', 'Hocuspocus'],
  ['y-sweet', 'y-sweet'],
  ['json', 'HTTP API'],
  ['admin', 'admin port'],
  ['api', 'client'],
  ['files', 'files'],
]

const TAKERS: readonly Place[] = ['native', 'room', 'hocuspocus', 'y-sweet', 'json']

interface OwnTest {
  readonly number: number
  readonly file: string
  readonly what: string
  readonly at: readonly Place[]
}

/** Cases that are many updates or a life of their own, and their files here. */
export const ownTests: readonly OwnTest[] = [
  { number: 34, file: 'token.test.ts', what: 'HS256 signed with a public key', at: TAKERS },
  { number: 36, file: 'token.test.ts', what: 'a token in the URL', at: TAKERS },
  { number: 40, file: 'token.test.ts', what: 'a policy of a megabyte, or with ten thousand nodes', at: ['files'] },
  { number: 46, file: 'token.test.ts', what: 'rights that end in the middle of an update', at: TAKERS },
  { number: 47, file: 'token.test.ts', what: 'a renewal by a token of somebody else', at: ['native', 'hocuspocus'] },
  { number: 52, file: 'payload-swarm.test.ts', what: 'one update cut at every byte', at: TAKERS },
  { number: 53, file: 'payload-swarm.test.ts', what: 'one update with every bit flipped', at: TAKERS },
  { number: 57, file: 'payload-swarm.test.ts', what: 'a delete of the future', at: ['native'] },
  { number: 85, file: 'payload-swarm.test.ts', what: 'ten thousand updates that lack something', at: ['native', 'room'] },
  { number: 87, file: 'rewind.test.ts', what: 'a cursor ahead of the head', at: ['native'] },
  { number: 104, file: 'client.test.ts', what: 'a cyclic value', at: ['api'] },
  { number: 107, file: 'client.test.ts', what: 'a write after close', at: ['api'] },
]

interface Way {
  readonly number: number
  readonly what: string
  readonly at: readonly Place[]
}

/** Of tests whose titles say what is right, not what is wrong. */
const filesSay: Readonly<Record<number, string>> = { 98: 'bits of a database that flip', 99: 'a database that was put back' }

const attacked = ({ number, what, door }: AttackCase): Way => ({ number, what, at: [door] })

/** What gave the number its name comes first. */
export const ways: readonly Way[] = [
  ...transportCases.map(attacked),
  ...sessionCases.map(attacked),
  ...payloadCases.map(({ number, what }): Way => ({ number, what, at: TAKERS })),
  ...tokenCases.map(({ number, what }): Way => ({ number, what, at: TAKERS })),
  ...ownTests,
  ...doorTransportCases.map(attacked),
  ...doorSessionCases.map(attacked),
  ...clientCases.map(({ number, what }): Way => ({ number, what, at: ['api'] })),
  ...storageCases.map(({ number, title }): Way => ({ number, what: filesSay[number] ?? title, at: ['files'] })),
  ...rightsCases.map(({ number }): Way => ({
    number,
    what: number === 44 ? 'forbidden or absent' : 'a write with the right to read',
    at: TAKERS,
  })),
]

/** Lines of the table, without its head. */
export function catalogueLines(): string[] {
  const numbers = Array.from({ length: CATALOGUE_MAX }, (_, index) => index + 1)
  return numbers.map((number) => {
    const mine = ways.filter((way) => way.number === number)
    const later = laterCases.find((one) => one.number === number)
    if (later !== undefined) return `| ${number} | waits: ${later.later} | |`
    const whats = [...new Set(mine.map(({ what }) => what))]
    const others = whats.length === 1 ? '' : `, and ${whats.length - 1} more`
    const at = places.flatMap(([place, name]) => (mine.some((way) => way.at.includes(place)) ? [name] : []))
    return `| ${number} | ${whats[0]?.replaceAll('|', '')}${others} | ${at.join(', ')} |`
  })
}
