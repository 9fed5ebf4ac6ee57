// For the command line: `pnpm sim --scenario packages/testing/test/deletions-scenario.ts --runs N`.

export { deletions as default } from '../src/scenario.ts'
