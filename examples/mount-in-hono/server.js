// A Hono application of your own with one more route: everything below /api is answered by NATS services.
import { serve } from '@hono/node-server'
import { restProxy } from '@nats-edge/rest-proxy'
import { connect } from '@nats-io/transport-node'
import { Hono } from 'hono'
import { cors } from 'hono/cors'
import { secureHeaders } from 'hono/secure-headers'

export async function start({ natsUrl = 'nats://127.0.0.1:4222', port = 3000 } = {}) {
  const nats = await connect({ servers: natsUrl })
  const proxy = restProxy({
    nats,
    routes: [{ path: '/orders/{id}', method: 'GET', subject: 'orders.{id}.get', envelope: 'headers', timeoutMs: 2000 }],
    defaultRoute: false,
  })

  const app = new Hono()
  app.use(secureHeaders())
  app.use('/api/*', cors({ origin: 'https://shop.example' }))
  app.get('/', (c) => c.text('the shop'))
  app.route('/api', proxy.routes)

  const server = serve({ fetch: app.fetch, hostname: '127.0.0.1', port })
  await new Promise((resolve) => server.once('listening', resolve))
  const stop = async () => {
    await proxy.close({ drainMs: 5000 })
    server.close()
    await nats.drain()
  }
  return { port: server.address().port, stop }
}

if (import.meta.url === `file://${process.argv[1]}`) {
  const { port, stop } = await start({ natsUrl: process.env.NATS_URL, port: Number(process.env.PORT ?? 3000) })
  console.log(`http://127.0.0.1:${port}/api/orders/17`)
  process.once('SIGTERM', stop)
  process.once('SIGINT', stop)
}
