// The smallest WebSocket service: what comes goes back, text as text and binary as binary.
import { serve } from '@hono/node-server'
import { rawCodec, wsGateway } from '@nats-edge/ws-toolkit'
import { webSocketServer } from '@nats-edge/ws-toolkit/upgrade'
import { Hono } from 'hono'

export async function start({ port = 3000 } = {}) {
  const gateway = wsGateway()
  gateway.channel('/echo', { codec: rawCodec(), maxMessageBytes: 65_536 }).default(({ data }) => data)

  const app = new Hono()
  app.get('/', (c) => c.text('a WebSocket on /ws/echo'))
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
  const { port, stop } = await start({ port: Number(process.env.PORT ?? 3000) })
  console.log(`ws://127.0.0.1:${port}/ws/echo`)
  process.once('SIGTERM', stop)
  process.once('SIGINT', stop)
}
