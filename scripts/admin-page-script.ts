// Writes the script of the relay's admin page: packages/relay/src/admin/page/browser/ as one string. Run it after a change there:
// `node scripts/admin-page-script.ts`; `--check` writes nothing and fails when the string differs, as does [PG-4] in test/browser/admin-page.test.ts.
import { dirname, join } from 'node:path'
import { bundleScript, writeScript, type PageScript } from './page-script.ts'

const folder = join(dirname(import.meta.dirname), 'packages/relay/src/admin/page')

const script: PageScript = {
  entry: join(folder, 'browser/page.ts'),
  path: join(folder, 'page-script.ts'),
  name: 'pageScript',
  program: 'scripts/admin-page-script.ts',
  sources: 'browser/',
}

export function bundleAdminPage(): Promise<string> {
  return bundleScript(script)
}

if (import.meta.main) await writeScript(script)
