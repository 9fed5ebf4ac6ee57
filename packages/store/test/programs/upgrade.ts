// upgrade.ts PATH WHERE: opens the file with the formats of made-up-formats.ts, prints where it has got to, and kills itself with SIGKILL at WHERE.

import { pid } from 'node:process'
import BetterSqlite from 'better-sqlite3'
import { DEFAULT_SPACE } from '@syncline/protocol'
import { SpaceFile } from '../../src/sqlite/space-file.ts'
import { madeUpSteps } from '../made-up-formats.ts'

const [path = '', where = ''] = process.argv.slice(2)

function at(place: string): void {
  process.stdout.write(`at ${place}\n`)
  if (place === where) process.kill(pid, 'SIGKILL')
}

/** Says when the copy was written, and when it was looked through. */
class WatchedSqlite extends BetterSqlite {
  private readonly isCopy: boolean

  constructor(file: string | Buffer, options?: BetterSqlite.Options) {
    super(file, options)
    this.isCopy = String(file).endsWith('.backup-part')
    if (this.isCopy) at('copied')
  }

  override close(): this {
    super.close()
    if (this.isCopy) at('looked through')
    return this
  }
}

const request = { path, space: DEFAULT_SPACE, durability: 'disk', replicaId: null, maxPages: null, atMs: 1_700_000_000_000 } as const
const how = { steps: madeUpSteps(at), onUpgrade: ({ stage }: { stage: string }): void => at(stage) }
const file = new SpaceFile(WatchedSqlite, request, how)
at('open')
file.close()
