// Certificates that change while a relay runs: real files, real certificates, real wss connections.

import { execFileSync, spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import type { SynclineError } from '@syncline/protocol'
import { nodeClock } from '@syncline/replica/ws'
import { createRelay } from '../src/relay.ts'
import { certificateFacts, readCertificate, watchCertificate, type CertificateFiles, type Certificate } from '../src/tls-files.ts'

const openssl = spawnSync('openssl', ['version']).status === 0
const folder = mkdtempSync(join(tmpdir(), 'syncline-tls-'))
const made = (name: string): CertificateFiles => ({ cert: join(folder, `${name}.pem`), key: join(folder, `${name}.key`) })
const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

beforeAll(() => {
  if (!openssl) return
  for (const name of ['first', 'second', 'third']) {
    const { cert, key } = made(name)
    const args = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', `/CN=${name}`]
    execFileSync('openssl', [...args, '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1', '-keyout', key, '-out', cert], {
      stdio: 'ignore',
    })
  }
})

let pairs = 0
/** A pair of files that a test may change. */
function pairOf(name: string): CertificateFiles {
  const files = made(`live-${pairs++}`)
  copyFileSync(made(name).cert, files.cert)
  copyFileSync(made(name).key, files.key)
  return files
}

/** Follows the files; `installed` and `problems` resolve one after the other as they come. */
function follow(files: CertificateFiles, install: (pair: Certificate) => void = () => undefined) {
  const installed = queue<Certificate>()
  const problems = queue<SynclineError>()
  cleanups.push(
    watchCertificate({
      files,
      current: readCertificate(files),
      clock: nodeClock(),
      install(pair) {
        install(pair)
        installed.push(pair)
      },
      onProblem: (error) => problems.push(error),
    }),
  )
  return { installed, problems }
}

function queue<T>() {
  const items: T[] = []
  const waiting: ((item: T) => void)[] = []
  return {
    items,
    push(item: T): void {
      items.push(item)
      waiting.shift()?.(item)
    },
    next: (): Promise<T> => new Promise((resolve) => void waiting.push(resolve)),
  }
}

/** The name on the certificate that a new wss connection is shown, and that the connection opened. */
async function nameShownAt(url: string): Promise<string> {
  const ca = ['first', 'second', 'third'].map((name) => readFileSync(made(name).cert))
  const ws = new WebSocket(url, { ca })
  await new Promise((resolve, reject) => {
    ws.on('open', resolve)
    ws.on('error', reject)
  })
  const name = peerName(ws)
  ws.terminate()
  return name
}

function peerName(ws: WebSocket): string {
  const socket = (ws as unknown as { _socket: TLSSocket })._socket
  return String(socket.getPeerCertificate().subject.CN)
}

const rel = test.skipIf(!openssl)

rel(
  '[TC-1] a new pair is shown to connections within 2 s of its files, those that are open go on, and a broken one changes nothing',
  async () => {
    const files = pairOf('first')
    const server = createServer(readCertificate(files))
    const sockets = new WebSocketServer({ server })
    sockets.on('connection', (ws) => ws.on('message', (data) => ws.send(data)))
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
    cleanups.push(() => server.close())
    const url = `wss://127.0.0.1:${(server.address() as AddressInfo).port}`
    const { installed, problems } = follow(files, (pair) => server.setSecureContext(pair))
    expect(await nameShownAt(url)).toBe('first')
    const early = new WebSocket(url, { ca: readFileSync(made('first').cert) })
    cleanups.push(() => early.terminate())
    await new Promise((resolve) => void early.on('open', resolve))

    const began = performance.now()
    copyFileSync(made('second').cert, files.cert)
    copyFileSync(made('second').key, files.key)
    await installed.next()
    expect(performance.now() - began).toBeLessThan(2000)
    expect(await nameShownAt(url)).toBe('second')

    // A certificate whose key has not come.
    copyFileSync(made('third').cert, files.cert)
    expect(await problems.next()).toMatchObject({ code: 'config-invalid', message: expect.stringContaining('do not make a pair') })
    expect(await nameShownAt(url)).toBe('second')
    copyFileSync(made('third').key, files.key)
    await installed.next()
    expect(await nameShownAt(url)).toBe('third')

    expect(peerName(early)).toBe('first')
    early.send('still here')
    expect(await new Promise((resolve) => early.on('message', (data: Buffer) => resolve(data.toString())))).toBe('still here')
    expect(problems.items).toHaveLength(1)
  },
)

rel('[TC-1] a relay serves wss with the pair it is given, and with a later one after setCertificate', async () => {
  const first = readCertificate(made('first'))
  const relay = await createRelay({ data: join(folder, 'relay'), port: 0, tls: first })
  cleanups.push(() => relay.close())
  expect(relay.url).toMatch(/^wss:/)
  expect(await nameShownAt(`${relay.url}/room`)).toBe('first')
  relay.setCertificate(readCertificate(made('second')))
  expect(await nameShownAt(`${relay.url}/room`)).toBe('second')
})

rel('[TC-2] files that are replaced, linked and switched as a mounted secret are followed too', async () => {
  const mount = join(folder, 'mount')
  for (const name of ['first', 'second']) {
    mkdirSync(join(mount, name), { recursive: true })
    copyFileSync(made(name).cert, join(mount, name, 'tls.crt'))
    copyFileSync(made(name).key, join(mount, name, 'tls.key'))
  }
  symlinkSync('first', join(mount, '..data'))
  const files = { cert: join(mount, 'tls.crt'), key: join(mount, 'tls.key') }
  symlinkSync('..data/tls.crt', files.cert)
  symlinkSync('..data/tls.key', files.key)
  const { installed, problems } = follow(files)
  symlinkSync('second', join(mount, '..next'))
  renameSync(join(mount, '..next'), join(mount, '..data'))
  expect(await installed.next()).toEqual(readCertificate(made('second')))
  expect(problems.items).toEqual([])
})

rel('[TC-2] a pair that was broken and comes back as it was is in use all the time, and each trouble is told once', async () => {
  const files = pairOf('first')
  const { installed, problems } = follow(files)
  unlinkSync(files.key)
  expect(await problems.next()).toMatchObject({ message: expect.stringContaining('cannot be read') })
  writeFileSync(files.key, 'rubbish')
  expect(await problems.next()).toMatchObject({ message: expect.stringContaining('do not make a pair') })
  copyFileSync(made('first').key, files.key)
  copyFileSync(made('second').cert, files.cert)
  copyFileSync(made('second').key, files.key)
  expect(await installed.next()).toEqual(readCertificate(made('second')))
  expect(problems.items).toHaveLength(2)
})

rel('[TC-3] what is no pair is refused in words that name the file, and no word of a key is among them', () => {
  const first = made('first')
  const missing = { ...first, key: join(folder, 'none.key') }
  expect(() => readCertificate(missing)).toThrow(/none\.key cannot be read/)
  expect(() => readCertificate({ cert: first.key, key: first.key })).toThrow(/first\.key holds no certificate in PEM/)
  expect(() => readCertificate({ cert: first.cert, key: made('second').key })).toThrow(/first\.pem and .*second\.key do not make a pair/)
  const encrypted = join(folder, 'encrypted.key')
  execFileSync('openssl', ['ec', '-aes256', '-passout', 'pass:x', '-in', first.key, '-out', encrypted], { stdio: 'ignore' })
  expect(() => readCertificate({ cert: first.cert, key: encrypted })).toThrow(/do not make a pair/)
  const secret = readFileSync(first.key, 'utf8').split('\n')[1]!
  try {
    readCertificate({ cert: made('second').cert, key: first.key })
  } catch (error) {
    expect((error as Error).message).not.toContain(secret)
  }
})

rel('[TC-4] a certificate tells whom it is for and how long it is good', () => {
  const { subject, validFromMs, validToMs } = certificateFacts(readCertificate(made('first')))
  expect(subject).toBe('DNS:localhost, IP Address:127.0.0.1')
  expect(validToMs - validFromMs).toBe(2 * 24 * 3_600_000)
})
