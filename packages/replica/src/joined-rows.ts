// Rows of the log that a link has missed, as few and as small as they can be: those of one document and origin become one row, and its updates are joined (protocol
// byte-join.ts). Decides which rows may be one. Twenty times fewer bytes for typing, at a cost that is paid for what was missed, not for the document. Read by
// server.ts. Rules: CV-1, I2, RS-1.
//
// What a log promises still holds of the rows that are sent, in their order:
// - Nothing stands before what it refers to: a row joins an earlier one of its document only if it names no client that a row between them introduces.
// - An origin's rows have ascending numbers, and one that says n comes after everything of that origin before n, as in the log. So of rows that were joined past others of
//   their origin only the last says how far the origin has come; 0 says nothing.
// - All of them are one message, which its receiver commits as a whole together with the cursor: nobody ever stands between two of them.

import {
  frameUpdates,
  isRefusal,
  joinUpdates,
  unframeUpdates,
  walkUpdate,
  type DocKey,
  type EpochNonce,
  type UpdateFacts,
} from '@syncline/protocol'

export interface JoinableRow {
  readonly doc: DocKey
  readonly docEpoch: number
  readonly origin: EpochNonce
  readonly n: number
  /** Framed updates. */
  readonly data: Uint8Array
}

interface Group<Row extends JoinableRow> {
  readonly place: number
  /** In log order. */
  readonly rows: Row[]
  bytes: number
}

/** Of the rows that become one: so it holds fewer updates than a row may, were none of them joined. */
const GROUP_BYTES_MAX = 128 * 1024

/** `rows`, in log order, joined: each result is one of them with the data of all that it stands for. Cost: about 0.5 us for an update. */
export function joinRows<Row extends JoinableRow>(rows: readonly Row[]): Row[] {
  const groups = grouped(rows)
  const numbers = numbersOf(groups)
  return groups.map(({ rows: of }, index): Row => ({ ...of[0]!, n: numbers[index]!, data: joinedData(of) }))
}

function grouped<Row extends JoinableRow>(rows: readonly Row[]): Group<Row>[] {
  const groups: Group<Row>[] = []
  // While all are of one origin none stands between two of a document.
  const several = rows.some(({ origin }) => origin !== rows[0]!.origin)
  const ofDocument = new Map<DocKey, DocumentGroups<Row>>()
  for (const row of rows) {
    let known = ofDocument.get(row.doc)
    if (known === undefined) ofDocument.set(row.doc, (known = new DocumentGroups(several)))
    const group = known.groupFor(row)
    if (group !== null) {
      group.rows.push(row)
      group.bytes += row.data.length
      continue
    }
    const begun = { place: groups.length, rows: [row], bytes: row.data.length }
    groups.push(begun)
    known.begin(row, begun)
  }
  return groups
}

/** The groups of one document. */
class DocumentGroups<Row extends JoinableRow> {
  readonly #several: boolean
  /** The newest of each origin in the newest life. */
  readonly #ofOrigin = new Map<EpochNonce, Group<Row>>()
  #docEpoch = -1
  /** By Yjs client: the last group with structs of it. */
  readonly #introduced = new Map<number, Group<Row>>()

  constructor(several: boolean) {
    this.#several = several
  }

  /** The one that the row may join; null: none. */
  groupFor(row: Row): Group<Row> | null {
    const group = row.docEpoch === this.#docEpoch ? this.#ofOrigin.get(row.origin) : undefined
    if (group === undefined || group.bytes + row.data.length > GROUP_BYTES_MAX) return null
    if (!this.#several) return group
    const facts = factsOf(row)
    if (facts === null || facts.some((each) => this.#needsLater(each, group))) return null
    this.#introduces(facts, group)
    return group
  }

  begin(row: Row, group: Group<Row>): void {
    if (row.docEpoch !== this.#docEpoch) {
      this.#docEpoch = row.docEpoch
      this.#ofOrigin.clear()
    }
    this.#ofOrigin.set(row.origin, group)
    if (this.#several) this.#introduces(factsOf(row) ?? [], group)
  }

  #introduces(facts: readonly UpdateFacts[], group: Group<Row>): void {
    for (const { structs } of facts) {
      for (let i = 0; i < structs.length; i += 3) {
        const known = this.#introduced.get(structs[i]!)
        if (known === undefined || known.place < group.place) this.#introduced.set(structs[i]!, group)
      }
    }
  }

  #needsLater({ structs, dependencies, deletes }: UpdateFacts, { place }: Group<Row>): boolean {
    const isLater = (client: number): boolean => (this.#introduced.get(client)?.place ?? -1) > place
    for (let i = 0; i < structs.length; i += 3) if (isLater(structs[i]!)) return true
    for (let i = 0; i < dependencies.length; i += 2) if (isLater(dependencies[i]!)) return true
    for (let i = 0; i < deletes.length; i += 3) if (isLater(deletes[i]!)) return true
    return false
  }
}

/** Null where they cannot be told. */
function factsOf({ data }: JoinableRow): UpdateFacts[] | null {
  const facts: UpdateFacts[] = []
  for (const update of unframeUpdates(data) ?? []) {
    const found = walkUpdate(update)
    if (isRefusal(found)) return null
    facts.push(found)
  }
  return facts
}

/** What each group says of how far its origin has come: as far as the rows up to it do, and no further than what comes later begins. */
function numbersOf<Row extends JoinableRow>(groups: readonly Group<Row>[]): number[] {
  const upTo = new Map<EpochNonce, number>()
  const numbers = groups.map(({ rows }) => {
    const said = Math.max(...rows.map(({ n }) => n))
    const { origin } = rows[0]!
    if (said > 0) upTo.set(origin, Math.max(said, upTo.get(origin) ?? 0))
    return said > 0 ? upTo.get(origin)! : 0
  })
  const laterFrom = new Map<EpochNonce, number>()
  for (let index = groups.length - 1; index >= 0; index--) {
    const { rows } = groups[index]!
    const { origin } = rows[0]!
    const later = laterFrom.get(origin) ?? Infinity
    numbers[index] = Math.min(numbers[index]!, later)
    laterFrom.set(
      origin,
      rows.reduce((least, { n }) => (n > 0 ? Math.min(least, n) : least), later),
    )
  }
  return numbers
}

function joinedData(rows: readonly JoinableRow[]): Uint8Array {
  const data = rows.length === 1 ? rows[0]!.data : concatenated(rows)
  const updates = unframeUpdates(data)
  return updates === null || updates.length < 2 ? data : frameUpdates(joinUpdates(updates))
}

/** Framed updates, one after another, are framed updates. */
function concatenated(rows: readonly JoinableRow[]): Uint8Array {
  const data = new Uint8Array(rows.reduce((sum, row) => sum + row.data.length, 0))
  let at = 0
  for (const row of rows) {
    data.set(row.data, at)
    at += row.data.length
  }
  return data
}
