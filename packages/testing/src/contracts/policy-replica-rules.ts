// The Access under test inside the engine: two real replicas, linked in memory, in stepped time, and every frame between them read. The replica `guarded` asks the
// Access about the peer behind its link; `visitor` is that peer, with an honest engine. Part of policyContract. Rules: PO-10 to PO-16; the promise behind them is RF-1.

import { DEFAULT_SPACE, parseDocId, type DocId, type Scope } from '@syncline/protocol'
import { Replica, type Access, type OpenDocument, type ReplicaEvent } from '@syncline/replica'
import { createMemoryStore } from '@syncline/store/memory'
import { Random } from '../random.ts'
import type { LinkSide } from './link-harness.ts'
import { memoryLinkPair, type MemoryLinkPair } from './memory-link-pair.ts'
import { allow, type Grant, type PolicyHarness } from './policy-harness.ts'
import { check, type ContractRule } from './rule.ts'
import { SteppedClock } from './stepped-clock.ts'

const space: Scope = { kind: 'space' }
const everything: readonly Grant[] = [allow('read', space), allow('write', space)]
const secret = parseDocId('secret/name-4f1d')
const open = parseDocId('open/note')
const SECRET_TEXT = 'content-9a2c'
/** Longer than it takes for roots that differ to start a reconciliation, and for every document to be verified. */
const LONG_MS = 130_000
const sides: readonly LinkSide[] = ['dialler', 'listener']

