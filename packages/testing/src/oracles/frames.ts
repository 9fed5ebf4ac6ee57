// Reads every frame at the edge of a replica, as a packet sniffer would: counts what the protocol did, and checks what may be said. Rules: I5
// (nothing uncommitted leaves) and I7 (no cursor moves while a document diff is outstanding). Read by world.ts.

import { decodeFrame, LIMITS, type DocId, type DocRef, type Message, type ReplicaId } from '@syncline/protocol'
import type { Transaction } from '@syncline/store'
import type { Counters } from '../situations.ts'
import { Violation } from '../violation.ts'
import type { Port } from '../world/network.ts'
import { SimulatedReplica } from '../world/simulated-replica.ts'
import { keyOf } from '../world/space.ts'
import type { Oracle, Stage } from './oracle.ts'

interface Outstanding {
  readonly scope: string
  /** Number of commits that this replica had begun when it asked. */
  readonly commitsBegun: number
}

/** One end of one connection. */
class Edge {
  readonly scopes = new Map<number, string>()
  readonly peerScopes = new Map<number, string>()
  readonly aliases = new Map<number, DocId>()
  readonly peerAliases = new Map<number, DocId>()
  readonly outstanding = new Map<string, Outstanding>()
}

const IDLE_KINDS: ReadonlySet<Message['kind']> = new Set(['ping', 'pong', 'verify', 'verified'])
const SEARCH_KINDS: ReadonlySet<Message['kind']> = new Set(['recon', 'want', 'ask'])

export class FrameObserver implements Oracle {
  readonly rules = ['I5', 'I7', 'IN-1', 'OR-11']
  /** Bytes of frames that carry more than pings and verification. */
  busyBytes = 0
  /** Messages that look for data. */
  searches = 0
  lastSearch: Uint8Array | null = null
  lastBusy: { readonly port: Port; readonly bytes: Uint8Array } | null = null
  #counters: Counters | null = null
  readonly #edges = new Map<Port, Edge>()
  readonly #commits = new Map<string, number>()
  /** What the bytes on the wire say; mangled copies are not in here. */
  readonly #underWay = new WeakMap<Uint8Array, readonly Message[]>()

  begin({ counters }: Stage): void {
    this.#counters = counters
  }

  /** Answers what the frame says. */
  sends(port: Port, bytes: Uint8Array): readonly Message[] {
    const owner = replicaOf(port)
    const frame = decodeFrame(bytes, port.framesSent)
    if (!frame.ok) throw new Violation('IN-1', `${owner.name} sent a frame that cannot be read: ${frame.reason}`)
    if (bytes.length > LIMITS.nativeFrameBytesMax) throw new Violation('OR-11', `${owner.name} sent a frame of ${bytes.length} bytes`)
    this.#underWay.set(bytes, frame.messages)
    const edge = this.#edgeOf(port)
    let busy = false
    /** The last word on each document. */
    const refusals = new Map<string, string>()
    for (const message of frame.messages) {
      busy ||= !IDLE_KINDS.has(message.kind)
      if (SEARCH_KINDS.has(message.kind)) {
        this.searches++
        this.lastSearch = bytes
      }
      this.#checkSent(port, edge, message)
      if (message.kind === 'refused') refusals.set(resolve(edge.aliases, message.doc), message.code)
    }
    for (const [doc, code] of refusals) checkRefusal(owner, port, doc, code)
    if (busy) {
      this.busyBytes += bytes.length
      this.lastBusy = { port, bytes }
    }
    return frame.messages
  }

  /** What a reference in a frame that `port` sent stands for; null for one that was never introduced. */
  documentSent(port: Port, ref: DocRef): DocId | null {
    return ref.fresh?.doc ?? this.#edgeOf(port).aliases.get(ref.alias) ?? null
  }

