// A service behind the REST proxy: routes, middleware and JSON, with no HTTP server of its own.
import { natsService } from '@nats-edge/rest-proxy/service'
import { connect } from '@nats-io/transport-node'

export async function start({ natsUrl = 'nats://127.0.0.1:4222' } = {}) {
  const nats = await connect({ servers: natsUrl })
  const notes = new Map()
  const service = natsService(nats, { queue: 'notes' })

  service.use(async (c, next) => {
    const begin = performance.now()
    await next()
    c.response.headers.set('Server-Timing', `app;dur=${(performance.now() - begin).toFixed(1)}`)
  })
  service.get('/notes/:id', (c) => {
    const note = notes.get(c.pathVariable('id'))
    return note === undefined ? c.json(404, { error: 'no such note' }) : c.json(200, note)
  })
  service.put('/notes/:id', async (c) => {
    const note = await c.bindJSON()
    notes.set(c.pathVariable('id'), note)
    return c.json(201, note)
  })

  await service.ready()
  const stop = async () => {
    await service.close()
    await nats.drain()
  }
  return { stop }
}

if (import.meta.url === `file://${process.argv[1]}`) {
  const { stop } = await start({ natsUrl: process.env.NATS_URL })
  console.log('serving GET and PUT /notes/:id')
  process.once('SIGTERM', stop)
  process.once('SIGINT', stop)
}
