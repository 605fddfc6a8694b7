// Old clients go on saying orders.*, the services behind the gateway have moved to v2.orders.*.
import { replace, wireGateway } from '@nats-edge/wire-parser/gateway'

const before = 'orders.'
const after = 'v2.orders.'

function moved(operation, from, to) {
  if (!operation.subject.startsWith(from)) return undefined
  return replace({ ...operation, subject: to + operation.subject.slice(from.length) })
}

export async function start({ natsUrl = 'nats://127.0.0.1:4222', port = 4223 } = {}) {
  const gateway = wireGateway({
    backends: [{ url: natsUrl }],
    hooks: {
      onPublish: (message) => moved(message, before, after),
      onSubscribe: (subscription) => moved(subscription, before, after),
      onMessage: (message) => moved(message, after, before),
    },
  })
  const listener = await gateway.listen({ port })
  return { port: listener.port, stop: () => gateway.close({ drainMs: 1000 }) }
}

if (import.meta.url === `file://${process.argv[1]}`) {
  const { port, stop } = await start({ natsUrl: process.env.NATS_URL, port: Number(process.env.PORT ?? 4223) })
  console.log(`nats://127.0.0.1:${port}`)
  process.once('SIGTERM', stop)
  process.once('SIGINT', stop)
}
