// File names for exported documents: safe on every file system (case-insensitive ones and Windows too), distinct, and readable back. Pure. Read by the export
// and import commands. Rule: CL-5.

import { createHash } from 'node:crypto'
import { docIdOrNull, type DocId } from '@syncline/protocol'

export const exportSuffix = '.yupdate'
const nameBytesMax = 180
const reserved = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/

/** Lowercase letters, digits, `-`, `_` and inner dots stand for themselves, every other byte is `%XX`. A long name is cut and ends in `~` and a hash: such a
 *  file needs the export's index to be imported under its name. */
export function exportFileName(doc: DocId): string {
  let name = ''
  for (const byte of new TextEncoder().encode(doc)) {
    const character = String.fromCharCode(byte)
    name += /[a-z0-9_-]/.test(character) || (character === '.' && name !== '') ? character : percent(byte)
  }
  if (name.endsWith('.')) name = `${name.slice(0, -1)}${percent(0x2e)}`
  if (reserved.test(name)) name = percent(name.charCodeAt(0)) + name.slice(1)
  if (name.length > nameBytesMax)
    name = `${name.slice(0, nameBytesMax - 33)}~${createHash('sha256').update(doc).digest('hex').slice(0, 32)}`
  return name + exportSuffix
}

/** The document that a file name stands for; null when it is none of an export, or was cut. */
export function docOfFileName(fileName: string): DocId | null {
  if (!fileName.endsWith(exportSuffix)) return null
  const name = fileName.slice(0, -exportSuffix.length)
  if (name.includes('~')) return null
  try {
    return docIdOrNull(decodeURIComponent(name))
  } catch {
    return null
  }
}

function percent(byte: number): string {
  return `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
}
