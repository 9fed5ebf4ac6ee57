// Who was refused a write lately: a bounded table in memory. y-websocket up to 3.0.0 reconnects after every close code and uploads the same update again;
// the second time its connection is kept and no longer heard (y-websocket-session.ts), which ends the loop. Rule: YW-6.

export class RefusalMemory {
  private readonly at = new Map<string, number>()
  private readonly keptMs: number
  private readonly keptMax: number

  constructor(keptMs: number, keptMax: number) {
    this.keptMs = keptMs
    this.keptMax = keptMax
  }

  /** Records a refusal of `writer` (address and document) and answers whether there was one within the time kept. */
  refusedBefore(writer: string, nowMs: number): boolean {
    const before = this.at.get(writer)
    this.at.delete(writer)
    this.at.set(writer, nowMs)
    if (this.at.size > this.keptMax) this.at.delete(this.at.keys().next().value!)
    return before !== undefined && nowMs - before < this.keptMs
  }
}
