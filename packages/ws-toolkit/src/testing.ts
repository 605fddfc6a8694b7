// SPDX-License-Identifier: Apache-2.0
export type { Chaos, Drawn, LinkChaos } from './testing/chaos.ts'
export { HandshakeRefused } from './testing/handshake-refused.ts'
export {
  watchLeaks,
  type LeakReport,
  type LeakWatch,
  type LeakWatchOptions,
  type Watched,
} from './testing/leak-watch.ts'
export type { MemorySocket } from './testing/memory-socket.ts'
export type { TestClient, TestMessage } from './testing/test-client.ts'
export {
  testGateway,
  type TestConnectOptions,
  type TestGateway,
  type TestGatewayOptions,
  type TestSocketOptions,
} from './testing/test-gateway.ts'
