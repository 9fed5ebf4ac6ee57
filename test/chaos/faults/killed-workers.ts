// C1 with workers: kill -9 of a worker, of the process with the port, and of all of them, again and again (the campaign of kill-workers.ts as a scenario).
// Rules: DU-1, WK-1, WK-3, WK-4.

import { KILLS, killWorkersCampaign, killWorkersLine, type Kill } from '../kill-workers.ts'
import { verdict, type Scenario } from '../scenario.ts'

const ROUNDS = 12

export const killedWorkers: Scenario = {
  id: 'kill-workers',
  fault: 'processes of a relay with two workers are killed with 20 writers at work in four spaces',
  how: 'SIGKILL of a worker (sometimes again while it starts), of the process with the port and a start at once (sometimes beside a stopped worker that has its files still), or of all, by turns, with edits under way on native and y-websocket links',
  expected:
    'no acknowledged edit is missing; writers of another worker keep their connections; all spaces are back within 60 s by themselves or after the start; each space is open in one process at a time, whoever else opens it is refused; no process is left; replicas that stayed have the roots of the files',
  deadlineMs: 1_200_000,
  async run(scene) {
    const rounds = scene.rounds ?? ROUNDS
    const load = scene.brief ? { writers: 12, ackedMin: 150, underWayMin: 30 } : { writers: 20, ackedMin: 600, underWayMin: 100 }
    const result = await killWorkersCampaign(scene, { rounds, ...load }, (round) => scene.report(killWorkersLine(round)))
    if (result === null) return { ok: false, observed: '', skipped: 'this system does not show the processes of a relay (/proc)' }
    const lost = new Set([...result.rounds.flatMap((round) => round.lost), ...result.lostAtEnd])
    const sum = (of: 'acked' | 'underWay'): number => result.rounds.reduce((total, round) => total + round[of], 0)
    const most = (of: 'backMs' | 'goneMs'): number => Math.round(Math.max(...result.rounds.map((round) => round[of])))
    const kills = (kill: Kill): number => result.rounds.filter((round) => round.kill === kill).length
    const pauseMs = Math.round(Math.max(0, ...result.rounds.map(({ others }) => others?.pauseMs ?? 0)))
    const problems = [
      ...[...lost].slice(0, 20).map((token) => `lost: ${token}`),
      ...result.rounds.flatMap((round) => round.problems.map((problem) => `round ${round.round}: ${problem}`)),
      ...result.problems,
    ]
    return verdict(
      `${KILLS.map((kill) => `${kills(kill)} ${kill}`).join(', ')} kills: ${sum('acked')} acknowledged, ${lost.size} lost, ${sum('underWay')} under way; back within ${most('backMs')} ms; the other worker's writers kept their connections, longest pause ${pauseMs} ms; one owner in all of ${result.looks} looks, ${result.overlaps} of them with processes of two trees; the last of a killed tree gone after ${most('goneMs')} ms`,
      problems,
    )
  },
}
