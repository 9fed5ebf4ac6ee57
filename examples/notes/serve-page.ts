// Bundles the page once and serves it from memory: three files, nothing from any other host.

import { readFile } from 'node:fs/promises'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

export interface Page {
  readonly url: string
  close(): Promise<void>
}

/** Resolves when the page can be opened. Throws when the port is taken. */
export async function servePage({ host, port, relayUrl }: { host: string; port: number; relayUrl: string }): Promise<Page> {
  const files = await bundle(relayUrl)
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? '/', 'http://page').pathname
    const file = files.get(path)
    if (file === undefined) answer(response, 404, 'text/plain; charset=utf-8', 'There is no such file here.')
    else answer(response, 200, file.type, request.method === 'HEAD' ? '' : file.text)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(
        error.code === 'EADDRINUSE'
          ? new Error(`Port ${port} is taken by another program. Choose another one: npm start -- --page-port ${port + 1}`)
          : error,
      )
    })
    server.listen(port, host, resolve)
  })

  function answer(response: ServerResponse, status: number, type: string, text: string): void {
    response.writeHead(status, {
      'content-type': type,
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      // CodeMirror writes its styles into the page.
      'content-security-policy': `default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src data:; connect-src ${relayUrl}; form-action 'none'; base-uri 'none'; frame-ancestors 'none'`,
    })
    response.end(text)
  }

  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function bundle(relayUrl: string): Promise<Map<string, { type: string; text: string }>> {
  const folder = fileURLToPath(new URL('page/', import.meta.url))
  const { outputFiles } = await build({
    entryPoints: [`${folder}notes.ts`],
    bundle: true,
    format: 'esm',
    target: 'es2022',
    minify: true,
    write: false,
    logLevel: 'error',
  })
  const html = await readFile(`${folder}index.html`, 'utf8')
  return new Map([
    ['/', { type: 'text/html; charset=utf-8', text: html.replace('RELAY_URL', relayUrl) }],
    ['/notes.js', { type: 'text/javascript; charset=utf-8', text: outputFiles[0]!.text }],
    ['/notes.css', { type: 'text/css; charset=utf-8', text: await readFile(`${folder}notes.css`, 'utf8') }],
  ])
}
