// Preloaded into the relay by soak.ts, with --expose-gc: collects garbage every few seconds and appends to memory.log in the working folder when, what is alive on the heap and in
// buffers, what is resident, and what the heap has taken of that, in bytes.

import { appendFileSync } from 'node:fs'
import { isMainThread } from 'node:worker_threads'

const EVERY_MS = 2_000

if (isMainThread) {
  setInterval(() => {
    globalThis.gc()
    const { heapUsed, heapTotal, external, rss } = process.memoryUsage()
    appendFileSync('memory.log', `${Date.now()} ${heapUsed + external} ${rss} ${heapTotal}\n`)
  }, EVERY_MS).unref()
}
