// Two formats after the newest, made up for tests of upgrades: a table that is filled from the log, and a column. Both write much more than SQLite keeps in memory
// before it spills. Read by upgrade.test.ts and programs/upgrade.ts.

import type { Database } from '../src/sqlite/load-sqlite.ts'
import { FORMAT, migrations, type Migration } from '../src/sqlite/migrations.ts'

export const MADE_UP_FORMAT: number = FORMAT + 2

/** `at` is called in the middle of each step. */
export function madeUpSteps(at: (where: string) => void = () => undefined): readonly Migration[] {
  return [
    ...migrations,
    {
      version: FORMAT + 1,
      up: (db) => {
        db.exec('CREATE TABLE made_up(seq INTEGER PRIMARY KEY, data BLOB NOT NULL)')
        db.exec('INSERT INTO made_up SELECT seq, data FROM log WHERE seq % 2 = 0')
        at('in the first step')
        db.exec('INSERT INTO made_up SELECT seq, data FROM log WHERE seq % 2 = 1')
      },
    },
    {
      version: MADE_UP_FORMAT,
      up: (db) => {
        db.exec('ALTER TABLE made_up ADD COLUMN bytes INT NOT NULL DEFAULT 0')
        at('in the second step')
        db.exec('UPDATE made_up SET bytes = length(data)')
      },
    },
  ]
}

/** All of the old format or all of the new one: throws for anything between. Returns the format. */
export function wholeFormat(db: Database): number {
  const format = db.pragma('user_version', { simple: true }) as number
  const has = db.prepare<[], number>("SELECT count(*) FROM sqlite_schema WHERE name = 'made_up'").pluck().get() === 1
  if (format === FORMAT && !has) return format
  const wrong = has ? db.prepare<[], number>(WRONG_ROWS).pluck().get() : -1
  if (format === MADE_UP_FORMAT && wrong === 0) return format
  throw new Error(`format ${format}, and the made-up table ${has ? `has ${wrong} wrong rows` : 'is missing'}`)
}

const WRONG_ROWS = `SELECT count(*) FROM log LEFT JOIN made_up USING (seq)
  WHERE made_up.data IS NOT log.data OR made_up.bytes IS NOT length(log.data)`
