// The routes that delete a document, give out what a deletion took away, and begin it anew. Mounted by documents-api.ts; docs/http-api.md. Rules: HA-12, DD-6.

import type { Clock } from '@syncline/replica'
import type { Hono } from 'hono'
import { missing, mustDelete, mustWrite, type ApiEnv } from './api-access.ts'
import { binaryAnswer, within } from './api-answers.ts'
import { docOf } from './api-request.ts'

export function deletionRoutes(api: Hono<ApiEnv>, clock: Clock): void {
  api.delete('/documents/:name', async (context) => {
    const [doc, pass, { replica, watch }] = [docOf(context), context.get('pass'), context.get('held')]
    mustDelete(pass, doc)
    if (replica.isDeleted(doc)) return context.json({ deleted: true, known: true })
    if (!replica.has(doc)) throw missing(doc)
    const seq = await within(clock, replica.deleteDocument(doc))
    watch.hooks.wrote(doc, pass.identity, seq)
    return context.json({ deleted: true, seq })
  })

  api.get('/documents/:name/remains', (context) => {
    const [doc, pass, { replica }] = [docOf(context), context.get('pass'), context.get('held')]
    mustDelete(pass, doc)
    const wanted = context.req.query('life')
    const remains = replica.remains(doc).find(({ life }) => wanted === undefined || String(life) === wanted)
    if (remains === undefined) throw missing(doc)
    return binaryAnswer(remains.update, { 'x-deleted-at': new Date(remains.deletedAtMs).toISOString(), 'x-life': String(remains.life) })
  })

  api.post('/documents/:name/recreate', async (context) => {
    const [doc, pass, { replica, watch }] = [docOf(context), context.get('pass'), context.get('held')]
    mustWrite(pass, doc, replica)
    if (!replica.isDeleted(doc)) {
      if (replica.has(doc)) return context.json({ recreated: true, known: true })
      throw missing(doc)
    }
    const seq = await within(clock, replica.recreateDocument(doc))
    watch.hooks.wrote(doc, pass.identity, seq)
    return context.json({ recreated: true, seq })
  })
}
