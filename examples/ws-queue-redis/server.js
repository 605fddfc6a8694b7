// Requests go into a Redis stream, workers take them when they can, answers come back over a list of this server.
import { serve } from '@hono/node-server'
import { jsonCodec, queueBackend, WsError, wsGateway } from '@nats-edge/ws-toolkit'
import { webSocketServer } from '@nats-edge/ws-toolkit/upgrade'
import { createClient } from '@redis/client'
import { Hono } from 'hono'

const timeoutMs = 30_000
const maxJobs = { TRIM: { strategy: 'MAXLEN', strategyModifier: '~', threshold: 10_000 } }

export async function start({ redisUrl = 'redis://127.0.0.1:6379', port = 3000 } = {}) {
  // While Redis is away requests fail at once, instead of waiting for nobody knows what.
  const redis = createClient({ url: redisUrl, disableOfflineQueue: true })
  const answers = createClient({ url: redisUrl })
  for (const client of [redis, answers]) client.on('error', ({ message }) => console.error(`redis: ${message}`))
  await Promise.all([redis.connect(), answers.connect()])

  const jobs = queueBackend({
    timeoutMs,
    send: async ({ key, data }, id) => {
      const job = { id, answerTo: `answers:${jobs.instance}`, until: Date.now() + timeoutMs, key, data }
      try {
        await redis.xAdd('jobs', '*', { job: JSON.stringify(job) }, maxJobs)
      } catch (cause) {
        throw new WsError('disconnected', { message: 'the queue is away', cause })
      }
    },
  })

  const reading = (async () => {
    while (answers.isOpen) {
      const answer = await answers.blPop(`answers:${jobs.instance}`, 0).catch(() => undefined)
      if (answer === undefined || answer === null) continue
      const { id, value, error } = JSON.parse(answer.element)
      jobs.settle(id, error === undefined ? value : new WsError('bad_reply', { message: error }))
    }
  })()

  const gateway = wsGateway()
  gateway.channel('/work', { codec: jsonCodec() }).route('render', jobs)
  const app = new Hono()
  app.route('/ws', gateway.routes)
  const websocket = { server: webSocketServer() }
  const server = serve({ fetch: app.fetch, hostname: '127.0.0.1', port, websocket })
  await new Promise((resolve) => server.once('listening', resolve))
  const stop = async () => {
    await gateway.close({ drainMs: 1000, spreadMs: 0 })
    server.close()
    for (const client of [redis, answers]) client.destroy()
    await reading
  }
  return { port: server.address().port, stop }
}

if (import.meta.url === `file://${process.argv[1]}`) {
  const { port, stop } = await start({ redisUrl: process.env.REDIS_URL, port: Number(process.env.PORT ?? 3000) })
  console.log(`ws://127.0.0.1:${port}/ws/work`)
  process.once('SIGTERM', stop)
  process.once('SIGINT', stop)
}
