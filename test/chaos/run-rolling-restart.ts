// The long form of the rolling restart: 50 y-websocket, 20 Hocuspocus and 20 native clients, two rounds. Bounded (some two minutes), on loopback only.
//
//   node --conditions=syncline-source test/chaos/run-rolling-restart.ts [ROUNDS]
//
// Exit code 0: nothing lost and no error beyond reconnects; 1: something was.

import { isHaproxyHere } from '../integration/haproxy.ts'
import { rollingRestart } from './rolling-restart.ts'

if (!isHaproxyHere) {
  console.log('skipped: there is no haproxy here (Debian package haproxy)')
  process.exit(0)
}
const result = await rollingRestart({
  clients: { 'y-websocket': 50, hocuspocus: 20, native: 20 },
  rounds: Number(process.argv[2] ?? 2),
  typeEveryMs: 500,
  documents: 15,
  visitors: 3,
  report: (line) => console.log(line),
})
console.log(JSON.stringify({ ...result, lost: result.lost.slice(0, 20), errors: result.errors.slice(0, 20) }, null, 2))
console.log(`${result.lost.length} lost, ${result.errors.length} errors`)
process.exit(result.lost.length + result.errors.length === 0 ? 0 : 1)
