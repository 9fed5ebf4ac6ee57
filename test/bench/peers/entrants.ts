// Who takes part, by which door, and the words for it. The order is that of the tables.

import type { DialectName } from './dialect.ts'
import type { ServerName } from './server-process.ts'

export interface Entrant {
  readonly label: string
  readonly server: ServerName
  readonly dialect: DialectName
  readonly kind: 'syncline' | 'peer' | 'floor'
  /** What it acknowledged is in its folder, or about to be. */
  readonly stores: boolean
}

export const entrants: readonly Entrant[] = [
  { label: 'Syncline, y-websocket door', server: 'syncline', dialect: 'y-websocket', kind: 'syncline', stores: true },
  { label: 'Syncline, native door', server: 'syncline', dialect: 'native', kind: 'syncline', stores: true },
  { label: 'Syncline, Hocuspocus door', server: 'syncline', dialect: 'hocuspocus', kind: 'syncline', stores: true },
  { label: 'Hocuspocus, SQLite', server: 'hocuspocus', dialect: 'hocuspocus', kind: 'peer', stores: true },
  { label: 'y-websocket-server', server: 'y-websocket-server', dialect: 'y-websocket', kind: 'peer', stores: false },
  { label: 'y-websocket-server, LevelDB', server: 'y-websocket-server+leveldb', dialect: 'y-websocket', kind: 'peer', stores: true },
  { label: 'floor: broadcast', server: 'floor-broadcast', dialect: 'y-websocket', kind: 'floor', stores: false },
  { label: 'floor: commit, then broadcast', server: 'floor-commit', dialect: 'y-websocket', kind: 'floor', stores: true },
]
