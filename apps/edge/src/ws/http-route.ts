// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs'
import {
  httpBackend,
  httpPool,
  type Handler,
  type HttpPool,
  type HttpPoolOptions,
  type HttpRequest,
  type WsRequest,
} from '@nats-edge/ws-toolkit'
import type { HttpRouteConfig, TlsFiles } from '../config/ws-backend-schema.ts'
import type { ClientData } from './client-data.ts'
import { requestText } from './request-text.ts'
import { sentHeaders } from './sent-headers.ts'

const withoutBody: ReadonlySet<string> = new Set(['GET', 'HEAD', 'DELETE'])

/** Makes the handler of a route that asks an HTTP service; its URL is written out up to the path. */
export function httpHandler(config: Omit<HttpRouteConfig, 'use'> & { readonly use?: unknown }): Handler<ClientData> {
  const {
    http,
    method = 'POST',
    connections: _connections,
    keepAliveMs: _keepAlive,
    tls: _tls,
    headers: _headers,
    forwardHeaders: _forward,
    use: _use,
    ...options
  } = config
  const { origin, path } = splitUrl(http)
  const pathOf = requestText(path, encodeURIComponent)
  const headersOf = sentHeaders(config)
  const hasBody = !withoutBody.has(method.toUpperCase())
  const pool = poolOf(config, origin)
  const backend = httpBackend<ClientData>({
    ...options,
    dispatcher: pool,
    request: (request): HttpRequest => {
      const { body, type } = hasBody ? bodyOf(request) : {}
      const headers = { ...(type !== undefined && { 'content-type': type }), ...headersOf?.(request) }
      return { method, path: pathOf(request), headers, ...(body !== undefined && { body }) }
    },
  })
  const close = (): void => {
    backend.close()
    pool.close()
  }
  const handler: Handler<ClientData> = (request) => backend(request)
  return Object.assign(handler, { close })
}

/** Parts a URL where its path begins: what a client says can never become part of the host. */
export function splitUrl(url: string): { readonly origin: string; readonly path: string } {
  const [, start = '', rest = ''] = /^([a-z]+:\/\/[^/?#{}\s]+)((?:[/?].*)?)$/.exec(url) ?? []
  if (!URL.canParse(start)) throw new TypeError(`${JSON.stringify(url)} is no URL`)
  return { origin: start, path: rest.startsWith('/') ? rest : `/${rest}` }
}

/** Reads the files that the TLS options of a service name. */
export function tlsOf({ ca, cert, key, ...plain }: TlsFiles): NonNullable<HttpPoolOptions['tls']> {
  const files = Object.entries({ ca, cert, key }).flatMap(([name, file]) =>
    file === undefined ? [] : [[name, readFileSync(file)] as const],
  )
  return { ...plain, ...Object.fromEntries(files) }
}

function poolOf({ connections, keepAliveMs, tls }: Omit<HttpRouteConfig, 'use'>, origin: string): HttpPool {
  return httpPool({
    origin,
    ...(connections !== undefined && { connections }),
    ...(keepAliveMs !== undefined && { keepAliveMs }),
    ...(tls !== undefined && { tls: tlsOf(tls) }),
  })
}

function bodyOf({ data }: WsRequest): { readonly body?: string | Uint8Array; readonly type?: string } {
  if (data === undefined) return {}
  if (typeof data === 'string') return { body: data, type: 'text/plain;charset=utf-8' }
  if (data instanceof Uint8Array) return { body: data, type: 'application/octet-stream' }
  return { body: JSON.stringify(data), type: 'application/json' }
}
