// @syncline/store/sqlite: a store in one SQLite file, for Node.
export { systemClock, type Clock } from './clock.ts'
export { openSqliteReader, type SqliteReading } from './open-reader.ts'
export type { SqliteDurability } from './pragmas.ts'
export type { SqliteReader } from './reader.ts'
export { openSqliteStore, type SqliteStore, type SqliteStoreOptions } from './sqlite-store.ts'
export type { CommitCounters } from './writer.ts'
