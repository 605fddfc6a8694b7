// SPDX-License-Identifier: Apache-2.0
export type { BusOptions, NatsSource } from './bus/bus-from.ts'
export { busFrom, busFromConnection } from './bus/bus-from.ts'
export type { Leaving, OnLameDuck } from './bus/leaving.ts'
export type { RequestOnceOptions } from './bus/request-once.ts'
export { requestOnce } from './bus/request-once.ts'
export type { TimerHandle } from './bus/timer-wheel.ts'
export { TimerWheel } from './bus/timer-wheel.ts'
