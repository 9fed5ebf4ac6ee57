// The program of a worker process, forked by seat.ts: gives worker.ts its way to the process that has the port. Nothing else happens here.

import type { Socket } from 'node:net'
import { nodeClock } from '@syncline/replica/ws'
import { processTerminal } from '../terminal.ts'
import type { ToWorker } from './messages.ts'
import { runWorker } from './worker.ts'

runWorker(
  {
    send: (message) => {
      // Whoever is gone hears nothing, and this process ends for it.
      if (process.connected) process.send!(message, undefined, undefined, () => undefined)
    },
    onMessage: (listener) => void process.on('message', (message, socket) => listener(message as ToWorker, socket as Socket | undefined)),
    onGone: (listener) => void process.on('disconnect', listener),
    exit: (code) => process.exit(code),
  },
  processTerminal(nodeClock()),
)
