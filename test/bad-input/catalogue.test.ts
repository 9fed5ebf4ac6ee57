// The whole catalogue is accounted for: each number from 1 to 108 is a row of a table here, a test elsewhere that still bears its name, or waits with a reason.

import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { CATALOGUE_MAX } from './catalogue.ts'
import { catalogueLines, ownTests, ways } from './catalogue-table.ts'
import { laterCases, rightsCases, storageCases } from './storage-cases.ts'

const textOf = (path: string): string => readFileSync(fileURLToPath(new URL(path, import.meta.url)), 'utf8')

test('[IN-1] every number of the catalogue has a case, a test elsewhere, or a reason to wait', () => {
  const live = new Set(ways.map(({ number }) => number))
  const later = laterCases.map(({ number }) => number)
  const all = Array.from({ length: CATALOGUE_MAX }, (_, index) => index + 1)
  expect(all.filter((number) => !live.has(number) && !later.includes(number))).toEqual([])
  expect([...live, ...later].filter((number) => number < 1 || number > CATALOGUE_MAX)).toEqual([])
  expect(
    later.filter((number) => live.has(number)),
    'a case that waits has a test: take it off the list',
  ).toEqual([])
  console.log(`catalogue: ${live.size} numbers tested in ${ways.length} ways, ${later.length} wait`)
})

test('[IN-1] tests elsewhere that prove a case still exist', () => {
  for (const { number, file, title } of [...storageCases, ...rightsCases])
    expect(textOf(`../../${file}`), `${number} in ${file}`).toContain(title)
  for (const { number, file } of ownTests)
    expect(textOf(file), `${number} in ${file}`).toMatch(new RegExp(`\\[IN-1\\] (${number} |\\$\\{number\\})`))
})

test('[IN-1] docs/faults.md shows every number with the doors at which it is tried', () => {
  const page = textOf('../../docs/faults.md')
  const section = page.split(/^## /m).find((text) => text.startsWith('Bad input')) ?? ''
  const lines = section.split('\n').filter((line) => /^\| *\d/.test(line))
  // The words between are for people.
  const numberAndDoors = (line: string): (string | undefined)[] => {
    const cells = line.split('|').map((cell) => cell.trim())
    return [cells.at(1), cells.at(-2)]
  }
  expect(lines.map(numberAndDoors)).toEqual(catalogueLines().map(numberAndDoors))
})
