// SPDX-License-Identifier: Apache-2.0
import type { Bus, Principal } from '@nats-edge/wire-parser'
import { busFrom, type NatsSource } from '@nats-edge/wire-parser/bus'
import { show } from './option-check.ts'

/** One connection for all, or one for each caller, whose requests wait where it is a promise. */
export type RestProxySource = NatsSource | ((principal: Principal | undefined) => NatsSource)

/** The connections a proxy uses. */
export interface BusSource {
  /** The one place that decides which connection a caller's requests take; a promise where that is still being made. */
  busFor(principal: Principal | undefined): Bus | Promise<Bus>
  /** Resolves when the shared connection is up; rejects when it is closed. Nothing to wait for with one per caller. */
  ready(): Promise<void>
}

/** Throws TypeError for what is no connection. */
export function busSource(nats: RestProxySource): BusSource {
  if (typeof nats !== 'function') {
    if (typeof nats !== 'object' || nats === null) {
      throw new TypeError(`nats must be a NatsConnection, a promise of one, a Bus or a function, not ${show(nats)}`)
    }
    const bus = busFrom(nats)
    return { busFor: () => bus, ready: () => connected(bus) }
  }
  const busFor = (principal: Principal | undefined): Bus | Promise<Bus> => {
    const source = nats(principal)
    // An async function gives a new promise each time, and what has one Bus however often it is asked for is the connection.
    return source instanceof Promise ? source.then((connection) => busFrom(connection)) : busFrom(source)
  }
  return { busFor, ready: () => Promise.resolve() }
}

async function connected(bus: Bus): Promise<void> {
  if (bus.state === 'disconnected') await statusChange(bus)
  await bus.flush()
}

function statusChange(bus: Bus): Promise<void> {
  return new Promise((resolve) => {
    const stop = bus.onStatus(({ type }) => {
      if (type !== 'connected' && type !== 'closed') return
      stop()
      resolve()
    })
  })
}
