import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { docIdOrNull, parseDocId } from '@syncline/protocol'
import { docOfFileName, exportFileName } from '../src/export-name.ts'

test('[CL-5] file names of exports are readable back, or cut and marked so', () => {
  const names: [string, string][] = [
    ['note/42', 'note%2F42.yupdate'],
    ['Note', '%4Eote.yupdate'],
    ['räum mit leer/zeichen', 'r%C3%A4um%20mit%20leer%2Fzeichen.yupdate'],
    ['..', '%2E%2E.yupdate'],
    ['con', '%63on.yupdate'],
    ['nul.txt', '%6Eul.txt.yupdate'],
    ['v1.2', 'v1.2.yupdate'],
  ]
  for (const [doc, file] of names) {
    expect(exportFileName(parseDocId(doc))).toBe(file)
    expect(docOfFileName(file)).toBe(doc)
  }
  const long = exportFileName(parseDocId('ä'.repeat(256)))
  expect(long.length).toBeLessThan(200)
  expect(docOfFileName(long)).toBeNull()
  expect(docOfFileName('%zz.yupdate')).toBeNull()
  expect(docOfFileName('note.bin')).toBeNull()
})

test('[CL-5] two documents never share a file, not even on a file system that ignores case', () => {
  const doc = fc
    .string({ unit: fc.constantFrom(...'aAbB/.%~ _-19äÄ日😀\u0001:\\'), minLength: 1, maxLength: 40 })
    .filter((text) => docIdOrNull(text) !== null)
  fc.assert(
    fc.property(doc, doc, (a, b) => {
      const [fileA, fileB] = [exportFileName(parseDocId(a)), exportFileName(parseDocId(b))]
      expect(fileA).toMatch(/^[a-z0-9%A-F_~-][a-z0-9%A-F._~-]*$/)
      expect(fileA.toLowerCase() === fileB.toLowerCase()).toBe(a === b)
      expect(docOfFileName(fileA)).toBe(fileA.includes('~') ? null : a)
    }),
  )
})
