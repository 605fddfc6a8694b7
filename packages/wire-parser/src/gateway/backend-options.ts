// SPDX-License-Identifier: Apache-2.0
import type { Socket } from 'node:net'
import { checkBoolean, checkFunction, checkKeys, show } from '../policy/option-check.ts'

/** How a backend is spoken to in TLS. */
export interface BackendTlsOptions {
  readonly ca?: string | Buffer | readonly (string | Buffer)[]
  readonly cert?: string | Buffer
  readonly key?: string | Buffer
  /** The name in the server's certificate. Default: the host of the URL. */
  readonly servername?: string
  /** Default true. */
  readonly rejectUnauthorized?: boolean
  /** Begins with TLS, before INFO. Default false: INFO comes in clear and says whether TLS follows. */
  readonly handshakeFirst?: boolean
}

/** A nats-server behind the gateway; either `url` or `dial` says how to reach it. */
export interface BackendOptions {
  /** Its name in events and metrics. Default: host and port, or `dial`. */
  readonly id?: string
  /** `nats://host:port`, or `tls://host:port` where a server without TLS is to be refused. */
  readonly url?: string
  /** Gives a socket that is connected or connecting. It is closed with the client's connection. */
  readonly dial?: () => Socket | Promise<Socket>
  readonly tls?: BackendTlsOptions
}

/** A backend checked. */
export interface Backend {
  readonly id: string
  readonly host: string
  readonly port: number
  readonly dial: (() => Socket | Promise<Socket>) | undefined
  readonly tls: BackendTlsOptions
  /** Whether a server without TLS is refused. */
  readonly requiresTls: boolean
  /** Whether TLS is used where the server only offers it. */
  readonly prefersTls: boolean
}

const keys = ['id', 'url', 'dial', 'tls'] as const
const tlsKeys = ['ca', 'cert', 'key', 'servername', 'rejectUnauthorized', 'handshakeFirst'] as const

/** Checks one entry of `backends`; throws TypeError naming what is wrong. */
export function resolveBackend(where: string, options: BackendOptions): Backend {
  checkKeys(where, options, keys)
  const { url, tls = {} } = options
  checkKeys(`${where}.tls`, tls, tlsKeys)
  checkBoolean(`${where}.tls.rejectUnauthorized`, tls.rejectUnauthorized, true)
  const handshakeFirst = checkBoolean(`${where}.tls.handshakeFirst`, tls.handshakeFirst, false)
  const dial = checkFunction(`${where}.dial`, options.dial)
  if ((url === undefined) === (dial === undefined)) throw new TypeError(`${where} needs either url or dial`)
  const address = url === undefined ? { host: '', port: 0, isTls: false } : parseUrl(`${where}.url`, url)
  return Object.freeze({
    id: options.id ?? (url === undefined ? 'dial' : `${address.host}:${address.port}`),
    host: address.host.replace(/^\[|\]$/g, ''),
    port: address.port,
    dial,
    tls: Object.freeze({ ...tls }),
    requiresTls: address.isTls || handshakeFirst,
    prefersTls: address.isTls || options.tls !== undefined,
  })
}

function parseUrl(where: string, text: unknown): { host: string; port: number; isTls: boolean } {
  const url = typeof text === 'string' && URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !['nats:', 'tls:'].includes(url.protocol) || url.hostname === '') {
    throw new TypeError(`${where} must be nats://host:port or tls://host:port, not ${show(text)}`)
  }
  // A client logs in with its own credentials: those in a URL would never be used.
  if (url.username !== '' || url.password !== '') throw new TypeError(`${where} must not hold credentials`)
  return { host: url.hostname, port: url.port === '' ? 4222 : Number(url.port), isTls: url.protocol === 'tls:' }
}
