// From the name in front of a Hocuspocus message to the document it means. Pure. Provider 4 with `sessionAwareness` appends NUL and its session to the name, so that
// two of its providers may share a document on one socket. Names are not percent-encoded here. Read by session.ts. Rules: HP-1, YW-1.

import { docIdOrNull, LIMITS, type DocId } from '@syncline/protocol'

export type DocumentName = { readonly doc: DocId } | { readonly problem: string }

export function documentNameOf(name: string): DocumentName {
  const end = name.indexOf('\0')
  const text = end < 0 ? name : name.slice(0, end)
  if (text === '') return { problem: 'the document name is empty' }
  const doc = docIdOrNull(text)
  return doc === null ? { problem: `the document name is longer than ${LIMITS.docIdBytesMax} bytes` } : { doc }
}
