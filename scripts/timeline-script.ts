// Writes the script of the timeline page: packages/testing/src/timeline/page/ as one string. Run it after a change there: `node scripts/timeline-script.ts`;
// `--check` writes nothing and fails when the string differs, as does [TL-2] in test/browser/timeline.test.ts.
import { dirname, join } from 'node:path'
import { bundleScript, writeScript, type PageScript } from './page-script.ts'

const folder = join(dirname(import.meta.dirname), 'packages/testing/src/timeline')

const script: PageScript = {
  entry: join(folder, 'page/page.ts'),
  path: join(folder, 'timeline-script.ts'),
  name: 'timelineScript',
  program: 'scripts/timeline-script.ts',
  sources: 'page/',
}

export function bundlePage(): Promise<string> {
  return bundleScript(script)
}

if (import.meta.main) await writeScript(script)
