// @syncline/store/sqlite: a store in one SQLite file, for Node.
export { systemClock, type Clock } from './clock.ts'
export { openSqliteReader } from './open-reader.ts'
export type * from './sqlite-api.ts'
export { openSqliteStore } from './sqlite-store.ts'
export { isOlderFormat } from './upgrade-file.ts'
export type { UpgradeNotice } from './upgrade-notice.ts'
