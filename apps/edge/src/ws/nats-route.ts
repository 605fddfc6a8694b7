// SPDX-License-Identifier: Apache-2.0
import type { Bus } from '@nats-edge/wire-parser'
import type { Handler, WsRequest } from '@nats-edge/ws-toolkit'
import { natsPublish, natsQueue, natsRequest, natsSubscribe, type NatsSubscribe } from '@nats-edge/ws-toolkit/nats'
import type {
  NatsPublishConfig,
  NatsQueueConfig,
  NatsRequestConfig,
  NatsSubscribeConfig,
} from '../config/ws-backend-schema.ts'
import type { ClientData } from './client-data.ts'
import { sentHeaders } from './sent-headers.ts'

/** What routes over NATS share. */
export interface NatsTools {
  readonly bus: Bus
  /** For routes without a timeout of their own. */
  readonly requestTimeoutMs: number | undefined
  /** Whether rooms have a past to give to newcomers. */
  readonly hasHistory: boolean
}

type Asking = Omit<NatsRequestConfig, 'use'> | Omit<NatsPublishConfig, 'use'> | Omit<NatsQueueConfig, 'use'>

/** Makes the handler of a route that sends over NATS. */
export function natsHandler(config: Asking & { readonly use?: unknown }, tools: NatsTools): Handler<ClientData> {
  const { bus, requestTimeoutMs } = tools
  const { headers: _headers, forwardHeaders: _forward, use: _use, ...rest } = config
  const headers = sentHeaders(config)
  const sent = headers === undefined ? {} : { headers: (request: WsRequest<ClientData>) => headers(request) }
  if (rest.nats === 'queue') {
    const { nats: _nats, subject, ...options } = rest
    return natsQueue<ClientData>(bus, subject, { ...options, ...sent })
  }
  const timeout = requestTimeoutMs === undefined ? {} : { timeoutMs: requestTimeoutMs }
  if (rest.nats === 'publish') {
    const { nats: _nats, subject, ...options } = rest
    return natsPublish<ClientData>(bus, subject, { ...timeout, ...options, ...sent })
  }
  const { nats: _nats, subject, ...options } = rest
  return natsRequest<ClientData>(bus, subject, { ...timeout, ...options, ...sent })
}

/** Makes the handler of a route that subscribes. */
export function subscribeHandler(config: NatsSubscribeConfig, { bus }: NatsTools): NatsSubscribe<ClientData> {
  const { nats: _nats, use: _use, ...options } = config
  return natsSubscribe<ClientData>(bus, options)
}
