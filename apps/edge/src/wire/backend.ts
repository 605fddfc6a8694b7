// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs'
import type { BackendOptions, BackendTlsOptions } from '@nats-edge/wire-parser/gateway'
import type { EdgeConfig } from '../config.ts'
import { OptionFault } from '../config/option-fault.ts'
import type { WireBackend, WireBackendTls } from '../config/wire-schema.ts'
import { withoutPassword } from '../nats.ts'

/**
 * The server behind the gateway: the configured one, else the one the edge uses, `url`, which is unknown until an embedded
 * broker runs.
 */
export function backendOf(config: EdgeConfig, url: string | undefined): BackendOptions {
  const [given] = config.wire.backends ?? []
  if (given !== undefined) return configured(given)
  if (url === undefined) return { id: 'embedded', dial: notYet }
  const { tls } = config.nats
  // Its client certificate is the edge's own login, and no client's.
  const towards = tls && { ...(tls.ca !== undefined && { ca: tls.ca }), handshakeFirst: tls.handshakeFirst }
  return configured({ url: backendUrl(url, tls !== undefined), ...(towards && { tls: towards }) })
}

function configured({ tls, ...rest }: WireBackend): BackendOptions {
  return tls === undefined ? rest : { ...rest, tls: withFiles(tls) }
}

function withFiles({ ca, cert, key, ...rest }: WireBackendTls): BackendTlsOptions {
  return {
    ...rest,
    ...(ca !== undefined && { ca: typeof ca === 'string' ? readFileSync(ca) : ca.map((path) => readFileSync(path)) }),
    ...(cert !== undefined && { cert: readFileSync(cert) }),
    ...(key !== undefined && { key: readFileSync(key) }),
  }
}

/** A server as `nats.servers` names it, as a URL without credentials: each client brings its own. */
function backendUrl(server: string, requiresTls: boolean): string {
  const text = /^[a-z]+:\/\//i.test(server) ? server : `nats://${server}`
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || url.hostname === '') {
    const cause = new TypeError(`"${withoutPassword(server)}" is no address of a server, such as nats://127.0.0.1:4222`)
    throw new OptionFault(['nats', 'servers'], (option) => option, cause)
  }
  const scheme = requiresTls || url.protocol === 'tls:' ? 'tls' : 'nats'
  return `${scheme}://${url.hostname}:${url.port === '' ? 4222 : url.port}`
}

function notYet(): Promise<never> {
  return Promise.reject(new Error('the embedded broker does not run yet'))
}
