// @syncline/relay: the deployable server and the `syncline` command line.
export { main } from './cli.ts'
export { createRelay, type Relay, type RelayOptions } from './relay.ts'
export type { Opening } from './spaces.ts'
export { RELAY_LIMITS, type RelayLimits } from './relay-limits.ts'