export const policyReplicaRules: readonly ContractRule<PolicyHarness>[] = [
  {
    id: 'PO-10',
    needs: 'grants',
    guarantee:
      'neither the name nor the content of a document that the peer may not read stands in any frame to it, and all other documents arrive',
    async run(harness) {
      for (const side of sides) {
        const access = await harness.accessFor([allow('read', collection('open')), allow('write', space)])
        await withVisitor(access, async (scene) => {
          await scene.write(scene.guarded, secret, SECRET_TEXT)
          await scene.write(scene.guarded, open, 'one;')
          scene.link(side)
          await scene.shows(scene.visitor, open, 'one;')
          await scene.write(scene.guarded, secret, SECRET_TEXT)
          scene.open(scene.guarded, secret).awareness.setLocalState({ user: SECRET_TEXT })
          await scene.write(scene.guarded, open, 'two;')
          await scene.shows(scene.visitor, open, 'one;two;')
          await scene.clock.pass(LONG_MS)
          check(!scene.sentToVisitor(secret), 'a frame names a document that the peer may not read')
          check(!scene.sentToVisitor(SECRET_TEXT), 'a frame holds content that the peer may not read')
          check(scene.sentToVisitor('open/note'), 'no frame names the document that the peer may read: the rule sees nothing')
          check(scene.text(scene.visitor, open) === 'one;two;', 'the link did not go on')
        })
      }
    },
  },
  {
    id: 'PO-11',
    needs: 'grants',
    guarantee: 'a document becomes visible to a linked peer after it is granted, and nothing more of it is sent after that is withdrawn',
    async run(harness) {
      const access = await harness.accessFor([allow('read', collection('open'))])
      await withVisitor(access, async (scene) => {
        await scene.write(scene.guarded, secret, 'first;')
        await scene.write(scene.guarded, open, 'one;')
        const link = scene.link('dialler').linkId('dialler')
        await scene.shows(scene.visitor, open, 'one;')
        await harness.change(access, [allow('read', space)])
        scene.guarded.accessChanged(link)
        await scene.shows(scene.visitor, secret, 'first;', LONG_MS)
        await harness.change(access, [allow('read', collection('open'))])
        scene.guarded.accessChanged(link)
        await scene.write(scene.guarded, secret, SECRET_TEXT)
        await scene.write(scene.guarded, open, 'two;')
        await scene.shows(scene.visitor, open, 'one;two;')
        await scene.clock.pass(LONG_MS)
        check(!scene.sentToVisitor(SECRET_TEXT), 'content was sent that was written after the right to read was withdrawn')
      })
    },
  },
  {
    id: 'PO-12',
    needs: 'grants',
    guarantee: 'what the peer may not write is refused per document with "read-only", told on both sides, and holds up nothing else',
    async run(harness) {
      for (const side of sides) {
        const access = await harness.accessFor([allow('read', space), allow('write', collection('open'))])
        await withVisitor(access, async (scene) => {
          scene.link(side)
          await scene.write(scene.visitor, secret, SECRET_TEXT)
          await scene.write(scene.visitor, open, 'one;')
          await scene.shows(scene.guarded, open, 'one;')
          await scene.told(scene.events.guarded, { type: 'rejected', doc: secret, direction: 'in', code: 'read-only' })
          await scene.told(scene.events.visitor, { type: 'rejected', doc: secret, direction: 'out', code: 'read-only' })
          check(scene.text(scene.guarded, secret) === '', 'what was refused is stored')
          await scene.write(scene.visitor, secret, SECRET_TEXT)
          await scene.write(scene.visitor, open, 'two;')
          await scene.shows(scene.guarded, open, 'one;two;')
          await scene.clock.pass(LONG_MS)
          const { peers } = scene.visitor.status()
          check(peers.length === 1, 'the link ended over a refusal')
          check(peers[0]!.lag === 0, `the peer's cursor stands ${peers[0]!.lag} rows behind`)
          check(scene.text(scene.guarded, secret) === '', 'what was refused is stored')
        })
      }
    },
  },
  {
    id: 'PO-13',
    needs: 'grants',
    guarantee: 'once writing is granted, what was refused passes at the next link, and both sides tell that it was accepted',
    async run(harness) {
      const access = await harness.accessFor([allow('read', space)])
      await withVisitor(access, async (scene) => {
        const link = scene.link('listener')
        await scene.write(scene.visitor, secret, 'kept;')
        await scene.told(scene.events.visitor, { type: 'rejected', doc: secret, direction: 'out', code: 'read-only' })
        await harness.change(access, everything)
        link.cut()
        scene.link('listener')
        await scene.shows(scene.guarded, secret, 'kept;')
        await scene.told(scene.events.guarded, { type: 'accepted-again', doc: secret, direction: 'in' })
        await scene.told(scene.events.visitor, { type: 'accepted-again', doc: secret, direction: 'out' })
        await scene.clock.until(
          () => scene.guarded.root === scene.visitor.root,
          () => 'everything is granted, and the roots differ',
        )
      })
    },
  },
  {
    id: 'PO-14',
    needs: 'grants',
    guarantee: 'a document that the peer may write and not read is a letter box: its edits come in, and nothing of the others goes out',
    async run(harness) {
      const access = await harness.accessFor([allow('write', space), allow('read', collection('open'))])
      await withVisitor(access, async (scene) => {
        await scene.write(scene.guarded, secret, SECRET_TEXT)
        scene.link('dialler')
        await scene.write(scene.visitor, secret, 'letter;')
        await scene.clock.until(
          () => scene.text(scene.guarded, secret).includes('letter;'),
          () => 'what the peer may write did not arrive',
        )
        await scene.write(scene.guarded, secret, SECRET_TEXT)
        await scene.clock.pass(LONG_MS)
        check(!scene.sentToVisitor(SECRET_TEXT), 'content of others was sent to a peer that may only write')
        check(scene.text(scene.visitor, secret) === 'letter;', 'the peer shows more than it wrote')
        check(scene.visitor.status().peers.length === 1, 'the link ended')
      })
    },
  },
  {
    id: 'PO-15',
    needs: 'grants',
    guarantee:
      'withdrawing the right to write refuses what is written from then on, keeps what was taken before, and the peer goes on reading',
    async run(harness) {
      const access = await harness.accessFor(everything)
      await withVisitor(access, async (scene) => {
        scene.link('dialler')
        await scene.write(scene.visitor, secret, 'before;')
        await scene.shows(scene.guarded, secret, 'before;')
        await harness.change(access, [allow('read', space)])
        await scene.write(scene.visitor, secret, 'after;')
        await scene.told(scene.events.visitor, { type: 'rejected', doc: secret, direction: 'out', code: 'read-only' })
        check(scene.text(scene.guarded, secret) === 'before;', `the document shows "${scene.text(scene.guarded, secret)}"`)
        await scene.write(scene.guarded, open, 'from the other side;')
        await scene.shows(scene.visitor, open, 'from the other side;')
      })
    },
  },
  {
    id: 'PO-16',
    needs: 'grants',
    guarantee:
      'a document that the peer may not read any more, and still holds, is not named on later links unless the peer names it first',
    async run(harness) {
      for (const side of sides) {
        const access = await harness.accessFor(everything)
        await withVisitor(access, async (scene) => {
          const link = scene.link(side)
          await scene.write(scene.guarded, secret, 'both hold it')
          await scene.write(scene.guarded, open, 'one;')
          await scene.shows(scene.visitor, open, 'one;')
          await scene.shows(scene.visitor, secret, 'both hold it')
          await harness.change(access, [allow('read', collection('open')), allow('write', space)])
          link.cut()
          scene.forgetFrames()
          scene.link(side)
          await scene.clock.pass(LONG_MS)
          check(scene.firstToSay(secret) !== 'guarded', 'a frame names a document that the peer may not read any more')
          await scene.write(scene.guarded, open, 'two;')
          await scene.shows(scene.visitor, open, 'one;two;')
        })
      }
    },
  },
]

