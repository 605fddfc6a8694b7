// SPDX-License-Identifier: Apache-2.0
import type { ListenerOptions, ListenerTlsOptions, TlsKeyPair } from '@nats-edge/wire-parser/gateway'
import { z } from 'zod'
import { renameKeys } from './rename.ts'
import { address, duration, readableFile } from './value.ts'

/** A certificate chain and its key, by file. */
export type WireKeyPair = { readonly [Key in keyof TlsKeyPair]: string }

/** TLS for clients, its certificates by file. */
export interface WireListenTls extends Omit<ListenerTlsOptions, keyof TlsKeyPair | 'hosts' | 'ca'>, WireKeyPair {
  readonly hosts?: Readonly<Record<string, WireKeyPair>>
  readonly ca?: string | readonly string[]
}

/** Where the NATS protocol is served over TCP and on a unix socket. */
export interface WireListenConfig extends Omit<ListenerOptions, 'name' | 'host' | 'port' | 'tls'> {
  readonly address?: string | false | undefined
  readonly tls?: WireListenTls
}

const pair = {
  cert: readableFile.describe('File with the certificate and those of its issuers (PEM).'),
  key: readableFile.describe('File with the key of cert (PEM).'),
}

const tls = z
  .strictObject({
    mode: z
      .enum(['upgrade', 'first', 'auto'])
      .exactOptional()
      .describe('upgrade: INFO, then TLS; first: TLS, then INFO; auto: as the client begins. Default upgrade.'),
    ...pair,
    hosts: z
      .record(z.string(), z.strictObject(pair))
      .exactOptional()
      .describe('Certificates for other names, by the name a client asks for: { cert, key }. Default none.'),
    clientCertificate: z
      .enum(['none', 'request', 'require'])
      .exactOptional()
      .describe('Whether clients need a certificate. Default none.'),
    ca: z
      .union([readableFile, z.array(readableFile)])
      .exactOptional()
      .describe("File with the authorities of clients' certificates (PEM), or several. Default: those of Node."),
    autoDelay: duration.exactOptional().describe('How long auto waits for a client to begin. Default 50ms.'),
  })
  .transform((value) => renameKeys(value, { autoDelay: 'autoDelayMs' }))

/** `listen.wire`: where NATS clients connect over TCP. */
export const wireListenSchema: z.ZodType<WireListenConfig> = z.strictObject({
  address: z
    .union([z.literal(false), address])
    .optional()
    .describe(
      'Default: port 4223 of the host of listen.public.address, any free one where that has port 0. Beyond loopback the broker must ask for a login, else it needs --insecure. false: no TCP.',
    ),
  path: z.string().min(1).exactOptional().describe('Path of a unix socket that is served too. Default none.'),
  tls: tls.exactOptional(),
})
