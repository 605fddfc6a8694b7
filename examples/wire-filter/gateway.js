// Looks into messages: what must not be sent is refused, what must not be seen is lost.
import { HeaderBlock } from '@nats-edge/wire-parser'
import { deny, drop, wireGateway } from '@nats-edge/wire-parser/gateway'

const digits = /\d(?:[ -]?\d){12,18}/g

// Luhn's sum, so that order numbers pass and card numbers do not.
function isCard(text) {
  const numbers = [...text.replaceAll(/\D/g, '')].map(Number).toReversed()
  const sum = numbers.reduce((sum, n, i) => sum + (i % 2 === 0 ? n : n > 4 ? 2 * n - 9 : 2 * n), 0)
  return sum % 10 === 0
}

export async function start({ natsUrl = 'nats://127.0.0.1:4222', port = 4223 } = {}) {
  const gateway = wireGateway({
    backends: [{ url: natsUrl }],
    hooks: {
      onPublish({ subject, payload }) {
        if (!subject.startsWith('chat.')) return undefined
        const found = Buffer.from(payload).toString('latin1').match(digits) ?? []
        return found.some(isCard) ? deny('Card Numbers Are Not For Chats') : undefined
      },
      onMessage(message) {
        if (message.verb === 'MSG') return undefined
        return HeaderBlock.fromBytes(message.headers).get('Visibility') === 'internal' ? drop() : undefined
      },
    },
    // Whoever sends nothing but what is refused does not get far.
    policies: { rates: [{ by: 'connection', subjects: ['chat.>'], messagesPerSecond: 100, action: 'error' }] },
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