  #checkSent(port: Port, edge: Edge, message: Message): void {
    const owner = replicaOf(port)
    const { kind } = message
    introduce(edge.aliases, message)
    if (kind === 'ack') this.#checkAck(owner, port, edge.scopes.get(message.channel), message.seq)
    else if (kind === 'entries' || kind === 'advance' || kind === 'offer') {
      this.#counters!.add('frame checked')
      const head = owner.committedHead()
      if (message.toSeq > head) throw new Violation('I5', `${owner.name} sent ${kind} up to ${message.toSeq}, committed is ${head}`)
      if (kind === 'offer') this.#counters!.add('offer')
    } else if (kind === 'open') {
      edge.scopes.set(message.channel, message.scope)
      if (message.head > owner.committedHead())
        throw new Violation('I5', `${owner.name} opened with head ${message.head}, committed is ${owner.committedHead()}`)
    } else if (kind === 'start') {
      this.#counters!.add(`start ${message.mode}`)
    } else if (kind === 'recon') {
      this.#counters!.add('recon message')
    } else if (kind === 'want') {
      this.#counters!.add('want')
      this.#ask(owner, edge, message.channel, resolve(edge.aliases, message.doc))
    } else if (kind === 'ask') {
      this.#counters!.add('ask')
      for (const key of message.keys) this.#ask(owner, edge, message.channel, key)
    } else if (kind === 'diff') {
      if (message.part > 0) this.#counters!.add('diff in chunks')
    } else if (kind === 'verify') {
      this.#counters!.add('verify')
    }
  }

  /** The cursor that an ack vouches for is committed. */
  #checkAck(owner: SimulatedReplica, port: Port, scope: string | undefined, seq: number): void {
    const peer = peerIdOf(port)
    if (peer === null || scope === undefined) return
    const stored = owner.store!.reader.cursor(peer, scope)
    this.#counters!.add('ack checked')
    // A quarantine may have dropped all cursors since the commit.
    if (stored !== undefined && stored.seq < seq)
      throw new Violation('I5', `${owner.name} acknowledges ${scope} up to ${seq}, its stored cursor is at ${stored.seq}`)
  }

  #ask(owner: SimulatedReplica, edge: Edge, channel: number, what: string): void {
    edge.outstanding.set(`${channel} ${what}`, { scope: edge.scopes.get(channel) ?? '', commitsBegun: this.#commits.get(owner.name) ?? 0 })
  }

  delivered(port: Port, bytes: Uint8Array): void {
    const messages = this.#underWay.get(bytes)
    if (messages === undefined) return
    const edge = this.#edgeOf(port)
    for (const message of messages) {
      if (message.kind === 'open') edge.peerScopes.set(message.channel, message.scope)
      introduce(edge.peerAliases, message)
      if (message.kind === 'entries') {
        if (edge.outstanding.size > 0) this.#counters!.add('recon during live traffic')
      } else if (message.kind === 'diff' && message.last) {
        this.#answered(edge, edge.peerScopes.get(message.channel), resolve(edge.peerAliases, message.doc))
      } else if (message.kind === 'absent') {
        for (const key of message.keys) this.#answered(edge, edge.peerScopes.get(message.channel), key)
      }
    }
  }

  /** The answer names the peer's channel; the question was filed under the own one of the same scope. An ASK is answered by name, too. */
  #answered(edge: Edge, scope: string | undefined, what: string): void {
    for (const [key, { scope: asked }] of edge.outstanding) {
      if (asked !== scope) continue
      const subject = key.slice(key.indexOf(' ') + 1)
      if (subject === what || keyPrefixOf(what) === subject || keyPrefixOf(subject) === what) edge.outstanding.delete(key)
    }
  }

  /** A commit begins: its cursors must not belong to a scope with a diff asked for before the batch of this commit began to fill. */
  commitBegins(owner: SimulatedReplica, transaction: Transaction): void {
    // What compaction derives goes ahead of the batch that is filling, and is no batch of its own.
    if (transaction.rows.length > 0 && transaction.rows.every((row) => row.n === 0)) return
    const begun = this.#commits.get(owner.name) ?? 0
    this.#commits.set(owner.name, begun + 1)
    if (transaction.cursors.length === 0) return
    for (const port of owner.ports()) {
      const edge = this.#edges.get(port)
      if (edge === undefined || !port.open) continue
      const peer = peerIdOf(port)
      for (const cursor of transaction.cursors) {
        if (cursor.peer !== peer) continue
        this.#counters!.add('cursor write during reconciliation checked')
        for (const [what, { scope, commitsBegun }] of edge.outstanding) {
          if (scope !== cursor.scope || commitsBegun >= begun) continue
          throw new Violation('I7', `${owner.name} moves its cursor of ${cursor.scope} to ${cursor.seq} while ${what} is outstanding`)
        }
      }
    }
  }

  #edgeOf(port: Port): Edge {
    let edge = this.#edges.get(port)
    if (edge === undefined) {
      edge = new Edge()
      this.#edges.set(port, edge)
    }
    return edge
  }
}

/** Takes note of every alias that a message stands for the first time. */
function introduce(aliases: Map<number, DocId>, message: Message): void {
  if (message.kind === 'entries') for (const row of message.rows) resolve(aliases, row.doc)
  else if ('doc' in message) resolve(aliases, message.doc)
}

function resolve(aliases: Map<number, DocId>, ref: DocRef): string {
  if (ref.fresh !== null) aliases.set(ref.alias, ref.fresh.doc)
  return aliases.get(ref.alias) ?? `alias ${ref.alias}`
}

/** Leading 8 bytes of a document's key. */
function keyPrefixOf(doc: string): string {
  return keyOf(doc as DocId).slice(0, 16)
}

/** The replica at the other end, as stores name it; null when the process that opened the link is not there any more. */
function peerIdOf({ peer }: Port): ReplicaId | null {
  const { owner } = peer
  return owner instanceof SimulatedReplica && owner.life === peer.ownerLife ? (owner.store?.replicaId ?? null) : null
}

/** What is told as refused, or as taken again, is stored so. */
function checkRefusal(owner: SimulatedReplica, port: Port, doc: string, code: string): void {
  const peer = peerIdOf(port)
  const key = keyOf(doc as DocId)
  const stored = owner.store!.reader.refusals().some((row) => row.peer === peer && row.doc === key && row.direction === 'in')
  if (peer !== null && stored !== (code !== ''))
    throw new Violation(
      'I5',
      `${owner.name} tells that ${doc} is ${code === '' ? 'taken again' : `refused: ${code}`}, its store says otherwise`,
    )
}

function replicaOf(port: Port): SimulatedReplica {
  if (port.owner instanceof SimulatedReplica) return port.owner
  throw new TypeError(`${port.owner.name} is no replica`)
}
