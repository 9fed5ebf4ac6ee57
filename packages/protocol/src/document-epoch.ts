// The life of a document's name, as a number that only grows. Even epochs hold content, odd ones are deletions: 0 is the first life, a deletion of it is 1, and who
// begins the document anew writes in 2. Of two epochs the higher one counts and nothing of the lower is left, so a deletion is final for every edit of the life it
// ended, whenever and from wherever that edit comes. Read by the gate, the engine and the stores. Rules: DD-1, DD-2.

import { POINT, Sum128 } from './digest.ts'

/** Epochs beyond this are no honest peer's. */
export const DOC_EPOCH_MAX: number = 2 ** 31 - 1

/** Nothing is in it, and nothing is written to it. */
export function isDeletion(epoch: number): boolean {
  return epoch % 2 === 1
}

/** The deletion of what lives in `epoch`; of a deletion, itself. */
export function deletionOf(epoch: number): number {
  return isDeletion(epoch) ? epoch : epoch + 1
}

/** The life that begins where `epoch` is a deletion; of a life, itself. */
export function lifeAfter(epoch: number): number {
  return isDeletion(epoch) ? epoch + 1 : epoch
}

/** Whether going from one epoch to a higher one deletes a life: then it needs the right to delete. */
export function endsALife(from: number, to: number): boolean {
  return to > from && (!isDeletion(from) || to > from + 1)
}

/** Sum of the points of a document of which no id is known: that of its epoch. */
export function epochSum(epoch: number): Sum128 {
  const sum = new Sum128()
  if (epoch > 0) sum.addPoint(POINT.epoch, 0, epoch)
  return sum
}
