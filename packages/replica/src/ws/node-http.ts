// Node's http, required and not imported: an import of a built-in module reads every property of it, and one of http's loads a whole web client (undici), which takes
// some MiB of resident memory and 50 ms of a start. Read by listen.ts and by the servers of the relay. Rule: RS-7.

import type * as http from 'node:http'
import { createRequire } from 'node:module'

export const nodeHttp: typeof http = createRequire(import.meta.url)('node:http') as typeof http
