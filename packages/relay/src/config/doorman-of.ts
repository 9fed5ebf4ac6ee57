// The doorman that a configuration asks for: one way to know who somebody is, one policy. Follows the files that it is made from: a new policy, key or secret is in
// use within 2 s, and one that cannot be used is reported while the old one stays. Read by the command serve. Rules: CF-9.

import { readFile } from 'node:fs/promises'
import { SynclineError } from '@syncline/protocol'
import type { Clock } from '@syncline/replica'
import type { Authenticator } from '../access/authenticator.ts'
import { createDoorman, type PolicyDoorman } from '../access/doorman.ts'
import type { Doorman } from '../access/access.ts'
import { jwtAuthenticator, secretFromFile, type JwtKey } from '../access/jwt-authenticator.ts'
import type { Policy } from '../access/policy.ts'
import { parsePolicy, watchPolicyFile } from '../access/policy-file.ts'
import { webhookAuthenticator } from '../access/webhook-authenticator.ts'
import { watchFiles } from '../settled-files.ts'
import { readSecret } from './secret-file.ts'
import type { SettingValues } from './settings.ts'

export interface ConfiguredDoorman {
  readonly doorman: Doorman
  /** Stops following files. */
  stop(): void
}

/** Without a policy file, whoever is known may do everything to documents, and nobody may administer. */
const KNOWN_MAY_EDIT = JSON.stringify({
  version: 1,
  roles: { authenticated: [{ allow: ['read', 'write', 'create', 'delete', 'presence'], space: '**', doc: '**' }] },
})

/** Of a configuration with authentication. Rejects with "config-invalid" or "policy-invalid". `onProblem`: a later change of a file that
 *  was not taken. */
export async function openConfiguredDoorman(
  values: SettingValues,
  clock: Clock,
  onProblem: (error: SynclineError) => void,
): Promise<ConfiguredDoorman> {
  const authenticator = await authenticatorOf(values, clock)
  let renew: (policy: Policy) => void = () => undefined
  const watch = values.policy === undefined ? null : await watchPolicyFile(values.policy, clock, (policy) => renew(policy), onProblem)
  const policy = watch?.policy ?? parsePolicy(KNOWN_MAY_EDIT)
  const doorman = createDoorman({ authenticator, policy, clock, anonymous: values['auth.anonymous'] })
  renew = (next) => doorman.setPolicy(next)
  const stopKeys = followKeys(values, clock, doorman, onProblem)
  return {
    doorman,
    stop() {
      watch?.stop()
      stopKeys()
      doorman.close()
    },
  }
}

/** A key that changes counts for tokens from then on; who is in stays until the end of its token. */
function followKeys(values: SettingValues, clock: Clock, doorman: PolicyDoorman, onProblem: (error: SynclineError) => void): () => void {
  const files = [values['auth.jwtSecretFile'], values['auth.jwtPublicKeyFile'], values['auth.webhookTokenFile']].filter(
    (file) => file !== undefined,
  )
  if (files.length === 0) return () => undefined
  return watchFiles(files, clock, async () => {
    try {
      doorman.setAuthenticator(await authenticatorOf(values, clock))
    } catch (error) {
      if (!(error instanceof SynclineError)) throw error
      onProblem(error)
    }
  })
}

/** Reads the file that holds the key. Rejects with "config-invalid". */
export async function authenticatorOf(values: SettingValues, clock: Clock): Promise<Authenticator> {
  const url = values['auth.webhookUrl']
  if (url !== undefined) {
    const file = values['auth.webhookTokenFile']
    const token = file === undefined ? values['auth.webhookToken'] : await readSecret(file)
    const headers = token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } }
    return webhookAuthenticator({ url, clock, allowHttp: values['auth.allowHttp'], ...headers })
  }
  const issuer = values['auth.issuer']
  const audience = values['auth.audience']
  const maxAgeMs = values['auth.tokenAgeMsMax']
  return jwtAuthenticator({
    key: await jwtKey(values),
    clock,
    rolesClaim: values['auth.rolesClaim'],
    subjectClaim: values['auth.subjectClaim'],
    ...(issuer !== undefined && { issuer }),
    ...(audience !== undefined && { audience }),
    ...(maxAgeMs !== undefined && { maxAgeMs }),
  })
}

async function jwtKey(values: SettingValues): Promise<JwtKey> {
  const algorithm = values['auth.jwtAlgorithm']
  const secret = values['auth.jwtSecret']
  const secretFile = values['auth.jwtSecretFile']
  const publicKeyFile = values['auth.jwtPublicKeyFile']
  const jwksUrl = values['auth.jwksUrl']
  if (secret !== undefined) return { secret }
  if (secretFile !== undefined) return { secret: secretFromFile(await bytesOf(secretFile)) }
  if (publicKeyFile !== undefined && algorithm !== undefined) {
    const publicKey = new TextDecoder().decode(await bytesOf(publicKeyFile))
    return { publicKey, algorithm }
  }
  const allowHttp = values['auth.allowHttp']
  if (jwksUrl !== undefined) return { jwksUrl, allowHttp, ...(algorithm !== undefined && { algorithms: [algorithm] }) }
  throw new SynclineError('config-invalid', 'No key for tokens is configured.')
}

async function bytesOf(file: string): Promise<Uint8Array> {
  return readFile(file).catch((error: unknown) => {
    throw new SynclineError('config-invalid', `${file} cannot be read: ${error instanceof Error ? error.message : String(error)}.`)
  })
}
