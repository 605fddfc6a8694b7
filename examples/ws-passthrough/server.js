// A WebSocket service behind a gateway: checks, limits and pings are here, the words are the service's own.
import { serve } from '@hono/node-server'
import { pickHeaders, rawCodec, wsBackend, wsGateway } from '@nats-edge/ws-toolkit'
import { webSocketServer } from '@nats-edge/ws-toolkit/upgrade'
import { Hono } from 'hono'

export async function start({ upstream = 'ws://127.0.0.1:3001/live', port = 3000 } = {}) {
  const backend = wsBackend({
    url: upstream,
    subprotocol: 'forward',
    headers: (connection) => connection.data,
    connectTimeoutMs: 2000,
  })

  const gateway = wsGateway({ maxConnectionsPerIp: 50 })
  gateway
    .channel('/live', {
      codec: rawCodec(),
      subprotocols: ['chat.v1', 'chat.v2'],
      messagesPerSecond: 50,
      // Only what is named here is passed on.
      onConnect: (c) => pickHeaders(c, ['authorization']),
      // Connects before the first message, for services that speak first.
      onOpen: (connection) => backend.connect(connection),
    })
    .default(backend)

  const app = new Hono()
  app.route('/ws', gateway.routes)
  const websocket = { server: webSocketServer() }
  const server = serve({ fetch: app.fetch, hostname: '127.0.0.1', port, websocket })
  await new Promise((resolve) => server.once('listening', resolve))
  const stop = async () => {
    await gateway.close({ drainMs: 1000, spreadMs: 0 })
    server.close()
  }
  return { port: server.address().port, stop }
}

if (import.meta.url === `file://${process.argv[1]}`) {
  const { port, stop } = await start({ upstream: process.env.UPSTREAM, port: Number(process.env.PORT ?? 3000) })
  console.log(`ws://127.0.0.1:${port}/ws/live`)
  process.once('SIGTERM', stop)
  process.once('SIGINT', stop)
}
