// What the policy contract needs of an Access provider under test. Written by the provider's author; used by the policy rules.

import type { Scope } from '@syncline/protocol'
import type { Access } from '@syncline/replica'

/** One line of what a subject may do. The harness says it in the language of its provider. */
export interface Grant {
  readonly effect: 'allow' | 'deny'
  readonly action: 'read' | 'write'
  /** Every document of the space, of one collection (the text before the first slash; "" for bare names), or one document. Names are plain text: no
   *  character of them is a pattern. */
  readonly scope: Scope
}

/** One provider. Rules that need "grants" are for providers that can be told what a subject may do; those that need "denials" for providers
 *  that also know "deny". A provider with one fixed answer leaves out both, and its harness may ignore `grants`. */
export interface PolicyHarness {
  /** The Access of a subject that was never seen before, as a link would get it: a new subject for every call. */
  accessFor(grants: readonly Grant[]): Promise<Access>
  /** Changes what the subject of this Access may do to `grants`, all of it. Resolves when it is in force. */
  change(access: Access, grants: readonly Grant[]): Promise<void>
  dispose(): Promise<void>
}

export function allow(action: Grant['action'], scope: Scope): Grant {
  return { effect: 'allow', action, scope }
}

export function deny(action: Grant['action'], scope: Scope): Grant {
  return { effect: 'deny', action, scope }
}
