// Certificate and key of the port, followed while the relay runs: a new pair that fits is handed on, and one that does not is reported while the old one stays. Read by the commands serve and check-config. Rules: TC-1 to TC-4.

import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createSecureContext } from 'node:tls'
import { SynclineError } from '@syncline/protocol'
import type { Clock } from '@syncline/replica'
import { watchFiles } from './settled-files.ts'

/** What makes wss of ws. */
export interface Certificate {
  /** Chain, leaf first, PEM. */
  readonly cert: string
  /** PEM, not encrypted. */
  readonly key: string
}

export interface CertificateFiles {
  readonly cert: string
  readonly key: string
}

export interface CertificateFacts {
  readonly subject: string
  readonly validFromMs: number
  readonly validToMs: number
}

/** Throws "config-invalid" with words for files that cannot be read, are no PEM, or do not fit each other. */
export function readCertificate(files: CertificateFiles): Certificate {
  return checked(files, readText(files.cert), readText(files.key))
}

/** Of the first certificate of the chain. */
export function certificateFacts({ cert }: Certificate): CertificateFacts {
  const first = new X509Certificate(cert)
  return {
    subject: first.subjectAltName ?? first.subject,
    validFromMs: Date.parse(first.validFrom),
    validToMs: Date.parse(first.validTo),
  }
}

export interface CertificateWatch {
  readonly files: CertificateFiles
  /** The pair in use. */
  readonly current: Certificate
  readonly clock: Clock
  /** Takes a new pair into use; may throw, and the old one stays then. Called within 2 s of the last change. */
  readonly install: (pair: Certificate) => void
  /** A change that was not taken, once per change. */
  readonly onProblem: (error: SynclineError) => void
}

/** Follows the files until the returned function is called. */
export function watchCertificate({ files, clock, current, install, onProblem }: CertificateWatch): () => void {
  let used = current
  return watchFiles([files.cert, files.key], clock, async () => {
    try {
      const [cert, key] = await Promise.all([readLater(files.cert), readLater(files.key)])
      if (cert === used.cert && key === used.key) return
      const pair = checked(files, cert, key)
      install(pair)
      used = pair
    } catch (error) {
      onProblem(error instanceof SynclineError ? error : invalid(`${files.cert} cannot be used: ${wordsOf(error)}`))
    }
  })
}

function checked(files: CertificateFiles, cert: string, key: string): Certificate {
  try {
    certificateFacts({ cert, key })
  } catch (error) {
    throw invalid(`${files.cert} holds no certificate in PEM: ${wordsOf(error)}`)
  }
  try {
    createSecureContext({ cert, key })
  } catch (error) {
    throw invalid(`${files.cert} and ${files.key} do not make a pair: ${wordsOf(error)}`)
  }
  return { cert, key }
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw invalid(`${file} cannot be read: ${wordsOf(error)}`)
  }
}

function readLater(file: string): Promise<string> {
  return readFile(file, 'utf8').catch((error: unknown) => {
    throw invalid(`${file} cannot be read: ${wordsOf(error)}`)
  })
}

function invalid(words: string): SynclineError {
  return new SynclineError('config-invalid', `${words}.`)
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
