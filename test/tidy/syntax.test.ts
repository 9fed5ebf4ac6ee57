// A rule that cannot fail is no rule: the reader that the tidy rules stand on must find what is there, and nothing in comments or strings.
import { expect, test } from 'vitest'
import { readSource } from './syntax.ts'

test('[TY-10] the tidy rules see what code does, and nothing of what comments, strings and keys say', () => {
  const facts = readSource(
    'sample.ts',
    `// setTimeout(() => process.exit()) and import 'node:fs'
import { a } from 'a'
import type { B } from 'b'
export * from './c.ts'
const d = await import('d')
type E = import('e').E
const text = 'Date.now() Math.random()'
const options = { process: 1, setTimeout: 2 }
options.process = clock.setTimeout
function long(): void {
  Math.random()

}
const moment = Date.now
globalThis.setInterval(long, 1)
setTimeout(() => long(), 1)
test('[A-1] plain', () => {})
test.skipIf(process.env)(\`[\${rule.id}] computed\`, () => {})
it.for([1])('[A-2] table', () => {})
test(title, () => {})
`,
  )
  expect(facts.imports.map((found) => found.specifier)).toEqual(['a', 'b', './c.ts', 'd', 'e'])
  const clock = ['Date.now', 'Math.random', 'setTimeout', 'setInterval', 'process', 'Buffer']
  const used = facts.uses.filter((found) => clock.includes(found.name)).map((found) => `${found.line} ${found.name}`)
  expect(used).toEqual(['11 Math.random', '14 Date.now', '15 setInterval', '16 setTimeout', '18 process'])
  expect(facts.functions.find((found) => found.line === 10)?.lines).toBe(4)
  expect(facts.strings.has('Date.now() Math.random()')).toBe(true)
  expect(facts.testTitles.map((found) => found.title)).toEqual(['[A-1] plain', '[${}] computed', '[A-2] table', null])
})
