// Workloads: what authors do to documents. Read by the package's index.
export { DocumentAuthor } from './author.ts'
export { combine } from './combine.ts'
export { expectConvergence, type HistoryStep } from './convergence.ts'
export { everything, everythingSchema, fuzzSchema, type EditKindOfSchema, type FuzzOptions } from './fuzz-schema.ts'
export { workload, type OwnEdit, type OwnWorkload } from './own-workload.ts'
export {
  array,
  bigint,
  boolean,
  bytes,
  either,
  json,
  map,
  number,
  oneOf,
  record,
  schema,
  string,
  text,
  value,
  xml,
  type Schema,
  type SchemaType,
} from './schema.ts'
export type { Author, Edit, Json, Workload } from './workload.ts'
