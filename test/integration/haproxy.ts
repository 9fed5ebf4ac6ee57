// A real HAProxy with the configuration of deploy/, its ports replaced. Read by the tests and the campaign that put relays behind it.

import { spawn, spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { nodeClock } from '@syncline/replica/ws'
import { repository } from './program.ts'
import { temporaryFolder } from './relay-process.ts'

export const isHaproxyHere: boolean = spawnSync('haproxy', ['-v']).status === 0

export interface Backend {
  readonly port: number
  readonly adminPort: number
}

export interface Proxy {
  /** For clients, e.g. ws://127.0.0.1:8080 */
  readonly url: string
  /** Resolves once it takes the server for up or down, by its last word about it. Rejects after 30 s. */
  takesFor(server: string, state: 'UP' | 'DOWN'): Promise<void>
  end(): Promise<void>
}

/** Resolves once it takes connections. */
export async function startProxy(a: Backend, b: Backend): Promise<Proxy> {
  const folder = temporaryFolder()
  const [port] = await freePorts(1)
  const text = readFileSync(join(repository, 'deploy', 'haproxy', 'haproxy.cfg'), 'utf8')
    .replace('bind :8080', `bind 127.0.0.1:${port}`)
    .replace('127.0.0.1:4400 port 4480', `127.0.0.1:${a.port} port ${a.adminPort}`)
    .replace('127.0.0.1:4410 port 4490', `127.0.0.1:${b.port} port ${b.adminPort}`)
  const file = join(folder.path, 'haproxy.cfg')
  writeFileSync(file, text)
  const child = spawn('haproxy', ['-db', '-f', file], { stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  const heard = new Set<() => void>()
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (more: string) => {
      said += more
      for (const look of heard) look()
    })
  }
  const ended = new Promise<void>((resolve) => child.on('close', () => resolve()))
  const proxy: Proxy = {
    url: `ws://127.0.0.1:${port}`,
    takesFor: (server, state) =>
      new Promise((resolve, reject) => {
        const late = (): void => reject(new Error(`HAProxy does not take ${server} for ${state} within 30 s. ${said.slice(-2000)}`))
        const cancel = nodeClock().after(30_000, () => done(late))
        const done = (settle: () => void): void => {
          cancel()
          heard.delete(look)
          settle()
        }
        // Servers are up until it says otherwise.
        const look = (): void => {
          const last = [...said.matchAll(new RegExp(`${server} is (UP|DOWN)`, 'g'))].at(-1)?.[1] ?? 'UP'
          if (last === state) done(resolve)
        }
        heard.add(look)
        look()
      }),
    async end() {
      child.kill('SIGKILL')
      await ended
      folder.remove()
    },
  }
  await until(
    async () => (await fetch(proxy.url.replace('ws', 'http')).catch(() => null))?.status === 200,
    () => said,
  )
  return proxy
}

/** Ports that nobody listens on, on 127.0.0.1. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer())
  for (const server of servers) await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  const ports = servers.map((server) => (server.address() as AddressInfo).port)
  for (const server of servers) await new Promise((resolve) => void server.close(resolve))
  return ports
}

/** Asks again, each answer after the one before, until it is true. */
export async function until(asked: () => Promise<boolean>, said: () => string = () => '', withinMs = 10_000): Promise<void> {
  const began = performance.now()
  while (!(await asked()))
    if (performance.now() - began > withinMs) throw new Error(`it did not come true within ${withinMs / 1000} s. ${said().slice(-2000)}`)
}
