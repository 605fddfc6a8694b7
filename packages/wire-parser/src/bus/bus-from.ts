// SPDX-License-Identifier: Apache-2.0
import type { NatsConnection } from '@nats-io/nats-core'
import type { Bus } from '../message-bus.ts'
import { parseSubject } from '../subject.ts'
import { connectionInboxPrefix } from './client-state.ts'
import { ConnectionBus } from './connection-bus.ts'
import type { Leaving, OnLameDuck } from './leaving.ts'

/** What every option `nats` takes. A promise is 'disconnected' until it resolves, 'closed' if it rejects. */
export type NatsSource = NatsConnection | Promise<NatsConnection> | Bus

export interface BusOptions {
  /** What reply subjects begin with. Default: the `inboxPrefix` of the connection, else `_INBOX`. */
  readonly inboxPrefix?: string
  /** Bytes that may wait for the server before publishing throws `overloaded`. Default 8388608 (8 MiB). */
  readonly maxPendingBytes?: number
  /**
   * Makes another connection when the server of this one says that it is about to stop (lame duck); the Bus goes over to
   * it without failing anything. Default: none, so that all ends when the server closes the connection.
   */
  readonly onLameDuck?: OnLameDuck
}

/** Options as they are in force; a promised connection's own prefix is not known yet. */
interface Settings {
  readonly inboxPrefix: string | undefined
  readonly maxPendingBytes: number
  readonly onLameDuck: OnLameDuck | undefined
}

interface Known {
  readonly bus: ConnectionBus
  readonly settings: Settings
}

const DEFAULT_PENDING_BYTES = 8 * 1024 * 1024

// Per connection, and per promise of one: all capabilities over one connection share its inbox and its bounds.
const known = new WeakMap<object, Known>()

/** The Bus behind whatever a user hands in; a Bus is returned as it is. */
export function busFrom(source: NatsSource, options: BusOptions = {}): Bus {
  if (isBus(source)) return source
  if (isPromise(source)) return busFromPromise(source, options)
  return busFromConnection(source, options)
}

/** The one Bus over this connection; the connection stays its owner's to close. */
export function busFromConnection(nats: NatsConnection, options: BusOptions = {}): Bus {
  checkConnection(nats)
  const shared = recall(nats, options)
  if (shared !== undefined) return shared
  const made = create(resolveOptions(options, connectionInboxPrefix(nats)))
  made.bus.attach(nats)
  known.set(nats, made)
  return made.bus
}

function busFromPromise(promise: Promise<NatsConnection>, options: BusOptions): Bus {
  const shared = recall(promise, options)
  if (shared !== undefined) return shared
  const made = create(resolveOptions(options, undefined))
  known.set(promise, made)
  promise.then(
    (nats) => settle(made, nats),
    (cause: unknown) => made.bus.close(cause),
  )
  return made.bus
}

function settle(made: Known, nats: NatsConnection): void {
  try {
    checkConnection(nats)
    made.bus.attach(nats)
  } catch (cause) {
    return made.bus.close(cause)
  }
  if (!known.has(nats)) known.set(nats, made)
}

function create(settings: Settings): Known {
  const { inboxPrefix, maxPendingBytes, onLameDuck } = settings
  const prefixOf = (nats: NatsConnection): string => inboxPrefix ?? checkPrefix(connectionInboxPrefix(nats))
  const onward =
    onLameDuck && (async (leaving: Leaving): Promise<NatsConnection> => adopt(made, await onLameDuck(leaving)))
  const made: Known = {
    bus: new ConnectionBus({ inboxPrefix: prefixOf, maxPendingBytes, onLameDuck: onward }),
    settings,
  }
  return made
}

/** The connection a bus goes over to belongs to it from then on. */
function adopt(made: Known, nats: NatsConnection): NatsConnection {
  checkConnection(nats)
  if (known.has(nats)) throw new TypeError('onLameDuck: the connection is in use by a Bus already')
  known.set(nats, made)
  return nats
}

function resolveOptions(options: BusOptions, connectionPrefix: string | undefined): Settings {
  const { inboxPrefix = connectionPrefix, maxPendingBytes = DEFAULT_PENDING_BYTES, onLameDuck } = options
  if (!(maxPendingBytes >= 1 && maxPendingBytes < Infinity)) {
    throw new RangeError(`maxPendingBytes: ${maxPendingBytes} is not a number of bytes`)
  }
  if (inboxPrefix !== undefined) checkPrefix(inboxPrefix)
  if (onLameDuck !== undefined && typeof onLameDuck !== 'function') throw new TypeError('onLameDuck: not a function')
  return { inboxPrefix, maxPendingBytes, onLameDuck }
}

function checkPrefix(prefix: string): string {
  if (parseSubject(prefix) !== undefined) return prefix
  throw new TypeError(`inboxPrefix: ${JSON.stringify(prefix)} is not a literal subject`)
}

function recall(source: object, options: BusOptions): ConnectionBus | undefined {
  const entry = known.get(source)
  if (entry === undefined) return undefined
  for (const name of ['inboxPrefix', 'maxPendingBytes'] as const) {
    const wanted = options[name]
    if (wanted === undefined || wanted === entry.settings[name]) continue
    throw new TypeError(
      `${name}: ${wanted}, but the Bus of this connection is there already with ${entry.settings[name]}`,
    )
  }
  if (options.onLameDuck !== undefined && options.onLameDuck !== entry.settings.onLameDuck) {
    throw new TypeError('onLameDuck: the Bus of this connection is there already, without it or with another one')
  }
  return entry.bus
}

function checkConnection(nats: unknown): void {
  if (hasMethods(nats, ['jetstream'])) {
    throw new TypeError(
      'nats: a connection of the package nats 2.x; install @nats-io/transport-node and use its connect()',
    )
  }
  if (!hasMethods(nats, ['publish', 'subscribe', 'status', 'flush', 'isClosed', 'closed'])) {
    throw new TypeError('nats: neither a NatsConnection of @nats-io/nats-core nor a promise of one nor a Bus')
  }
}

function isBus(source: NatsSource): source is Bus {
  return hasMethods(source, ['publish', 'request', 'subscribe', 'inbox', 'onStatus'])
}

function isPromise(source: NatsConnection | Promise<NatsConnection>): source is Promise<NatsConnection> {
  return hasMethods(source, ['then'])
}

function hasMethods(value: unknown, names: readonly string[]): boolean {
  if (typeof value !== 'object' || value === null) return false
  return names.every((name) => typeof (value as Readonly<Record<string, unknown>>)[name] === 'function')
}