function collection(name: string): Scope {
  return { kind: 'collection', collection: name }
}

class VisitorScene {
  readonly clock = new SteppedClock()
  readonly events: { readonly guarded: ReplicaEvent[]; readonly visitor: ReplicaEvent[] } = { guarded: [], visitor: [] }
  readonly guarded: Replica
  readonly visitor: Replica
  readonly #access: Access
  readonly #frames: { readonly toVisitor: boolean; readonly bytes: Uint8Array }[] = []
  readonly #opened = new Map<Replica, Map<DocId, OpenDocument>>()

  constructor(access: Access) {
    this.#access = access
    this.guarded = this.#replica(1, this.events.guarded)
    this.visitor = this.#replica(2, this.events.visitor)
  }

  #replica(seed: number, events: ReplicaEvent[]): Replica {
    const chance = new Random(seed)
    const random = (length: number): Uint8Array => chance.bytes(length)
    const store = createMemoryStore({ space: DEFAULT_SPACE, random, durability: 'process', now: () => this.clock.now() })
    // Without compression, so that what stands in a frame can be read.
    return new Replica({ store, role: 'device', clock: this.clock, random, onEvent: (event) => void events.push(event) })
  }

  /** Links the two; `side` is the guarded one's. */
  link(side: LinkSide): MemoryLinkPair {
    const onMessage = (from: LinkSide, bytes: Uint8Array): void => void this.#frames.push({ toVisitor: from === side, bytes })
    return side === 'dialler'
      ? memoryLinkPair(this.guarded, this.visitor, { diallerAccess: this.#access, onMessage })
      : memoryLinkPair(this.visitor, this.guarded, { listenerAccess: this.#access, onMessage })
  }

  open(replica: Replica, doc: DocId): OpenDocument {
    const documents = this.#opened.get(replica) ?? new Map<DocId, OpenDocument>()
    this.#opened.set(replica, documents)
    const document = documents.get(doc) ?? replica.openDocument(doc)
    documents.set(doc, document)
    return document
  }

  text(replica: Replica, doc: DocId): string {
    return this.open(replica, doc).doc.getText('body').toString()
  }

  /** Appends, and waits until that is committed there. */
  async write(replica: Replica, doc: DocId, text: string): Promise<void> {
    const document = this.open(replica, doc)
    const body = document.doc.getText('body')
    body.insert(body.length, text)
    await this.clock.during(document.saved())
  }

  shows(replica: Replica, doc: DocId, text: string, withinMs?: number): Promise<void> {
    return this.clock.until(
      () => this.text(replica, doc) === text,
      () => `"${doc}" shows "${this.text(replica, doc)}", wanted "${text}"`,
      withinMs,
    )
  }

  told(events: readonly ReplicaEvent[], wanted: Readonly<Record<string, string>>): Promise<void> {
    const matches = (event: Readonly<Record<string, unknown>>): boolean =>
      Object.entries(wanted).every(([key, value]) => event[key] === value)
    return this.clock.until(
      () => events.some((event) => matches({ ...event })),
      () => `no event ${JSON.stringify(wanted)} came`,
    )
  }

  /** Whether any frame to the visitor holds `text`. */
  sentToVisitor(text: string): boolean {
    const wanted = new TextEncoder().encode(text)
    return this.#frames.some(({ toVisitor, bytes }) => toVisitor && holds(bytes, wanted))
  }

  /** Who was the first to send a frame that holds `text`. */
  firstToSay(text: string): 'guarded' | 'visitor' | null {
    const wanted = new TextEncoder().encode(text)
    const first = this.#frames.find(({ bytes }) => holds(bytes, wanted))
    if (first === undefined) return null
    return first.toVisitor ? 'guarded' : 'visitor'
  }

  forgetFrames(): void {
    this.#frames.length = 0
  }

  async close(): Promise<void> {
    await this.clock.during(Promise.all([this.guarded.close(), this.visitor.close()]))
  }
}

async function withVisitor(access: Access, run: (scene: VisitorScene) => Promise<void>): Promise<void> {
  const scene = new VisitorScene(access)
  try {
    await run(scene)
  } finally {
    await scene.close()
  }
}

function holds(bytes: Uint8Array, wanted: Uint8Array): boolean {
  for (let at = bytes.indexOf(wanted[0]!); at >= 0; at = bytes.indexOf(wanted[0]!, at + 1)) {
    if (wanted.every((byte, offset) => bytes[at + offset] === byte)) return true
  }
  return false
}
