// SPDX-License-Identifier: Apache-2.0
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import type { Hono } from 'hono'

/** The two ways a proxy meets the world: as Responses under any host, and writing to node's response by itself. */
export type HostKind = 'response' | 'raw'

export const hostKinds: readonly HostKind[] = ['response', 'raw']

export interface HttpHost {
  readonly port: number
  readonly url: string
  readonly server: Server
  stop(): Promise<void>
}

const rawHostKey = Symbol.for('nats-edge.raw')

/** What the edge offers its handlers, with one header of its own. */
class TestRawHost {
  taken = false

  take(): Response {
    this.taken = true
    return new Response(null)
  }

  head(): Record<string, string | string[]> {
    return { 'X-Host': 'raw' }
  }
}

/** Serves an app on an ephemeral port of loopback. */
export async function startHttpHost(app: Hono, kind: HostKind = 'response', hostname = '127.0.0.1'): Promise<HttpHost> {
  const listener = kind === 'raw' ? rawListener(app) : getRequestListener(app.fetch)
  const server = createServer((incoming, outgoing) => void listener(incoming, outgoing))
  await new Promise<void>((resolve) => server.listen(0, hostname, resolve))
  const { port } = server.address() as AddressInfo
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    server,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function rawListener(app: Hono): (incoming: IncomingMessage, outgoing: ServerResponse) => Promise<void> {
  return getRequestListener(async (request, env) => {
    const host = new TestRawHost()
    const response = await app.fetch(request, { ...env, [rawHostKey]: host })
    return host.taken ? RESPONSE_ALREADY_SENT : response
  })
}
