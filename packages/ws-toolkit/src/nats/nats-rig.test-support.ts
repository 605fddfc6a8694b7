// SPDX-License-Identifier: Apache-2.0
import { startNatsServer, type NatsServer, type StartOptions } from '@nats-edge/embedded-nats'
import { compilePermissions, type PermissionRules, type Principal } from '@nats-edge/wire-parser'
import { connect, type NatsConnection, type NodeConnectionOptions } from '@nats-io/transport-node'
import { Hono } from 'hono'
import { afterAll, beforeAll, onTestFinished } from 'vitest'
import type { WsEvent } from '../event.ts'
import type { GatewayOptions } from '../options.ts'
import { open, startAttached, type Opened, type TestHost } from '../upgrade/hosts.test-support.ts'
import { wsGateway, type WsGateway } from '../ws-gateway.ts'

export type Binary = NonNullable<StartOptions['binary']>

/** A broker for all tests of a block. */
export function brokerFor(binary: Binary, options: Partial<StartOptions> = {}): { readonly server: NatsServer } {
  let server: NatsServer | undefined
  beforeAll(async () => {
    server = await startNatsServer({ jetstream: false, ...options, binary })
  })
  afterAll(() => server?.stop())
  return {
    get server() {
      if (server === undefined) throw new Error('the broker has not started')
      return server
    },
  }
}

/** A connection that comes back quickly and is closed with the test. */
export async function connectTo({ url }: NatsServer, options: NodeConnectionOptions = {}): Promise<NatsConnection> {
  const nats = await connect({
    servers: url,
    reconnectTimeWait: 50,
    reconnectJitter: 10,
    maxReconnectAttempts: -1,
    ...options,
  })
  onTestFinished(() => nats.close())
  return nats
}

/** A gateway behind real HTTP. */
export interface Edge {
  readonly gateway: WsGateway
  readonly host: TestHost
  readonly events: WsEvent[]
  open(path: string, principal?: string): Promise<Opened>
}

/** Starts a gateway; who a client is says its query `?as=`. */
export async function startEdge(
  build: (gateway: WsGateway) => void,
  options: GatewayOptions & { readonly rules?: PermissionRules } = {},
): Promise<Edge> {
  const events: WsEvent[] = []
  const { rules = {}, ...rest } = options
  const gateway = wsGateway({
    principal: (c) => {
      const name = c.req.query('as')
      return name === undefined ? undefined : principalOf(name, rules)
    },
    observe: (event) => void events.push(event),
    ...rest,
  })
  build(gateway)
  const host = await startAttached(new Hono().route('/', gateway.routes))
  onTestFinished(async () => {
    await gateway.close({ drainMs: 0 })
  })
  return {
    gateway,
    host,
    events,
    open: (path, principal) =>
      open(host, principal === undefined ? path : `${path}?as=${encodeURIComponent(principal)}`),
  }
}

export function principalOf(name: string, rules: PermissionRules = {}): Principal {
  const id = `test:${name}`
  return { id, name, claims: { tenant: 't1' }, permissions: compilePermissions(rules, { id, name }) }
}

/** Resolves once it holds; rejects when it still does not after 10 s. */
export async function until(what: string, holds: () => boolean): Promise<void> {
  const end = performance.now() + 10_000
  while (!holds()) {
    if (performance.now() > end) throw new Error(`waited 10 s for ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

/** Sends a message and gives the next one that comes. */
export async function ask({ ws, next }: Opened, message: unknown): Promise<unknown> {
  ws.send(typeof message === 'string' ? message : JSON.stringify(message))
  return JSON.parse(await next()) as unknown
}
