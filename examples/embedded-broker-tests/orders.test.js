// A test of your own against a real broker that starts in milliseconds and leaves nothing behind.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startNatsServer } from '@nats-edge/embedded-nats'
import { connect } from '@nats-io/transport-node'

let server
let nats

before(async () => {
  server = await startNatsServer({ onProgress: (step) => console.log(step.text) })
  nats = await connect({ servers: server.url })
})

after(async () => {
  await nats?.close()
  await server?.stop()
})

test('an order is confirmed', async () => {
  nats.subscribe('orders.create', { callback: (_, message) => message.respond('confirmed') })
  const reply = await nats.request('orders.create', '{"item":"tea"}')
  assert.equal(reply.string(), 'confirmed')
})
