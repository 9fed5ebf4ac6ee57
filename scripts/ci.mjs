// What continuous integration runs, on any machine with Node >= 18 and npm: the test command of the README, then the checks. Its last
// line is `N passed, N failed`, with `, N skipped` where tests were skipped: tests as counted by the test runner, each check step as one.
// Plain JavaScript, because it runs before anything is installed. Read by: .ci/run.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const folder = join(root, '.cache', 'ci')
rmSync(folder, { recursive: true, force: true })
mkdirSync(folder, { recursive: true })

const tests = run(['test'], join(folder, 'tests.json'), testCounts)
const checks = run(['run', 'check'], join(folder, 'checks.json'), (results) => ({ ...results, skipped: 0 }))

const passed = tests.passed + checks.passed
const failed = tests.failed + checks.failed
const skipped = tests.skipped + checks.skipped
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
process.exitCode = failed > 0 || passed === 0 ? 1 : 0

/** Runs `npm ARGS...` and reads its counts. A run that fails without a failed count (it did not build, say) counts as one failure. */
function run(args, resultsFile, read) {
  const env = { ...process.env, SYNCLINE_RESULTS: resultsFile }
  const { status } = spawnSync('npm', args, { cwd: root, stdio: 'inherit', env, shell: process.platform === 'win32' })
  const none = { passed: 0, failed: 0, skipped: 0 }
  const counts = existsSync(resultsFile) ? read(JSON.parse(readFileSync(resultsFile, 'utf8'))) : none
  return status !== 0 && counts.failed === 0 ? { ...counts, failed: 1 } : counts
}

/** Counts of the test runner's JSON report. A test file that could not be loaded has no tests, and counts as one failure. */
function testCounts(report) {
  const unloaded = report.testResults.filter((file) => file.status === 'failed' && file.assertionResults.length === 0)
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests + unloaded.length,
    skipped: report.numPendingTests + report.numTodoTests,
  }
}
