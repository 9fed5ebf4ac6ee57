// @syncline/protocol/stored: as much of the protocol as a store needs: ids, digests, epochs, frames, bounds, errors. No wire, no gate. A store that runs in a thread of its
// own loads the protocol a second time, and this part takes a fifth of the memory of the whole.
export * from './digest.ts'
export * from './document-epoch.ts'
export * from './errors.ts'
export * from './framed-updates.ts'
export * from './ids.ts'
export * from './limits.ts'
export { DURABILITIES, type Durability } from './messages.ts'
export * from './scope.ts'
