// Bounds what one person holds open: passes are counted by subject, or by the token that stands for one, whatever the door. Nobody in particular is not counted here; the front counts addresses.
// Wrapped around the doorman by relay.ts. Rules: LI-2, RS-1.

import { SynclineError } from '@syncline/protocol'
import { accountOf, type Doorman, type Pass } from './access.ts'

/** A doorman that rejects with "too-many-connections" where a subject has `passesMax` live passes. */
export function boundedDoorman(doorman: Doorman, passesMax: number): Doorman {
  const byAccount = new Map<string, number>()
  return {
    authenticates: doorman.authenticates,
    async admit(credentials) {
      const pass = await doorman.admit(credentials)
      const account = accountOf(pass)
      if (account === null) return pass
      const held = byAccount.get(account) ?? 0
      if (held >= passesMax) {
        pass.drop()
        throw new SynclineError('too-many-connections', `This identity has its ${passesMax} connections.`)
      }
      byAccount.set(account, held + 1)
      return countedPass(pass, () => {
        const left = byAccount.get(account)! - 1
        if (left > 0) byAccount.set(account, left)
        else byAccount.delete(account)
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
    ...(pass.account !== undefined && { account: pass.account }),
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
