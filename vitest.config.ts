// How tests run. Decides: which files are tests, that packages are read from src (the `syncline-source` export condition, for vite and for
// every process or worker that a test starts), and how many run at once. With SYNCLINE_RESULTS=FILE the results are also written as JSON.
import { defineConfig } from 'vitest/config'

const conditions = ['syncline-source', 'node']
const resultsFile = process.env['SYNCLINE_RESULTS']

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: {
    include: ['packages/*/test/**/*.test.ts', 'test/**/*.test.ts'],
    exclude: ['**/node_modules/**', '**/dist/**', 'test/bench/**', 'test/chaos/**', 'test/packaging/**'],
    reporters: resultsFile === undefined ? ['default'] : ['default', ['json', { outputFile: resultsFile }]],
    pool: 'forks',
    execArgv: ['--conditions=syncline-source'],
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 30_000,
    teardownTimeout: 10_000,
  },
})
