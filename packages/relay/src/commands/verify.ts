// `syncline verify`: recomputes everything a data folder says of its documents, or compares two folders. Changes nothing. Rules: CL-3, CL-6.

import { SynclineError, toHex, type DocKey } from '@syncline/protocol'
import type { DocRow, StoreReader } from '@syncline/store'
import type { SqliteReading } from '@syncline/store/sqlite'
import { command, EXIT, jsonOption, spaceOption } from '../cli-command.ts'
import { documentsOf, spaceNamed, withReader } from '../data-folder.ts'
import { loadStored } from '../stored-document.ts'
import { counted, printable, type Terminal } from '../terminal.ts'

/** One thing that is wrong: with a document, with the folder as a whole (doc null), or between two folders. */
interface Problem {
  readonly doc: string | null
  readonly problem: string
}

export const verifyCommand = command({
  name: 'verify',
  summary: 'checks every document of a data folder, or compares two folders',
  usage: '[DIR [OTHER_DIR]] [options]',
  positionals: [0, 2],
  options: { space: spaceOption, json: { ...jsonOption, help: 'one JSON object per problem, and a last one with the sums' } },
  notes: [
    'Checks per document: the checksum of every row, that each update needs only earlier ones, that its ids add up to the',
    'stored digest, and that Yjs loads it with nothing pending; for the folder: that the digests add up to the stored root.',
    'Two folders are compared document by document, by knowledge digest and by content digest. DIR is ./syncline-data when',
    'not given. Works while a relay runs. Exit code 3: problems or differences were found.',
  ],
  examples: ['syncline verify /var/lib/syncline', 'syncline verify ./a ./b --json'],
  run: async ({ space: spaceName, json }, [first = './syncline-data', second], terminal) => {
    const problems: Problem[] = []
    const found = (problem: Problem): void => {
      problems.push(problem)
      terminal.print(json ? JSON.stringify(problem) : `${problem.doc === null ? 'folder' : printable(problem.doc)}: ${problem.problem}`)
    }
    const space = spaceNamed(spaceName)
    const documents = await withReader(first, space, (reader, reading) =>
      second === undefined
        ? verifyFolder(reading, found, terminal)
        : withReader(second, space, (other) => compareFolders([first, reader], [second, other], found, terminal)),
    )
    terminal.progressDone()
    const verdict =
      problems.length > 0
        ? counted(problems.length, second === undefined ? 'problem' : 'difference')
        : second === undefined
          ? 'no problems'
          : 'equal'
    if (json) terminal.print(JSON.stringify({ documents, problems: problems.length }))
    else terminal.print(`${counted(documents, 'document')} checked, ${verdict}`)
    return problems.length > 0 ? EXIT.problems : EXIT.ok
  },
})

function verifyFolder(reading: SqliteReading, found: (problem: Problem) => void, terminal: Terminal): number {
  const { reader } = reading
  const expected = reader.totals().documents
  const told = new Set<string>()
  const tell = (doc: string | null, problem: string): void => {
    if (!told.has(problem)) found({ doc, problem })
    told.add(problem)
  }
  let documents = 0
  for (const row of documentsOf(reader, (damage) => tell(null, damage.message))) {
    documents++
    const problem = row.quarantined
      ? `the stored document ${row.key} failed its checksum before and waits for a peer`
      : problemOf(() => loadStored(reader, row))
    if (problem !== null) tell(row.name, problem)
    terminal.progress(`${documents} of ${counted(expected, 'document')}`)
  }
  for (const problem of folderProblems(reading, terminal)) tell(null, problem)
  return documents
}

/** What the store finds wrong with the file as a whole: structure, counts, sums. Asked again while a relay commits in between. */
function folderProblems(reading: SqliteReading, terminal: Terminal): readonly string[] {
  const { reader } = reading
  for (let tries = 0; tries < 5; tries++) {
    const before = `${reader.head()} ${reader.nonce()}`
    const problems = reading.check((done, all) => terminal.progress(`checking the sums, ${done} of ${counted(all, 'document')}`))
    if (problems.length === 0 || `${reader.head()} ${reader.nonce()}` === before) return problems
  }
  terminal.note('The folder is being written all the time: its sums were not compared.')
  return []
}

function problemOf(check: () => unknown): string | null {
  try {
    const said = check()
    return typeof said === 'string' ? said : null
  } catch (error) {
    if (error instanceof SynclineError) return error.message
    throw error
  }
}

type Side = readonly [folder: string, reader: StoreReader]

function compareFolders(a: Side, b: Side, found: (problem: Problem) => void, terminal: Terminal): number {
  const left = rowsOf(a, found)
  const right = rowsOf(b, found)
  let documents = 0
  for (const [key, row] of left) {
    const other = right.get(key)
    documents++
    if (other === undefined) found({ doc: row.name, problem: `only in ${a[0]}` })
    else {
      const problem = difference(loadSide(a, row), loadSide(b, other))
      if (problem !== null) found({ doc: row.name, problem })
    }
    terminal.progress(`${documents} of ${counted(left.size, 'document')} compared`)
  }
  for (const [key, row] of right) {
    if (left.has(key)) continue
    documents++
    found({ doc: row.name, problem: `only in ${b[0]}` })
  }
  return documents
}

function rowsOf([folder, reader]: Side, found: (problem: Problem) => void): Map<DocKey, DocRow> {
  return new Map(
    [...documentsOf(reader, (damage) => found({ doc: null, problem: `in ${folder}: ${damage.message}` }))].map((row) => [row.key, row]),
  )
}

interface SideFacts {
  readonly folder: string
  readonly knowledge: string
  readonly content: string
}

function loadSide([folder, reader]: Side, row: DocRow): SideFacts | { readonly problem: string } {
  let facts: SideFacts | null = null
  const problem = problemOf(() => {
    const { contentDigest: content, knowledge } = loadStored(reader, row)
    facts = { folder, knowledge: knowledge.digest(), content: content === null ? 'none' : toHex(content) }
  })
  return facts ?? { problem: `in ${folder}: ${problem}` }
}

function difference(a: ReturnType<typeof loadSide>, b: ReturnType<typeof loadSide>): string | null {
  if ('problem' in a) return a.problem
  if ('problem' in b) return b.problem
  if (a.knowledge !== b.knowledge)
    return `the folders hold different updates (digest ${a.knowledge.slice(0, 12)} in ${a.folder}, ${b.knowledge.slice(0, 12)} in ${b.folder})`
  return a.content === b.content
    ? null
    : `the folders hold the same ids with different content: a fork (${a.content.slice(0, 12)} in ${a.folder}, ${b.content.slice(0, 12)} in ${b.folder})`
}
