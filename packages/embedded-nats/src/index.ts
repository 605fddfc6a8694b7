// SPDX-License-Identifier: Apache-2.0
export { startNatsServer } from './nats-server.ts'
export type { NatsServer, RestartEvent, StartOptions } from './nats-server.ts'
export { NatsServerError } from './nats-server-error.ts'
export type { NatsServerErrorCode } from './nats-server-error.ts'
export type { ProcessExit } from './watchdog.ts'
