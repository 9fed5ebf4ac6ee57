// The admin port: plain HTTP for operators and their tools, apart from the port of the clients. Serves metrics and the two probes; whatever else belongs on this
// port is mounted by its owner. Decides who may ask: on a loopback address only who names it so, or any page in a browser of this machine could read it by
// rebinding a name. Made by relay.ts. Rules: HE-1 to HE-4.

import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import type { Clock } from '@syncline/replica'
import { Hono, type Context } from 'hono'
import { listenError } from '../listen-error.ts'
import { isLoopbackHost } from '../loopback.ts'
import type { Exposition } from '../metrics/relay-metrics.ts'
import { giveSocket } from '../given-socket.ts'
import type { GivenSocket } from '../relay-options.ts'
import type { Verdict } from './health.ts'

export interface AdminServerOptions {
  /** Default 127.0.0.1. */
  readonly host?: string
  /** 0: any free one. */
  readonly port: number
  readonly clock: Clock
  /** It listens nowhere: connections are given to it with take(). Each brings one request, since the next may be for another process. Default false. */
  readonly given?: boolean
  readonly health: { live(): Verdict | Promise<Verdict>; ready(): Verdict | Promise<Verdict> }
  readonly metrics: { scrape(): Promise<Exposition> }
  /** Further routes, under their own paths. */
  mount?(app: Hono): void
  /** A handler threw; the asker gets HTTP 500 without the words. */
  onError?(error: unknown): void
}

export interface AdminServer {
  /** e.g. http://127.0.0.1:9464; that of `host` and `port` where it listens nowhere. */
  readonly url: string
  readonly port: number
  /** A connection that another process accepted. */
  take(given: GivenSocket): void
  /** Takes no further requests and resolves when those under way are answered, or after a second. Idempotent. */
  close(): Promise<void>
}

const CONNECTIONS_MAX = 256
const HEADERS_WITHIN_MS = 10_000
/** A connection on which nothing moves for this time is closed: more than a write may take, and more than event streams are ever silent. */
const SILENT_MAX_MS = 60_000
/** Bodies are bounded by their pace (request-body.ts). This is for what nobody reads. */
const REQUEST_WITHIN_MS = 60 * 60 * 1000
const CLOSE_WITHIN_MS = 1_000

/** Resolves when the port takes requests. Rejects with "port-taken", "port-forbidden" or "argument-invalid". */
export async function createAdminServer(options: AdminServerOptions): Promise<AdminServer> {
  const { port } = options
  const host = (options.host ?? '127.0.0.1').replace(/^\[(.*)\]$/, '$1')
  const app = adminApp(options, isLoopbackHost(host))
  const handle = getRequestListener(app.fetch, { overrideGlobalObjects: false })
  const timeouts = {
    headersTimeout: HEADERS_WITHIN_MS,
    requestTimeout: REQUEST_WITHIN_MS,
    connectionsCheckingInterval: HEADERS_WITHIN_MS / 2,
  }
  const server = createServer(timeouts, (request, response) => void handle(request, response))
  server.maxConnections = CONNECTIONS_MAX
  server.timeout = SILENT_MAX_MS
  const actualPort = options.given === true ? openGiven(server, port) : await listening(server, host, port)
  let closing: Promise<void> | null = null
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${actualPort}`,
    port: actualPort,
    take: (given) => giveSocket(server, given),
    close: () => (closing ??= closeServer(server, options.clock)),
  }
}

async function listening(server: Server, host: string, port: number): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(listenError(error, host, port)))
    server.listen({ host, port }, resolve)
  })
  server.removeAllListeners('error')
  // Later errors are of accept(): that connection is lost, nothing else.
  server.on('error', () => undefined)
  return (server.address() as AddressInfo).port
}

/** What it does when it listens: from then on Node holds requests to the time that they have. */
function openGiven(server: Server, port: number): number {
  server.emit('listening')
  server.prependListener('request', (_, response) => response.setHeader('connection', 'close'))
  return port
}

function adminApp(options: AdminServerOptions, loopback: boolean): Hono {
  const { health, metrics } = options
  const app = new Hono()
  app.use(async (context, next) => {
    if (loopback && !namesLoopback(context.req.header('host')))
      return context.text('This port is served on a loopback address only: ask for it by 127.0.0.1, [::1] or localhost.\n', 421)
    await next()
    if (!context.res.headers.has('cache-control')) context.res.headers.set('cache-control', 'no-store')
    context.res.headers.set('x-content-type-options', 'nosniff')
    return
  })
  app.get('/metrics', async (context) => {
    const { contentType, text } = await metrics.scrape()
    return context.body(text, 200, { 'content-type': contentType })
  })
  app.get('/livez', async (context) => answer(context, await health.live()))
  app.get('/readyz', async (context) => answer(context, await health.ready()))
  app.on(['POST', 'PUT', 'PATCH', 'DELETE'], ['/metrics', '/livez', '/readyz'], (context) =>
    context.text('This is only read: ask with GET.\n', 405, { allow: 'GET, HEAD' }),
  )
  options.mount?.(app)
  const mounted = options.mount === undefined ? '' : 'the page at /, the API under /api/, '
  app.notFound((context) => context.text(`Nothing is served here. There are ${mounted}/metrics, /livez and /readyz.\n`, 404))
  app.onError((error, context) => {
    options.onError?.(error)
    return context.text('This could not be answered: the log of the relay says why.\n', 500)
  })
  return app
}

function answer(context: Context, { ok, reasons, failing, workers }: Verdict): Response {
  const more = { ...(failing !== undefined && { failing }), ...(workers !== undefined && { workers }) }
  return context.json({ ok, reasons, ...more }, ok ? 200 : 503)
}

function namesLoopback(host: string | undefined): boolean {
  const url = `http://${host ?? ''}`
  return URL.canParse(url) && isLoopbackHost(new URL(url).hostname)
}

function closeServer(server: Server, clock: Clock): Promise<void> {
  return new Promise((resolve) => {
    const cancel = clock.after(CLOSE_WITHIN_MS, () => server.closeAllConnections())
    server.close(() => {
      cancel()
      resolve()
    })
    server.closeIdleConnections()
  })
}
