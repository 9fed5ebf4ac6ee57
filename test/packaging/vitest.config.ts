// The packaging tests run apart from the fast tier: they need built packages and install them with npm. Read by: `pnpm check`.
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: { include: ['test/packaging/*.test.ts'], pool: 'forks', maxWorkers: 1, testTimeout: 180_000, hookTimeout: 300_000 },
})
