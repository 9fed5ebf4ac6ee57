// The admin port with all that is on it: metrics and probes, the JSON API, its page. A relay without an admin port loads neither this file nor what it stands on, and
// counts nothing, since nobody could read it (RS-7). Loaded by relay-operations.ts.

import { createAdminServer, type AdminServer, type AdminServerOptions } from './admin-server.ts'
import { createApi, type Api, type ApiOptions } from './api.ts'
import { pageApp } from './page/admin-page.ts'

export { createRelayMetrics } from '../metrics/relay-metrics.ts'

export interface AdminPort {
  readonly api: Api
  /** Rejects with what createAdminServer rejects with. */
  readonly server: Promise<AdminServer>
}

export function openAdminPort(api: ApiOptions, server: Omit<AdminServerOptions, 'mount'>): AdminPort {
  const opened = createApi(api)
  const mount: NonNullable<AdminServerOptions['mount']> = (app) => {
    app.route('/', opened.app)
    app.route('/', pageApp())
  }
  return { api: opened, server: createAdminServer({ ...server, mount }) }
}
