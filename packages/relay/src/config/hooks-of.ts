// The hooks that a configuration asks for: a webhook. Read by the command serve. Rules: CF-6, CF-8, HK-5.

import type { Clock } from '@syncline/replica'
import type { RelayHooks } from '../hooks.ts'
import { readSecret } from './secret-file.ts'
import type { SettingValues } from './settings.ts'

/** Null: none. Rejects with "config-invalid". */
export async function openConfiguredHooks(
  values: SettingValues,
  clock: Clock,
  onHookError: NonNullable<RelayHooks['onHookError']>,
): Promise<RelayHooks | null> {
  const url = values['hooks.url']
  const file = values['hooks.secretFile']
  const events = values['hooks.events']
  if (url === undefined) return null
  const { createWebhook } = await import('../webhook.ts')
  const secret = file === undefined ? values['hooks.secret'] : await readSecret(file)
  return createWebhook(url, secret ?? '', { clock, onHookError, ...(events !== undefined && { events }) })
}
