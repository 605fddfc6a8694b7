// Every message says where it came from, whatever its sender claims.
import { HeaderBlock } from '@nats-edge/wire-parser'
import { replace, wireGateway } from '@nats-edge/wire-parser/gateway'

export async function start({ natsUrl = 'nats://127.0.0.1:4222', port = 4223 } = {}) {
  const gateway = wireGateway({
    backends: [{ url: natsUrl }],
    // What the gateway knows itself needs no code. Nats-Edge-* of a client are always removed.
    policies: { headers: { strip: ['X-Internal-*'], inject: ['clientIp', 'connectionId', 'time', 'traceparent'] } },
    hooks: {
      onPublish(message, connection) {
        const { subject, replyTo, payload } = message
        const own = message.verb === 'HPUB' ? [...HeaderBlock.fromBytes(message.headers).entries()] : []
        const sent = own.filter(([name]) => name.toLowerCase() !== 'sent-by')
        const name = (connection.connect.name ?? 'unnamed').replaceAll(/[\r\n]/g, ' ')
        const headers = HeaderBlock.from([...sent, ['Sent-By', name]]).bytes
        return replace({ verb: 'HPUB', subject, payload, headers, ...(replyTo && { replyTo }) })
      },
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
