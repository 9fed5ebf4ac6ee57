// How much memory another process holds. Linux only: elsewhere null, and a scenario says that it did not measure.

import { readFileSync } from 'node:fs'

/** Resident memory in MiB, or null. */
export function residentMib(pid: number): number | null {
  try {
    const kib = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
    return kib === undefined ? null : Number(kib) / 1024
  } catch {
    return null
  }
}
