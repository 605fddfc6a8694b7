// A stand-in for the WebSocket service you have: says who is calling, echoes, and leaves on request.
import { serve } from '@hono/node-server'
import { rawCodec, wsGateway } from '@nats-edge/ws-toolkit'
import { webSocketServer } from '@nats-edge/ws-toolkit/upgrade'
import { Hono } from 'hono'

export async function start({ port = 3001 } = {}) {
  const gateway = wsGateway()
  gateway
    .channel('/live', {
      codec: rawCodec(),
      subprotocols: ['chat.v1', 'chat.v2'],
      onConnect: (c) => c.req.header('authorization') ?? 'nobody',
      onOpen: (connection) => void connection.send(`${connection.data} speaks ${connection.protocol || 'nothing'}`),
    })
    .default((request) => {
      if (request.data !== 'bye') return request.data
      return request.connection.close(4321, 'you said bye').then(() => undefined)
    })
  const app = new Hono()
  app.route('/', gateway.routes)
  const websocket = { server: webSocketServer() }
  const server = serve({ fetch: app.fetch, hostname: '127.0.0.1', port, websocket })
  await new Promise((resolve) => server.once('listening', resolve))
  const stop = async () => {
    await gateway.close({ drainMs: 0 })
    server.close()
  }
  return { port: server.address().port, stop }
}

if (import.meta.url === `file://${process.argv[1]}`) {
  const { port, stop } = await start()
  console.log(`ws://127.0.0.1:${port}/live`)
  process.once('SIGTERM', stop)
  process.once('SIGINT', stop)
}
