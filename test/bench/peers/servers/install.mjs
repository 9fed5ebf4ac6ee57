// Installs the servers that Syncline is measured against beside this file, from the lockfiles: node test/bench/peers/servers/install.mjs
// They are no part of the workspace, so that nothing of them can reach what is published or tested. No scripts of packages run: the natives come prebuilt, for which
// better-sqlite3 is the 13 that Syncline uses, too, and not the 12 that Hocuspocus's extension names.

import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))
for (const folder of [here, join(here, 'y-websocket')]) {
  const { status } = spawnSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: folder, stdio: 'inherit' })
  process.exitCode ||= status ?? 1
}
