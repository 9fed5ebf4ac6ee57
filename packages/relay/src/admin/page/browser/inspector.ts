// One document: its content as a tree, who wrote it, the tail of its log. Looks at the log every few seconds; loads the content anew when it changed and is not
// large, and else says that it changed. Read by documents-view.ts. Rules: PG-1, PG-2, PG-3.

import type { DocumentAnswer, LogAnswer } from './answers.ts'
import { ContentTree } from './content-tree.ts'
import { part, setText } from './elements.ts'
import { wallMs } from './page-clock.ts'
import { Refused, type RelayClient } from './relay-client.ts'
import { RowTable, type Cell } from './row-table.ts'
import { bytesText, clockText, countedText, countText, nameText, shortId } from './shown-text.ts'

/** Larger content is loaded anew only when asked for. */
const FOLLOWED_BYTES_MAX = 256 * 1024
const LOG_ROWS = 50

export class Inspector {
  /** The document that is shown. */
  name: string | null = null
  private readonly client: RelayClient
  private readonly panel = part('inspector')
  private readonly heading = part('inspector-name')
  private readonly facts = part('inspector-facts')
  private readonly trouble = part('inspector-trouble')
  private readonly tree = new ContentTree(part('content'))
  private readonly writers = new RowTable(part('writers'), 'Writers', [
    { heading: 'Client', kind: 'number' },
    { heading: 'Clock', kind: 'number' },
  ])
  private readonly log = new RowTable(part('log'), 'Log tail', [
    { heading: 'Position', kind: 'number' },
    { heading: 'Bytes', kind: 'number' },
    { heading: 'Kind', kind: 'text' },
    { heading: 'Origin', kind: 'name' },
  ])
  private shown: DocumentAnswer | null = null
  /** Counts what was shown: a document of another space may have the same name. */
  private turn = 0
  private isLoading = false

  constructor(client: RelayClient) {
    this.client = client
  }

  /** Null closes it. Resolves when it shows the document or says why not. */
  async show(name: string | null): Promise<void> {
    if (name === this.name) return
    this.turn++
    this.name = name
    this.shown = null
    this.panel.hidden = name === null
    if (name === null) return
    setText(this.heading, nameText(name))
    this.heading.title = nameText(name)
    this.clear('')
    setText(this.facts, 'Loading …')
    await this.load()
  }

  /** Loads everything anew. `isFollowing`: nobody asked for it, so a space that is closed stays so. */
  async load(isFollowing = false): Promise<void> {
    const { name, turn } = this
    if (name === null) return
    this.isLoading = true
    try {
      const path = `documents/${encodeURIComponent(name.toWellFormed())}`
      const [answer, log] = await Promise.all([
        this.client.get<DocumentAnswer>(isFollowing ? `${path}?follow` : path),
        this.client.get<LogAnswer>(`${path}/log?limit=${LOG_ROWS}${isFollowing ? '&follow' : ''}`),
      ])
      if (this.turn === turn) this.take(answer, log)
    } catch (error) {
      if (this.turn === turn) this.fail(error)
    } finally {
      this.isLoading = false
    }
  }

  /** Looks whether it changed. Cost: one small request. */
  async follow(): Promise<void> {
    const { name, shown, turn } = this
    if (name === null || this.isLoading) return
    if (shown === null) return this.load(true)
    try {
      const log = await this.client.get<LogAnswer>(`documents/${encodeURIComponent(name.toWellFormed())}/log?limit=${LOG_ROWS}&follow`)
      if (this.turn !== turn || this.shown !== shown) return
      this.takeLog(log)
      const newest = log.rows[0]?.seq ?? shown.lastSeq
      if (newest === shown.lastSeq) return setText(this.trouble, '')
      if (shown.bytes <= FOLLOWED_BYTES_MAX) return this.load(true)
      setText(this.trouble, `It changed: position ${countText(newest)}. Press r to load it anew.`)
    } catch (error) {
      if (this.turn === turn) setText(this.trouble, wordsOf(error))
    }
  }

  focus(): void {
    if (!this.tree.focus()) this.heading.focus()
  }

  private take(answer: DocumentAnswer, log: LogAnswer): void {
    const isOther = this.shown === null
    this.shown = answer
    setText(this.trouble, '')
    const facts = [
      bytesText(answer.bytes),
      `position ${countText(answer.lastSeq)}`,
      countedText(answer.writers.length, 'writer'),
      `as of ${clockText(wallMs())}`,
    ]
    setText(this.facts, facts.join(' · '))
    this.tree.show(answer.content ?? {}, answer.kinds ?? {}, isOther)
    if (answer.content === null) setText(this.trouble, 'It is too large to be shown here: syncline export writes it to a file.')
    const writers = [...answer.writers].sort((a, b) => b.clock - a.clock)
    this.writers.show(
      writers.map(({ client, clock }) => ({ key: String(client), cells: [{ text: String(client) }, { text: countText(clock) }] })),
      'Nobody.',
    )
    this.takeLog(log)
  }

  private takeLog({ rows }: LogAnswer): void {
    const shown = rows.map(({ seq, bytes, kind, origin }) => ({
      key: `${kind} ${seq}`,
      cells: [{ text: countText(seq) }, { text: countText(bytes) }, { text: kind }, originCell(origin)],
    }))
    this.log.show(shown, 'No rows: everything is in the snapshot.')
  }

  private fail(error: unknown): void {
    setText(this.facts, '')
    if (this.shown === null) this.clear('–')
    setText(this.trouble, wordsOf(error))
  }

  private clear(empty: string): void {
    setText(this.trouble, '')
    this.tree.show({}, {}, true)
    this.writers.show([], empty)
    this.log.show([], empty)
  }
}

function originCell(origin: string | null): Cell {
  return origin === null ? { text: '–', tone: 'soft' } : { text: shortId(origin), title: origin }
}

export function wordsOf(error: unknown): string {
  if (!(error instanceof Refused)) return 'The relay does not answer.'
  if (error.code === 'space-closed') return 'Nobody uses this space, so it is closed; this is what was seen last. r opens it.'
  if (error.code === 'space-unknown') return 'There is no such space, or this token may not look at it.'
  if (error.status === 404) return 'There is no such document, or this token may not read it.'
  return [error.message, error.todo].filter((words) => words !== '').join(' ')
}
