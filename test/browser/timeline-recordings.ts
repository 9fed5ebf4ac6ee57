// Recordings made by hand for the timeline: a run of four replicas with a crash, a partition and a hostile time that ends in a violation, and a long one. Drawn
// from a seed. Read by timeline.test.ts.

import type { Band, Point, RecordedMessage, Recording } from '../../packages/testing/src/timeline/recording.ts'

const replicas = ['hub', 'ada', 'ben', 'cleo']
const documents = ['notes/plan', 'notes/diary', 'todo/home']
const fates = ['lost', 'late', 'corrupted', 'truncated']
const healedMs = 9_000

/** 0 to below 1; the same for the same seed. */
function chanceOf(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}

/** Edits, commits and messages of three guests of a hub; a crash of ben at 3.2 s, cleo apart from 4.5 to 6.4 s, hostile links from 6.6 to 8.4 s. */
export function brokenRun(edits = 90): Recording {
  const chance = chanceOf(7)
  const points: Point[] = replicas.map((replica, at) => ({
    atMs: at * 3,
    replica,
    kind: 'start',
    text: `starts as 4f0c${at}a21, epoch 77aa01${at}f, head 0`,
  }))
  const messages: RecordedMessage[] = []
  const point = (atMs: number, replica: string, kind: Point['kind'], text: string): void => void points.push({ atMs, replica, kind, text })
  const heads = new Map(replicas.map((name) => [name, 0]))
  const commit = (atMs: number, replica: string): void => {
    heads.set(replica, heads.get(replica)! + 1)
    point(atMs, replica, 'commit', `committed to ${heads.get(replica)}`)
  }
  const isDown = (replica: string, ms: number): boolean => replica === 'ben' && ms > 3_200 && ms < 4_100
  const send = (from: string, to: string, sentMs: number, text: string, idle = false): RecordedMessage => {
    const message = { from, to, sentMs, arrivedMs: sentMs + 12 + chance() * 60, fate: '', text, idle } as RecordedMessage
    if ([from, to].includes('cleo') && sentMs > 4_500 && sentMs < 6_400)
      Object.assign(message, { fate: 'stalled', arrivedMs: 6_400 + chance() * 40 })
    if (sentMs > 6_600 && sentMs < 8_400 && chance() < 0.3) suffer(message, fates[Math.floor(chance() * 4)]!)
    if (isDown(to, message.arrivedMs!)) Object.assign(message, { fate: 'lost', arrivedMs: null })
    messages.push(message)
    return message
  }
  const suffer = (message: RecordedMessage, fate: string): void => {
    message.fate = fate
    if (fate === 'lost') message.arrivedMs = null
    if (fate === 'late') message.arrivedMs = message.arrivedMs! + 300
  }
  for (const guest of replicas.slice(1)) {
    send(guest, 'hub', 20, `hello(replica:4f0c1a21 versions:[1])`)
    send('hub', guest, 24, `hello(replica:4f0c0a21 versions:[1]), position(epoch:77aa010f head:0)`)
  }
  for (let i = 0; i < edits; i++) {
    const sinceMs = i < edits * 0.9 ? (i / edits) * 9_600 : 11_000 + (i / edits) * 600
    const at = sinceMs + chance() * 60
    const author = replicas[1 + Math.floor(chance() * 3)]!
    if (isDown(author, at)) continue
    const which = Math.floor(chance() * 3)
    const row = (first: boolean): string => `entries(rows:[doc ${which}${first ? `=${documents[which]!}` : ''} ${1000 + i}:${i}-${i + 3}])`
    point(at, author, 'edit', `edits ${documents[which]!}`)
    commit(at + 2, author)
    const up = send(author, 'hub', at + 2.5, row(i < 12))
    if (up.arrivedMs === null || up.fate === 'corrupted' || up.fate === 'truncated') continue
    commit(up.arrivedMs + 1, 'hub')
    send('hub', author, up.arrivedMs + 1.4, `ack(epoch:77aa010f upTo:${heads.get('hub')})`)
    for (const other of replicas.slice(1)) {
      if (other === author) continue
      const down = send('hub', other, up.arrivedMs + 1.6, row(i < 12))
      if (down.arrivedMs !== null) commit(down.arrivedMs + 1, other)
    }
  }
  for (let ms = 1_000; ms < 42_000; ms += 1_000) for (const guest of replicas.slice(1)) send(guest, 'hub', ms, `ping(nonce:${ms})`, true)
  point(3_200, 'ben', 'crash', 'dies quietly, head 14')
  point(4_100, 'ben', 'start', 'starts as 4f0c2a21, epoch 91bb020c, head 12')
  point(4_800, 'hub', 'event', 'event {"kind":"link-quiet","link":3}')
  point(41_200, 'cleo', 'event', 'event {"kind":"roots-differ","peer":"hub","documents":1}')
  const bands: Band[] = [
    { fromMs: 4_500, toMs: 6_400, kind: 'partition', replicas: ['cleo'], text: 'partition for 1900 ms: cleo apart from hub, frames wait' },
    { fromMs: 6_600, toMs: 8_400, kind: 'hostile', replicas: [], text: 'hostile for 1800 ms: lose 0.05, reorder 0.05, corrupt 0.05' },
    { fromMs: 3_200, toMs: 4_100, kind: 'crash', replicas: ['ben'], text: 'crash for 900 ms' },
    { fromMs: 7_000, toMs: 8_000, kind: 'slow', replicas: ['hub', 'ada'], text: 'slow for 1000 ms: 0.5 bytes per ms' },
  ]
  const text =
    'replicas did not become equal within 30 s: cleo lacks 1042:42-45 of notes/plan, which ada wrote at 4.93 s and hub has.\nroots: hub 77d0f1, ada 77d0f1, ben 77d0f1, cleo 0c1a55'
  const title = 'seed 8123: star of 4, CV-2'
  return { title, replicas, points, messages, bands, healedMs, endMs: 41_500, violation: { rule: 'CV-2', text } }
}

/** `count` messages in a minute, and a point for every ten. */
export function longRun(count: number): Recording {
  const chance = chanceOf(11)
  const moments = Array.from({ length: count }, () => chance() * 60_000).sort((a, b) => a - b)
  const messages = moments.map((sentMs, i): RecordedMessage => {
    const from = Math.floor(chance() * 4)
    const to = (from + 1 + Math.floor(chance() * 3)) % 4
    const isLost = chance() < 0.02
    const text = `entries(rows:[doc ${i % 3}=${documents[i % 3]!} ${i}:0-3])`
    return {
      from: replicas[from]!,
      to: replicas[to]!,
      sentMs,
      arrivedMs: isLost ? null : sentMs + 10 + chance() * 90,
      fate: isLost ? 'lost' : '',
      text,
      idle: false,
    }
  })
  const points = messages
    .filter((_, i) => i % 10 === 0)
    .map(({ sentMs, from }, i): Point => ({ atMs: sentMs, replica: from, kind: i % 2 === 0 ? 'edit' : 'commit', text: `point ${i}` }))
  return { title: `${count} messages`, replicas, points, messages, bands: [], healedMs: 50_000, endMs: 61_000, violation: null }
}
