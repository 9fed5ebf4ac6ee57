// Opens a store and holds it until it is told a line. Prints its replica id. Arguments: path [leave: ends without closing].

import { argv, stdin } from 'node:process'
import { createInterface } from 'node:readline'
import { DEFAULT_SPACE, SynclineError } from '@syncline/protocol'
import { openSqliteStore } from '@syncline/store/sqlite'

const [, , path, leave] = argv
try {
  const store = await openSqliteStore({ path: path!, space: DEFAULT_SPACE, durability: 'process' })
  console.log(`open ${store.replicaId}`)
  if (leave !== 'leave') {
    const input = createInterface({ input: stdin })
    await new Promise((resolve) => input.once('line', resolve))
    input.close()
    stdin.destroy()
    await store.close()
    console.log('closed')
  }
} catch (error) {
  console.log(`refused ${error instanceof SynclineError ? `${error.code} ${error.message}` : String(error)}`)
}
