// A secret that stands in a file by itself. Read by relay-options-of.ts and doorman-of.ts. Rule: CF-8.

import { readFile } from 'node:fs/promises'
import { SynclineError } from '@syncline/protocol'

/** Without the line break that editors leave at its end. Rejects with "config-invalid" when it cannot be read or is empty. */
export async function readSecret(file: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw new SynclineError('config-invalid', `${file} cannot be read: ${error instanceof Error ? error.message : String(error)}.`)
  })
  const secret = text.replace(/\r?\n$/, '')
  if (secret === '') throw new SynclineError('config-invalid', `${file} is empty, and should hold a secret.`)
  return secret
}
