// SPDX-License-Identifier: Apache-2.0
import { createServer, type Server } from 'node:net'
import { checkKeys, checkWhole, show } from '../policy/option-check.ts'
import type { GatewayState } from './gateway-state.ts'
import { serveSocket } from './serve-socket.ts'
import { TlsGate } from './tls-gate.ts'
import { type ListenerTls, type ListenerTlsOptions, resolveTls } from './tls-options.ts'

/** Where clients connect to: a TCP port, or a unix socket. */
export interface ListenerOptions {
  /** Its name in events. Default: its address. */
  readonly name?: string
  /** Default 127.0.0.1: whoever opens the gateway to the world says so. */
  readonly host?: string
  /** 0 takes any free one. */
  readonly port?: number
  /** Path of a unix socket. */
  readonly path?: string
  /** Default none. */
  readonly tls?: ListenerTlsOptions
}

/** A listener that accepts connections. */
export interface BoundListener {
  readonly name: string
  readonly host: string
  readonly port: number
  /** Of a unix socket, else ''. */
  readonly path: string
  /** Puts other certificates into effect for new connections. Throws TypeError, and changes nothing, where they do not fit. */
  updateTls(tls: ListenerTlsOptions): void
  /** Accepts no more; connections stay. */
  close(): Promise<void>
}

/** What a listener's connections share. */
export interface ListenerContext {
  readonly state: GatewayState
  readonly name: string
  readonly tls: ListenerTls | undefined
  readonly gate: TlsGate | undefined
}

/** Binds a listener; rejects where the address cannot be had, throws TypeError or RangeError for wrong options. */
export async function listen(state: GatewayState, options: ListenerOptions): Promise<BoundListener> {
  checkKeys('listener', options, ['name', 'host', 'port', 'path', 'tls'])
  const { host = '127.0.0.1', path } = options
  if ((options.port === undefined) === (path === undefined)) throw new TypeError('listener needs either port or path')
  const port = checkWhole('listener.port', options.port, 0, { least: 0, most: 65_535 })
  if (path !== undefined && (typeof path !== 'string' || path === '')) {
    throw new TypeError(`listener.path must be a path, not ${show(path)}`)
  }
  const tls = options.tls && resolveTls('listener.tls', options.tls)
  if (tls !== undefined && path !== undefined) throw new TypeError('listener.tls: a unix socket speaks no TLS')
  const gate = tls && new TlsGate(tls, state.options.limits.handshakeTimeoutMs)
  const context = { state, name: options.name ?? path ?? '', tls, gate }
  const server = createServer({ noDelay: true, keepAlive: true, pauseOnConnect: true }, (socket) => {
    serveSocket({ ...context, name: context.name === '' ? bound.name : context.name }, socket)
  })
  await bind(server, path === undefined ? { host, port } : { path })
  const bound = boundListener(server, options, gate)
  server.on('error', (error) => state.observe({ type: 'listener.error', listener: bound.name, error }))
  return bound
}

function bind(
  server: Server,
  address: { readonly host: string; readonly port: number } | { readonly path: string },
): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(address, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

function boundListener(server: Server, { name, path = '' }: ListenerOptions, gate: TlsGate | undefined): BoundListener {
  const address = server.address()
  const { address: host, port } = typeof address === 'object' && address !== null ? address : { address: '', port: 0 }
  const text = path === '' ? `${host.includes(':') ? `[${host}]` : host}:${port}` : path
  return Object.freeze({
    name: name ?? text,
    host,
    port,
    path,
    updateTls: (tls: ListenerTlsOptions) => {
      if (gate === undefined) throw new TypeError('the listener was opened without TLS')
      gate.update(resolveTls('tls', tls))
    },
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        // Connections stay open; only the port is given back.
        resolve()
      }),
  })
}
