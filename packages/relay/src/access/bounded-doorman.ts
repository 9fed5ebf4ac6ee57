// Bounds what one person holds open: passes are counted by subject, whatever the door. Nobody in particular is not counted here; the front counts addresses.
// Wrapped around the doorman by relay.ts. Rules: LI-2, RS-1.

import { SynclineError } from '@syncline/protocol'
import type { Doorman, Pass } from './access.ts'

/** A doorman that rejects with "too-many-connections" where a subject has `passesMax` live passes. */
export function boundedDoorman(doorman: Doorman, passesMax: number): Doorman {
  const bySubject = new Map<string, number>()
  return {
    authenticates: doorman.authenticates,
    async admit(credentials) {
      const pass = await doorman.admit(credentials)
      const { subject } = pass.identity
      if (subject === null) return pass
      const held = bySubject.get(subject) ?? 0
      if (held >= passesMax) {
        pass.drop()
        throw new SynclineError('too-many-connections', `This identity has its ${passesMax} connections.`)
      }
      bySubject.set(subject, held + 1)
      return countedPass(pass, () => {
        const left = bySubject.get(subject)! - 1
        if (left > 0) bySubject.set(subject, left)
        else bySubject.delete(subject)
      })
    },
  }
}

function countedPass(pass: Pass, dropped: () => void): Pass {
  let counted = true
  return {
    get identity() {
      return pass.identity
    },
    get ended() {
      return pass.ended
    },
    may: (action, doc) => pass.may(action, doc),
    reaches: (action) => pass.reaches(action),
    mayAll: (action, scope) => pass.mayAll?.(action, scope) === true,
    renew: (token) => pass.renew(token),
    onChange: (listener) => pass.onChange(listener),
    drop() {
      pass.drop()
      if (counted) dropped()
      counted = false
    },
  }
}
