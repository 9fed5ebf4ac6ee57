// Why a server could not listen, as an error with a code. Read by whoever opens a port.

import { SynclineError } from '@syncline/protocol'

export function listenError(error: NodeJS.ErrnoException, host: string, port: number): SynclineError {
  const at = `${host}:${port}`
  if (error.code === 'EADDRINUSE') return new SynclineError('port-taken', `Another process listens on ${at}.`, { cause: error })
  if (error.code === 'EACCES') return new SynclineError('port-forbidden', `This user may not listen on ${at}.`, { cause: error })
  return new SynclineError('argument-invalid', `Cannot listen on ${at}: ${error.message}.`, { cause: error })
}
