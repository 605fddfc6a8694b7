// JSON-RPC over WebSockets in front of an HTTP service that may be slow, fail or be away.
import { serve } from '@hono/node-server'
import { breaker, httpBackend, httpPool, jsonRpc, retry, timeout, wsGateway } from '@nats-edge/ws-toolkit'
import { webSocketServer } from '@nats-edge/ws-toolkit/upgrade'
import { Hono } from 'hono'

export async function start({ origin = 'http://127.0.0.1:3001', port = 3000 } = {}) {
  // One pool for all routes: at most so many connections to the service, kept open between requests.
  const pool = httpPool({ origin, connections: 20 })
  const ask = (path, options = {}) =>
    httpBackend({ dispatcher: pool, request: ({ data }) => ({ path: path(encodeURIComponent(data.id)) }), ...options })

  const gateway = wsGateway()
  gateway
    .channel('/shop', { codec: jsonRpc() })
    // From the outside in: a deadline for the whole, tries within it, and a circuit that each of them meets.
    .use(timeout(3000), retry({ attempts: 3, perTryMs: 800 }), breaker({ minCalls: 10, resetMs: 2000 }))
    .route(
      'order',
      ask((id) => `/orders/${id}`),
    )
    .route(
      'order.history',
      ask((id) => `/orders/${id}/history`),
    )

  const app = new Hono()
  app.route('/ws', gateway.routes)
  const websocket = { server: webSocketServer() }
  const server = serve({ fetch: app.fetch, hostname: '127.0.0.1', port, websocket })
  await new Promise((resolve) => server.once('listening', resolve))
  const stop = async () => {
    await gateway.close({ drainMs: 1000, spreadMs: 0 })
    pool.close()
    server.close()
  }
  return { port: server.address().port, stop }
}

if (import.meta.url === `file://${process.argv[1]}`) {
  const { port, stop } = await start({ origin: process.env.ORIGIN, port: Number(process.env.PORT ?? 3000) })
  console.log(`ws://127.0.0.1:${port}/ws/shop`)
  process.once('SIGTERM', stop)
  process.once('SIGINT', stop)
}
