// @syncline/replica/ws: links, time, chance and compression for Node.
export { DEFAULT_BACKOFF, type Backoff } from './backoff.ts'
export { dial, type Dial, type DialOptions, type DialState } from './dial.ts'
export { listen, type Listener, type ListenOptions } from './listen.ts'
export { nodeClock } from './node-clock.ts'
export { nodeCompression } from './node-compression.ts'
export { nodeHttp } from './node-http.ts'
export { nodeRandom } from './node-random.ts'
export { acceptSocket, socketOptions, type SocketEnd, type SocketLink, type SocketOptions } from './socket-link.ts'
