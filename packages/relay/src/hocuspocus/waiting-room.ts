// What one connection sent for documents that are not authenticated yet: kept in order per document, bounded over all of them. Pure. Used by session.ts.
// Rules: HP-2, RS-1.

import type { RelayLimits } from '../relay-limits.ts'
import type { DocumentMessage } from './codec.ts'

export class WaitingRoom<Document> {
  private readonly limits: RelayLimits
  private readonly byDocument = new Map<Document, DocumentMessage[]>()
  private messages = 0
  private bytes = 0

  constructor(limits: RelayLimits) {
    this.limits = limits
  }

  /** Whether one message more may wait for the document; undefined: for a new one. */
  hasRoom(document: Document | undefined): boolean {
    const { hocuspocusQueueMessagesMax, hocuspocusQueueBytesMax, hocuspocusQueueDocumentsMax } = this.limits
    const isNew = document === undefined || !this.byDocument.has(document)
    return (
      this.messages < hocuspocusQueueMessagesMax &&
      this.bytes < hocuspocusQueueBytesMax &&
      (!isNew || this.byDocument.size < hocuspocusQueueDocumentsMax)
    )
  }

  add(document: Document, message: DocumentMessage): void {
    const waiting = this.byDocument.get(document) ?? []
    waiting.push(message)
    this.byDocument.set(document, waiting)
    this.messages++
    this.bytes += sizeOf(message)
  }

  find(wanted: (document: Document) => boolean): Document | undefined {
    for (const document of this.byDocument.keys()) if (wanted(document)) return document
    return undefined
  }

  has(document: Document, wanted: (message: DocumentMessage) => boolean): boolean {
    return this.byDocument.get(document)?.some(wanted) ?? false
  }

  /** The oldest message of the document. */
  next(document: Document): DocumentMessage | undefined {
    const waiting = this.byDocument.get(document)
    const message = waiting?.shift()
    if (waiting?.length === 0) this.byDocument.delete(document)
    if (message !== undefined) this.left(message)
    return message
  }

  /** All messages of the document, in order. */
  takeAll(document: Document): DocumentMessage[] {
    const waiting = this.byDocument.get(document) ?? []
    this.byDocument.delete(document)
    for (const message of waiting) this.left(message)
    return waiting
  }

  clear(): void {
    this.byDocument.clear()
    this.messages = 0
    this.bytes = 0
  }

  private left(message: DocumentMessage): void {
    this.messages--
    this.bytes -= sizeOf(message)
  }
}

/** Bytes that a waiting message keeps alive, about. */
function sizeOf(message: DocumentMessage): number {
  switch (message.kind) {
    case 'step-1':
      return message.stateVector.length
    case 'step-2':
    case 'update':
      return message.update.length
    case 'awareness':
      return message.bytes.length
    case 'stateless':
      return message.payload.length * 2
    case 'query-awareness':
      return 0
  }
}
