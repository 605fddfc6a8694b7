// SPDX-License-Identifier: Apache-2.0
import { createSecureContext } from 'node:tls'
import { checkKeys, checkWhole, checkWord, show } from '../policy/option-check.ts'

/** A certificate chain and its key, PEM. */
export interface TlsKeyPair {
  readonly cert: string | Buffer
  readonly key: string | Buffer
}

/** How a listener speaks TLS; version 1.2 is the lowest there is. */
export interface ListenerTlsOptions extends TlsKeyPair {
  /**
   * `upgrade` sends INFO in clear and then asks for TLS, `first` begins with TLS, `auto` begins with TLS where the client
   * does. Default `upgrade`: what every client can.
   */
  readonly mode?: 'upgrade' | 'first' | 'auto'
  /** Certificates for other names than that of `cert`, by the name the client asks for. */
  readonly hosts?: Readonly<Record<string, TlsKeyPair>>
  /** Whether clients need a certificate of theirs. Default `none`. */
  readonly clientCertificate?: 'none' | 'request' | 'require'
  /** Authorities of clients' certificates. Default: those of Node. */
  readonly ca?: string | Buffer | readonly (string | Buffer)[]
  /** How long `auto` waits for a client to begin with TLS. Default 50. */
  readonly autoDelayMs?: number
}

/** The same, checked. */
export interface ListenerTls {
  readonly mode: 'upgrade' | 'first' | 'auto'
  readonly clientCertificate: 'none' | 'request' | 'require'
  readonly autoDelayMs: number
  readonly options: ListenerTlsOptions
}

const keys = ['mode', 'cert', 'key', 'hosts', 'clientCertificate', 'ca', 'autoDelayMs'] as const

/** Checks the options and that certificates and keys fit; throws TypeError naming what is wrong. */
export function resolveTls(where: string, options: ListenerTlsOptions): ListenerTls {
  checkKeys(where, options, keys)
  checkPair(where, options)
  for (const [name, pair] of Object.entries(options.hosts ?? {})) {
    checkKeys(`${where}.hosts.${name}`, pair, ['cert', 'key'])
    checkPair(`${where}.hosts.${name}`, pair)
  }
  return Object.freeze({
    mode: checkWord(`${where}.mode`, options.mode, ['upgrade', 'first', 'auto'], 'upgrade'),
    clientCertificate: checkWord(
      `${where}.clientCertificate`,
      options.clientCertificate,
      ['none', 'request', 'require'],
      'none',
    ),
    autoDelayMs: checkWhole(`${where}.autoDelayMs`, options.autoDelayMs, 50, { most: 10_000 }),
    options: Object.freeze({ ...options }),
  })
}

function checkPair(where: string, { cert, key }: TlsKeyPair): void {
  for (const [name, value] of [
    ['cert', cert],
    ['key', key],
  ] as const) {
    if (typeof value !== 'string' && !Buffer.isBuffer(value)) {
      throw new TypeError(`${where}.${name} must be PEM text or a Buffer, not ${show(value)}`)
    }
  }
  try {
    createSecureContext({ cert, key })
  } catch (error) {
    throw new TypeError(
      `${where}: cert and key are no pair: ${error instanceof Error ? error.message : String(error)}`,
      {
        cause: error,
      },
    )
  }
}
