// `syncline inspect`: what is stored of one document. Rules: CL-3.

import { docKeyOf, isDeletion, parseDocId, SynclineError, toHex } from '@syncline/protocol'
import { command, dataOption, EXIT, jsonOption, spaceOption } from '../cli-command.ts'
import { spaceNamed, withReader } from '../data-folder.ts'
import { loadStored, rootNames } from '../stored-document.ts'
import { byteText, facts, printable } from '../terminal.ts'

export const inspectCommand = command({
  name: 'inspect',
  summary: 'shows what is stored of one document: digests, writers, sizes, root types',
  usage: 'DOCUMENT [options]',
  positionals: [1, 1],
  options: { data: dataOption, space: spaceOption, json: jsonOption },
  notes: ['Root types are named as Yjs stores them: their kind (text, map, array) is known only to the application.'],
  examples: ['syncline inspect note/42', 'syncline inspect note/42 --data /var/lib/syncline --json'],
  run: ({ data, space, json }, [name], terminal) =>
    withReader(data, spaceNamed(space), (reader) => {
      const doc = parseDocId(name!)
      const key = docKeyOf(spaceNamed(space), doc)
      const row = reader.doc(key)
      const held = reader.held(key)
      if (row === undefined && held.length === 0)
        throw new SynclineError('doc-missing', `There is no document ${JSON.stringify(doc)} in ${data}.`)
      const stored = row === undefined ? null : loadStored(reader, row)
      const content = stored === null ? null : stored.contentDigest
      const seen = {
        doc,
        key,
        digest: row?.digest ?? null,
        contentDigest: content === null ? null : toHex(content),
        writers: stored?.knowledge.clientCount() ?? 0,
        bytes: { snapshot: row?.snapshotBytes ?? 0, tail: row?.tailBytes ?? 0, asOneUpdate: stored?.update.length ?? 0 },
        tailRows: row?.tailRows ?? 0,
        lastSeq: row?.lastSeq ?? 0,
        snapshotSeq: stored?.snapshotSeq ?? null,
        heldUpdates: { count: held.length, bytes: held.reduce((sum, one) => sum + one.data.length, 0) },
        rootTypes: stored === null ? [] : rootNames(stored.update),
        quarantined: row?.quarantined ?? false,
        deleted: isDeletion(row?.docEpoch ?? 0),
      }
      if (json) terminal.print(JSON.stringify(seen))
      else {
        terminal.print(
          facts([
            ['document', printable(doc)],
            ['key', seen.key],
            ['knowledge digest', seen.digest ?? 'none'],
            ['content digest', seen.contentDigest ?? 'none'],
            ['writers', String(seen.writers)],
            ['snapshot', seen.snapshotSeq === null ? 'none' : `${byteText(seen.bytes.snapshot)}, at seq ${seen.snapshotSeq}`],
            ['tail', `${seen.tailRows} rows, ${byteText(seen.bytes.tail)}, to seq ${seen.lastSeq}`],
            ['as one update', byteText(seen.bytes.asOneUpdate)],
            ['held updates', `${seen.heldUpdates.count}, ${byteText(seen.heldUpdates.bytes)}`],
            ['root types', seen.rootTypes.map(printable).join(', ') || 'none'],
            ['state', stateText(seen)],
          ]),
        )
      }
      return EXIT.ok
    }),
})

function stateText({ quarantined, deleted }: { readonly quarantined: boolean; readonly deleted: boolean }): string {
  if (quarantined) return 'damaged: its checksum failed, it returns when a peer delivers it'
  return deleted ? 'deleted' : 'whole'
}
