// The version of this package, as its manifest says. Read by cli.ts and relay-operations.ts.

import { readFileSync } from 'node:fs'

/** Cost: reads a file; callers keep it. */
export function relayVersion(): string {
  const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }
  return manifest.version
}
