// SPDX-License-Identifier: Apache-2.0
import type { NatsConnection } from '@nats-io/nats-core'
import { BusError } from '../bus-error.ts'

/** Whether the client has its server at this moment; it only tells of changes. */
export function isConnected(nats: NatsConnection): boolean {
  const protocol = (nats as { readonly protocol?: { readonly connected?: unknown } }).protocol
  return typeof protocol?.connected === 'boolean' ? protocol.connected : nats.info !== undefined
}

/** The inbox prefix the connection was made with. */
export function connectionInboxPrefix(nats: NatsConnection): string {
  const options = (nats as { readonly options?: { readonly inboxPrefix?: unknown } }).options
  return typeof options?.inboxPrefix === 'string' && options.inboxPrefix !== '' ? options.inboxPrefix : '_INBOX'
}

/** The subject a refused PUB was for; undefined for every other error. By name: there may be two copies of the client. */
export function refusedPublish(error: Error): string | undefined {
  const { operation, subject } = error as { readonly operation?: unknown; readonly subject?: unknown }
  if (error.name !== 'PermissionViolationError' || operation !== 'publish') return undefined
  return typeof subject === 'string' ? subject : undefined
}

/** What the client threw, in the words of a Bus; what has none is a mistake in the call and stays as it is. */
export function fromClientError(error: unknown): unknown {
  if (!(error instanceof Error)) return error
  if (error.name === 'ClosedConnectionError')
    return new BusError('closed', 'the NATS connection is closed', { cause: error })
  if (error.name === 'DrainingConnectionError') {
    return new BusError('closed', 'the NATS connection is being drained', { cause: error })
  }
  return error
}
