import { expect, test } from 'vitest'
import { roomNameOf } from '../src/room-name.ts'

const docOf = (target: string): string => {
  const name = roomNameOf(target)
  return 'doc' in name ? name.doc : `refused: ${name.problem}`
}

/** What a stock client's `new WebSocket(server + '/' + room)` puts on the wire. */
const target = (room: string): string => {
  const url = new URL(`ws://127.0.0.1:4400/${room}`)
  return url.pathname + url.search
}

test('[YW-1] a room is named by its decoded path where encoding it again gives the same bytes, else by the raw path', () => {
  expect(docOf(target('räum mit leer/zeichen'))).toBe('räum mit leer/zeichen')
  expect(docOf(target('r-%41'))).toBe('r-%41')
  expect(docOf(target('r-A'))).toBe('r-A')
  expect(docOf('/a%2Fb')).toBe('a%2Fb')
  expect(docOf('/%c3%a4')).toBe('%c3%a4')
  expect(docOf('/%C3%A4')).toBe('ä')
  expect(docOf('/%FF')).toBe('%FF')
  expect(docOf('/100%')).toBe('100%')
  expect(docOf('/a%5Eb')).toBe('a^b')
  expect(docOf('/a^b')).toBe('a^b')
  expect(docOf('/%F0%9F%98%80/😀'.slice(0, 13))).toBe('😀')
})

test('[YW-1] the query string is not part of the name', () => {
  expect(docOf('/room?token=a%20b')).toBe('room')
  expect(docOf(target('room ä/x?y'))).toBe('room ä/x')
})

test('[YW-1] empty, over-long, NUL-bearing and ill-encoded names are refused with words', () => {
  expect(docOf('/')).toMatch(/^refused: .*empty/)
  expect(docOf('/?x')).toMatch(/^refused: .*empty/)
  expect(docOf('/a%00b')).toMatch(/^refused: .*NUL/)
  expect(docOf(`/${'x'.repeat(513)}`)).toMatch(/^refused: .*longer than 512 bytes/)
  expect(docOf(`/${'%C3%A4'.repeat(257)}`)).toMatch(/^refused: .*longer than 512 bytes/)
  expect(docOf(`/${'x'.repeat(512)}`)).toBe('x'.repeat(512))
  expect(docOf('/\xff')).toMatch(/^refused: .*UTF-8/)
  expect(docOf('http://127.0.0.1/room')).toMatch(/^refused/)
})

test('[YW-1] a name that a stock client pastes into its address comes back as it was', () => {
  for (const name of [
    'note/42',
    'räum mit leer/zeichen',
    'a"b<c>d`e{f}g^h',
    '日本語/ノート',
    '😀',
    "it's",
    'a+b&c=d;e,f!~*()',
    'r-%41',
    '100%',
    '%',
  ]) {
    expect(docOf(target(name))).toBe(name)
  }
})
