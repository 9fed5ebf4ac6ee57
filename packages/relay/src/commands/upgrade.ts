// `syncline upgrade`: the files of a data folder that an older release wrote become files of the newest format, with a backup beside each. `serve` does the same at its start;
// the command is for doing it beforehand, or for one space that came later. Rules: UP-1 to UP-4, UP-6.

import { existsSync } from 'node:fs'
import { DEFAULT_SPACE, SynclineError, type SpaceId } from '@syncline/protocol'
import { openSqliteStore, type UpgradeNotice } from '@syncline/store/sqlite'
import { command, dataOption, EXIT, jsonOption } from '../cli-command.ts'
import { spaceFile, spaceNamed, storedSpaces } from '../data-folder.ts'
import { byteText, counted, type Terminal } from '../terminal.ts'
import { olderSpaces, upgradeSpaces } from '../upgrade-spaces.ts'

export const upgradeCommand = command({
  name: 'upgrade',
  summary: 'brings the files of an older release to the newest format, with a backup of each',
  usage: '[options]',
  positionals: [0, 0],
  options: {
    data: dataOption,
    space: { type: 'string', value: 'SPACE', help: 'this space only; without it, all of the folder' },
    json: { ...jsonOption, help: 'one JSON object per file and line, and a summary as the last' },
  },
  notes: [
    'Not while a relay runs on the data folder, except for one space (--space) that the relay does not have open.',
    'Each backup takes as much free space as its file and stays beside it: FILE.vN-backup. Delete it when nobody wants to go back.',
    'Exit code 4: some files could not be upgraded, and are as they were; the others are upgraded. Started again, it goes on from there.',
  ],
  examples: ['syncline upgrade --data ./syncline-data', 'syncline upgrade --data ./syncline-data --space acme'],
  async run({ data, space, json }, _, terminal) {
    const all = space === undefined ? storedSpaces(data) : [existing(data, spaceNamed(space))]
    if (all.length === 0) throw new SynclineError('store-missing', `There is no file of a space in ${data}.`)
    // A relay of an older release could not open what is upgraded under it.
    const holder = space === undefined && all.includes(DEFAULT_SPACE) ? await held(data, terminal, json) : null
    try {
      const older = olderSpaces(data).filter((one) => all.includes(one) && !(holder !== null && one === DEFAULT_SPACE))
      const failed = await upgradeAll(older, data, json, terminal)
      const upgraded = older.length - failed + (holder?.upgraded === true ? 1 : 0)
      // Of the newest format, or no files of ours.
      const counts = { upgraded, failed, left: all.length - upgraded - failed }
      if (json) terminal.print(JSON.stringify({ type: 'summary', ...counts }))
      terminal.note(`${counted(upgraded, 'file')} upgraded, ${failed} failed, ${counts.left} left as they are`)
      if (failed === 0) return EXIT.ok
      return upgraded > 0 ? EXIT.partial : EXIT.failure
    } finally {
      await holder?.release()
    }
  },
})

/** Throws "store-missing". */
function existing(data: string, space: SpaceId): SpaceId {
  const path = spaceFile(data, space)
  if (!existsSync(path)) throw new SynclineError('store-missing', `There is no ${path}.`)
  return space
}

/** The default space, upgraded and held until it is released: whoever else works on the folder has it open. Rejects with what openSqliteStore rejects with. */
async function held(data: string, terminal: Terminal, json: boolean): Promise<{ readonly upgraded: boolean; release(): Promise<void> }> {
  let upgraded = false
  const onUpgrade = (notice: UpgradeNotice): void => {
    upgraded ||= notice.stage === 'upgraded'
    tell(DEFAULT_SPACE, notice, '', json, terminal)
  }
  try {
    const store = await openSqliteStore({ path: spaceFile(data, DEFAULT_SPACE), space: DEFAULT_SPACE, durability: 'disk', onUpgrade })
    return { upgraded, release: () => store.close() }
  } finally {
    terminal.progressDone()
  }
}

/** How many failed. */
async function upgradeAll(older: readonly SpaceId[], data: string, json: boolean, terminal: Terminal): Promise<number> {
  const done = await upgradeSpaces(older, {
    folder: data,
    durability: 'disk',
    onUpgrade: (space, notice) => tell(space, notice, ` (${older.indexOf(space) + 1} of ${older.length})`, json, terminal),
    onFailed: (space, error) => {
      if (!(error instanceof SynclineError)) throw error
      if (json) terminal.print(JSON.stringify({ space, failed: error.code, reason: error.message }))
      else terminal.note(`${space}: ${error.message}`)
    },
  })
  terminal.progressDone()
  return older.length - done
}

function tell(
  space: SpaceId,
  { stage, from, to, backup, doneBytes, bytes }: UpgradeNotice,
  place: string,
  json: boolean,
  terminal: Terminal,
): void {
  if (stage !== 'upgraded')
    return terminal.progress(
      `${space}${place}: ${stage === 'copying' ? `backup, ${byteText(doneBytes)} of ${byteText(bytes)}` : 'changing the file'}`,
    )
  if (json) terminal.print(JSON.stringify({ space, from, to, bytes, backup }))
  else terminal.print(`${space}: format ${from} to ${to}, backup ${backup}`)
}
