// A page that is a NATS client: its WebSocket leads through the gateway to the broker.
import { serve } from '@hono/node-server'
import { serveStatic } from '@hono/node-server/serve-static'
import { wireGateway } from '@nats-edge/wire-parser/gateway'
import { upgradeWebSocket, webSocketServer } from '@nats-edge/ws-toolkit/upgrade'
import { Hono } from 'hono'

export async function start({ natsUrl = 'nats://127.0.0.1:4222', port = 3000 } = {}) {
  const gateway = wireGateway({
    backends: [{ url: natsUrl }],
    upgradeWebSocket,
    // Pages of this server only; `origins: ['https://app.example.com']` would let others in.
    origins: 'same',
    policies: {
      permissions: {
        publish: { allow: ['demo.>'] },
        subscribe: { allow: ['demo.>', '_INBOX.>'] },
      },
    },
  })

  const app = new Hono()
  app.route('/nats', gateway.routes)
  app.use(serveStatic({ root: import.meta.dirname, rewriteRequestPath: (path) => `/public${path}` }))

  const websocket = { server: webSocketServer() }
  const server = serve({ fetch: app.fetch, hostname: '127.0.0.1', port, websocket })
  await new Promise((resolve) => server.once('listening', resolve))
  const stop = async () => {
    await gateway.close({ drainMs: 1000 })
    server.close()
  }
  return { port: server.address().port, stop }
}

if (import.meta.url === `file://${process.argv[1]}`) {
  const { port, stop } = await start({ natsUrl: process.env.NATS_URL, port: Number(process.env.PORT ?? 3000) })
  console.log(`http://127.0.0.1:${port}/`)
  process.once('SIGTERM', stop)
  process.once('SIGINT', stop)
}
