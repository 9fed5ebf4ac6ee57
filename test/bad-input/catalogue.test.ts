// The whole catalogue is accounted for: each number from 1 to 108 is a row of a table here, a test elsewhere that still bears its name, or waits with a reason.

import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { CATALOGUE_MAX } from './catalogue.ts'
import { clientCases } from './client-cases.ts'
import { payloadCases } from './payload-cases.ts'
import { sessionCases } from './session-cases.ts'
import { laterCases, storageCases } from './storage-cases.ts'
import { transportCases } from './transport-cases.ts'

/** Cases that are many updates or a life of their own: tests of payload-swarm.test.ts, client.test.ts and rewind.test.ts. */
const ownTests: Readonly<Record<string, readonly number[]>> = {
  'payload-swarm.test.ts': [52, 53, 57, 85],
  'client.test.ts': [104, 107],
  'rewind.test.ts': [87],
}

const textOf = (path: string): string => readFileSync(fileURLToPath(new URL(path, import.meta.url)), 'utf8')

test('[IN-1] every number of the catalogue has a case, a test elsewhere, or a reason to wait', () => {
  const here = [...transportCases, ...payloadCases, ...sessionCases, ...clientCases, ...storageCases].map(({ number }) => number)
  const live = new Set([...here, ...Object.values(ownTests).flat()])
  const later = laterCases.map(({ number }) => number)
  const all = Array.from({ length: CATALOGUE_MAX }, (_, index) => index + 1)
  expect(all.filter((number) => !live.has(number) && !later.includes(number))).toEqual([])
  expect([...live, ...later].filter((number) => number < 1 || number > CATALOGUE_MAX)).toEqual([])
  expect(
    later.filter((number) => live.has(number)),
    'a case that waits has a test: take it off the list',
  ).toEqual([])
  console.log(
    `catalogue: ${live.size} numbers tested in ${here.length} rows and ${Object.keys(ownTests).length} files of their own, ${later.length} wait`,
  )
})

test('[IN-1] tests elsewhere that prove a case still exist', () => {
  for (const { number, file, title } of storageCases) expect(textOf(`../../${file}`), `${number} in ${file}`).toContain(title)
  for (const [file, numbers] of Object.entries(ownTests))
    for (const number of numbers)
      expect(textOf(file), `${number} in ${file}`).toMatch(new RegExp(`\\[IN-1\\] (${number} |\\$\\{number\\})`))
})
