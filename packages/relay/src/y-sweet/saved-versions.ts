// When a y-sweet client may be told that a version of its document is saved. It asks with a number (message 102) and calls everything up to that number saved as
// soon as the number comes back. Pure. Used by y-websocket-session.ts. Rules: YS-1, YS-2, DU-1.
//
// A number comes back when every write that arrived before it has an outcome, and nothing that the client has is known to be missing here. What a client
// has is missing from the start: it asks right after it connects, before it sends what it wrote off line. It is missing again after a write that was held,
// refused or passed over. Its next answer to a sync step 1 that is stored ends that, because such an answer holds all that the client has.

interface Question {
  /** Writes that had arrived before it. */
  readonly after: number
  readonly version: Uint8Array
}

export class SavedVersions {
  private arrived = 0
  private readonly open = new Set<number>()
  /** The newest answer to step 1 that is stored; the newest write that is not. */
  private whole = 0
  private lost = 0
  private readonly questions: Question[] = []

  /** A write arrived; its number is for `settled`. */
  begun(): number {
    this.open.add(++this.arrived)
    return this.arrived
  }

  /** `isWhole`: it is an answer to step 1. `isStored`: a commit covers it. */
  settled(write: number, isWhole: boolean, isStored: boolean): void {
    this.open.delete(write)
    if (!isStored) this.lost = Math.max(this.lost, write)
    else if (isWhole) this.whole = Math.max(this.whole, write)
  }

  /** Of several questions that wait for the same, the newest is kept: versions only grow. So there are never more questions than open writes, and one. */
  asked(version: Uint8Array): void {
    if (this.questions.at(-1)?.after === this.arrived) this.questions.pop()
    this.questions.push({ after: this.arrived, version })
  }

  /** Takes out the versions that are saved now. */
  answers(): Uint8Array[] {
    if (this.whole <= this.lost) {
      this.questions.splice(0, this.questions.length - 1)
      return []
    }
    const [oldest = Infinity] = this.open
    const answered = this.questions.findIndex(({ after }) => after >= oldest)
    return this.questions.splice(0, answered < 0 ? this.questions.length : answered).map(({ version }) => version)
  }
}
