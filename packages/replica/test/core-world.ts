// Several engines over memory stores, wired frame by frame with no time passing but what a test lets pass. For scripted engine tests.

import { decodeFrame, deletionOf, parseDocId, parseSpaceId, replicaIdFromBytes, type Message } from '@syncline/protocol'
import { createMemoryStore, type MemoryStore } from '@syncline/store/memory'
import * as Y from 'yjs'
import { ReplicaCore, type Access, type CoreOptions, type Effect, type LinkId, type ReplicaEvent, type WriteOutcome } from '../src/index.ts'

/** A small seeded generator: mulberry32. */
export function seeded(seed: number): (length: number) => Uint8Array {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
  return (length) => Uint8Array.from({ length }, () => Math.floor(next() * 256))
}

export interface SentFrame {
  readonly from: string
  readonly to: string
  readonly bytes: Uint8Array
  readonly messages: readonly Message[]
}

type NodeOptions = Partial<Omit<CoreOptions, 'reader' | 'replicaId' | 'space' | 'nowMs'>> & { readonly store?: MemoryStore }

export class Node {
  readonly name: string
  readonly store: MemoryStore
  readonly core: ReplicaCore
  readonly events: ReplicaEvent[] = []
  readonly outcomes = new Map<number, WriteOutcome>()
  readonly delivered: Extract<Effect, { kind: 'deliver' }>[] = []
  #ticket = 1

  constructor(name: string, seed: number, nowMs: number, options: NodeOptions) {
    const random = seeded(seed)
    this.name = name
    this.store = options.store ?? createMemoryStore({ space: parseSpaceId('default'), replicaId: replicaIdFromBytes(random(16)), random })
    const { store, ...rest } = options
    this.core = new ReplicaCore({
      role: 'relay',
      random,
      durability: this.store.durability,
      ...rest,
      replicaId: this.store.replicaId,
      space: this.store.space,
      reader: this.store.reader,
      nowMs,
    })
    void store
  }

  /** Writes one update as the replica itself; the ticket is answered in `outcomes`. */
  write(doc: string, update: Uint8Array | null, source = 0, docEpoch: number = this.core.docEpoch(parseDocId(doc))): number {
    const ticket = this.#ticket++
    this.core.write({ doc: parseDocId(doc), docEpoch, update, source, ticket })
    return ticket
  }

  delete(doc: string): number {
    return this.write(doc, null, 0, deletionOf(this.core.admittedEpoch(parseDocId(doc))))
  }

  /** One insertion at the end of the document's text "body" by a fresh client. */
  type(doc: string, text: string): number {
    const y = this.document(doc)
    const before = Y.encodeStateVector(y)
    y.getText('body').insert(y.getText('body').length, text)
    return this.write(doc, Y.encodeStateAsUpdate(y, before))
  }

  /** The committed document. */
  document(doc: string): Y.Doc {
    const y = new Y.Doc()
    Y.applyUpdate(y, this.core.diffFor(parseDocId(doc), null))
    return y
  }

  text(doc: string): string {
    return this.document(doc).getText('body').toString()
  }

  digest(doc: string): string {
    return this.core.digestOf(parseDocId(doc))
  }
}

export interface Wire {
  readonly ends: readonly [{ node: Node; link: LinkId }, { node: Node; link: LinkId }]
  open: boolean
}

export class World {
  nowMs = 1_000
  readonly nodes: Node[] = []
  readonly frames: SentFrame[] = []
  readonly #wires: Wire[] = []
  #nextLink = 1
  #queue: { wire: Wire; to: 0 | 1; bytes: Uint8Array }[] = []
  /** Commits are held back while true. */
  holdCommits = false
  #heldCommits: { node: Node; run: () => void }[] = []

  node(name: string, options: NodeOptions = {}): Node {
    const node = new Node(name, this.nodes.length + 1 + name.length * 1000, this.nowMs, options)
    this.nodes.push(node)
    return node
  }

