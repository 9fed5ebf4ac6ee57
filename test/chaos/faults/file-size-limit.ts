// C6: a limit on the size of files (`ulimit -f`) is met by a relay while it writes. Rules: SQ-16, DU-1.

import { execFileSync, spawnSync } from 'node:child_process'
import { verdict, type Scenario } from '../scenario.ts'
import { faultsIn } from '../stored-content.ts'
import { Typist } from '../typist.ts'
import { meetFailingStore } from './failing-store.ts'

const DOCUMENTS = ['note/1', 'note/2', 'note/3']
/** In blocks of 512 bytes: 6 MiB, above the ballast and below the size at which the WAL is moved into the file. */
const LIMIT_BLOCKS = 12_288

export const fileSizeLimit: Scenario = {
  id: 'file-size-limit',
  fault: 'no file of a relay may grow further',
  how: 'ulimit -S -f of 6 MiB in the process that becomes the relay, lifted later with prlimit',
  expected:
    'as with a full disk: the process lives, says storage-failed with store-io or store-full, acknowledges nothing, serves reads, and takes writes again by itself within 60 s; nothing acknowledged is lost',
  deadlineMs: 180_000,
  async run(scene) {
    if (process.platform !== 'linux' || spawnSync('prlimit', ['--version']).status !== 0)
      return { ok: false, observed: '', skipped: 'the limit of a running process can be lifted with prlimit of Linux only' }
    const folder = scene.subfolder('data')
    const relay = await scene.relay(folder, { before: `ulimit -S -f ${LIMIT_BLOCKS}` })
    const writer = await Typist.open(scene, { name: 'writer', peers: [relay.url], documents: DOCUMENTS, valueBytes: 30_000 })
    const { observed, problems } = await meetFailingStore(scene, {
      relay,
      folder,
      writer,
      documents: DOCUMENTS,
      codes: ['store-io', 'store-full'],
      // The limit is there from the start: writing meets it.
      break: () => undefined,
      mend: () => void execFileSync('prlimit', ['--pid', String(relay.pid), '--fsize=unlimited'], { stdio: 'pipe' }),
    })
    return verdict(observed, [...problems, ...(await faultsIn(folder))])
  },
}
