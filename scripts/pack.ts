// Packs every package of packages/ into .cache/pack, as pnpm would publish it: one tarball each, named after its package.
// Reads the built dist folders. Read by: scripts/check.ts (publint, attw) and test/packaging.
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'

const root = dirname(import.meta.dirname)
const packFolder = join(root, '.cache', 'pack')

rmSync(packFolder, { recursive: true, force: true })
mkdirSync(packFolder, { recursive: true })
for (const name of readdirSync(join(root, 'packages')).toSorted()) {
  const args = ['scripts/bootstrap.mjs', 'pnpm', '--dir', `packages/${name}`, 'pack', '--pack-destination', '../../.cache/pack']
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' })
  if (status !== 0) {
    console.error(`packages/${name} could not be packed`)
    process.exit(1)
  }
}
console.log(readdirSync(packFolder).toSorted().join('\n'))
