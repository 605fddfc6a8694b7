// SPDX-License-Identifier: Apache-2.0
import { readFileSync, rmSync } from 'node:fs'
import { createConnection } from 'node:net'
import { createSecureContext } from 'node:tls'
import type { BoundListener, ListenerOptions, ListenerTlsOptions, WireGateway } from '@nats-edge/wire-parser/gateway'
import type { SurfaceListener } from '../capability.ts'
import { OptionFault } from '../config/option-fault.ts'
import { formatAddress } from '../config/value.ts'
import type { WireKeyPair, WireListenTls } from '../config/wire-listen-schema.ts'
import { wireKeyOfOption } from '../config/wire-schema.ts'

/** The gateway's own listener in the edge: a TCP port, or a unix socket. */
export class WireListener implements SurfaceListener {
  readonly name: string
  readonly key: string
  readonly wanted: string
  readonly #gateway: WireGateway
  readonly #options: ListenerOptions
  #bound: BoundListener | undefined

  constructor(gateway: WireGateway, place: { readonly name: string; readonly key: string }, options: ListenerOptions) {
    this.name = place.name
    this.key = place.key
    this.#gateway = gateway
    this.#options = { ...options, name: place.name }
    this.wanted = options.path ?? formatAddress({ host: options.host ?? '', port: options.port ?? 0 })
  }

  get url(): string | undefined {
    if (this.#bound === undefined) return undefined
    const { path } = this.#bound
    if (path !== '') return `unix:${path}`
    return `${this.#options.tls === undefined ? 'nats' : 'tls'}://${formatAddress(this.#bound)}`
  }

  get openConnections(): number {
    let open = 0
    for (const { listener } of this.#gateway.connections()) if (listener === this.name) open++
    return open
  }

  async listen(): Promise<void> {
    const { path } = this.#options
    if (path !== undefined && (await isLeftOver(path))) rmSync(path, { force: true })
    this.#bound = await this.#gateway.listen(this.#options)
  }
}

/** The TLS of `listen.wire.tls` with its files read; throws OptionFault for those that do not fit. */
export function listenerTls(config: WireListenTls): ListenerTlsOptions {
  const { cert, key, ca, hosts, ...rest } = config
  const tls: ListenerTlsOptions = {
    ...rest,
    ...keyPair({ cert, key }),
    ...(ca !== undefined && { ca: typeof ca === 'string' ? readFileSync(ca) : ca.map((path) => readFileSync(path)) }),
    ...(hosts && { hosts: Object.fromEntries(Object.entries(hosts).map(([name, pair]) => [name, keyPair(pair)])) }),
  }
  checkPair(['listen', 'wire', 'tls'], tls)
  for (const [name, pair] of Object.entries(tls.hosts ?? {})) checkPair(['listen', 'wire', 'tls', 'hosts', name], pair)
  return tls
}

function keyPair({ cert, key }: WireKeyPair): { readonly cert: Buffer; readonly key: Buffer } {
  return { cert: readFileSync(cert), key: readFileSync(key) }
}

// The gateway finds that out too, but only when it listens.
function checkPair(place: readonly string[], { cert, key }: Pick<ListenerTlsOptions, 'cert' | 'key'>): void {
  try {
    createSecureContext({ cert, key })
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new OptionFault(place, wireKeyOfOption, new TypeError(`"cert" and "key" are no pair: ${reason}`))
  }
}

/** Whether a unix socket is there that nobody listens on: what a process that was killed leaves behind. */
function isLeftOver(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ path })
    const done = (isDead: boolean): void => {
      socket.destroy()
      resolve(isDead)
    }
    socket.once('connect', () => done(false))
    socket.once('error', (error: NodeJS.ErrnoException) => done(error.code === 'ECONNREFUSED'))
  })
}
