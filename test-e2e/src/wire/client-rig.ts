// SPDX-License-Identifier: Apache-2.0
import { type NatsServer, startNatsServer, type StartOptions } from '@nats-edge/embedded-nats'
import { type WireGateway, wireGateway, type WireGatewayOptions } from '@nats-edge/wire-parser/gateway'
import { upgradeWebSocket } from '@nats-edge/ws-toolkit/upgrade'
import { wsconnect, type ConnectionOptions, type NatsConnection } from '@nats-io/nats-core'
import { connect } from '@nats-io/transport-node'
import { Hono } from 'hono'
import { WebSocket } from 'ws'
import { serveUpgrades } from '../support/served-app.ts'

export type Binary = NonNullable<StartOptions['binary']>
export type TransportName = 'tcp' | 'ws'

/** The addresses at which the same broker is served. */
export interface Addresses {
  readonly tcp: string
  readonly ws: string
}

/** A broker with its own WebSocket listener; it lives until it is stopped. */
export async function startFullBroker(binary: Binary, config = ''): Promise<NatsServer> {
  return startNatsServer({ binary, config, websocket: true })
}

export function directly(broker: Pick<NatsServer, 'url' | 'websocketUrl'>): Addresses {
  return { tcp: broker.url, ws: broker.websocketUrl ?? '' }
}

/** A gateway that serves both transports; it lives until it is closed. */
export class Front {
  readonly gateway: WireGateway
  readonly addresses: Addresses
  readonly #close: () => Promise<void>

  private constructor(gateway: WireGateway, addresses: Addresses, close: () => Promise<void>) {
    this.gateway = gateway
    this.addresses = addresses
    this.#close = close
  }

  static async before(broker: { readonly url: string }, options: Partial<WireGatewayOptions> = {}): Promise<Front> {
    const gateway = wireGateway({ backends: [{ url: broker.url }], upgradeWebSocket, ...options })
    const server = await serveUpgrades(new Hono().route('/nats', gateway.routes))
    const { port: tcpPort } = await gateway.listen({ port: 0 })
    const addresses = { tcp: `nats://127.0.0.1:${tcpPort}`, ws: `ws://127.0.0.1:${server.port}/nats` }
    return new Front(gateway, addresses, async () => {
      await gateway.close({ drainMs: 0 })
      server.close()
    })
  }

  /** A gauge or counter by its name and label values. */
  stat(name: string, ...labels: string[]): number {
    for (const family of this.gateway.stats()) {
      if (family.name !== name) continue
      for (const sample of family.samples) {
        if (Object.values(sample.labels).join() === labels.join()) return Number(sample.value)
      }
    }
    throw new Error(`there is no ${name} with ${labels.join()}`)
  }

  /** What is held for clients at the moment; all zero when everybody has gone. */
  get held(): Readonly<Record<string, number>> {
    return {
      tcp: this.stat('wire_connections', 'tcp'),
      ws: this.stat('wire_connections', 'ws'),
      waiting: this.stat('wire_connections_waiting'),
      subscriptions: this.stat('wire_subscriptions'),
      queuedBytes: this.stat('wire_queued_bytes'),
    }
  }

  close(): Promise<void> {
    return this.#close()
  }
}

export const nothingHeld = { tcp: 0, ws: 0, waiting: 0, subscriptions: 0, queuedBytes: 0 }

/** A client of nats.js. */
export function connectBy(
  transport: TransportName,
  addresses: Addresses,
  options: ConnectionOptions = {},
): Promise<NatsConnection> {
  const common = { reconnect: false, ...options }
  if (transport === 'tcp') return connect({ servers: addresses.tcp, ...common })
  return wsconnect({
    servers: addresses.ws,
    wsFactory: (url: string) => {
      const socket = new WebSocket(url)
      socket.binaryType = 'arraybuffer'
      return Promise.resolve({ socket: socket as unknown as globalThis.WebSocket, encrypted: false })
    },
    ...common,
  })
}