  /** `a` dials `b`, which grants `access`. */
  connect(a: Node, b: Node, access?: Access): Wire {
    const wire: Wire = {
      ends: [
        { node: a, link: this.#nextLink++ },
        { node: b, link: this.#nextLink++ },
      ],
      open: true,
    }
    this.#wires.push(wire)
    b.core.linkOpened(wire.ends[1].link, { dialled: false, ...(access === undefined ? {} : { access }) })
    a.core.linkOpened(wire.ends[0].link, { dialled: true })
    return wire
  }

  cut(wire: Wire): void {
    if (!wire.open) return
    wire.open = false
    this.#queue = this.#queue.filter((item) => item.wire !== wire)
    for (const { node, link } of wire.ends) node.core.linkClosed(link)
  }

  /** Carries out what everybody wants and delivers one frame. False when nothing was under way. */
  step(): boolean {
    let busy = false
    for (const node of this.nodes) busy = this.#carryOut(node) || busy
    const item = this.#queue.shift()
    if (item === undefined) return busy
    const end = item.wire.ends[item.to]
    if (item.wire.open) end.node.core.linkReceived(end.link, item.bytes)
    return true
  }

  /** Runs until nothing is under way. Throws when that does not come. */
  settle(): void {
    for (let round = 0; round < 10_000; round++) if (!this.step()) return
    throw new Error('the world does not come to rest')
  }

  /** Lets time pass in steps of 100 ms. */
  pass(ms: number): void {
    for (const end = this.nowMs + ms; this.nowMs < end;) {
      this.nowMs += 100
      for (const node of this.nodes) node.core.tick(this.nowMs)
      this.settle()
    }
  }

  releaseCommits(): void {
    this.holdCommits = false
    for (const { run } of this.#heldCommits.splice(0)) run()
  }

  #carryOut(node: Node): boolean {
    const effects = node.core.flush()
    for (const effect of effects) this.#effect(node, effect)
    return effects.length > 0
  }

  #effect(node: Node, effect: Effect): void {
    if (effect.kind === 'send') this.#send(node, effect.link, effect.bytes)
    else if (effect.kind === 'close') this.#closeLink(node, effect.link)
    else if (effect.kind === 'event') node.events.push(effect.event)
    else if (effect.kind === 'written') node.outcomes.set(effect.ticket, effect.outcome)
    else if (effect.kind === 'deliver') node.delivered.push(effect)
    else if (effect.kind === 'commit') {
      const run = (): void => {
        node.store.commitNow(effect.transaction)
        node.core.committed()
      }
      if (this.holdCommits) this.#heldCommits.push({ node, run })
      else run()
    } else if (effect.kind === 'maintain') this.#maintain(node, effect)
  }

  #maintain(node: Node, effect: Extract<Effect, { kind: 'maintain' }>): void {
    const { work } = effect
    if (work.kind === 'sweep') node.core.maintained(node.store.sweepNow(work.docs))
    else if (work.kind === 'rotate-epoch') node.core.maintained(node.store.rotateEpochNow())
    else node.core.maintained(node.store.quarantineNow(work.key))
  }

  #send(node: Node, link: LinkId, bytes: Uint8Array): void {
    const found = this.#find(node, link)
    if (found === null || !found.wire.open) return
    const to = found.wire.ends[found.to].node
    const decoded = decodeFrame(bytes, null)
    this.frames.push({ from: node.name, to: to.name, bytes, messages: decoded.ok ? decoded.messages : [] })
    this.#queue.push({ wire: found.wire, to: found.to, bytes })
  }

  #closeLink(node: Node, link: LinkId): void {
    const found = this.#find(node, link)
    if (found === null) return
    // What was sent before the close still arrives.
    const last = this.#queue.filter((item) => item.wire === found.wire && item.to === found.to)
    for (const item of last) found.wire.ends[item.to].node.core.linkReceived(found.wire.ends[item.to].link, item.bytes)
    this.cut(found.wire)
  }

  #find(node: Node, link: LinkId): { wire: Wire; to: 0 | 1 } | null {
    for (const wire of this.#wires) {
      if (wire.ends[0].node === node && wire.ends[0].link === link) return { wire, to: 1 }
      if (wire.ends[1].node === node && wire.ends[1].link === link) return { wire, to: 0 }
    }
    return null
  }
}
