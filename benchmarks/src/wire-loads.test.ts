// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { type NatsServer, startNatsServer } from '@nats-edge/embedded-nats'
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest'
import { WireClient } from './wire-client.ts'
import { runDeliverLoad, runPublishLoad } from './wire-flood-load.ts'
import { closeIdleClients, idleClients, runIdleLoad } from './wire-idle-load.ts'
import { deliveryBytes, wireSubject } from './wire-operations.ts'
import { runPingLoad, runRequestLoad } from './wire-turn-load.ts'

let server: NatsServer
const relays: Server[] = []

beforeAll(async () => {
  const binary = inject('natsServers').at(-1)
  server = await startNatsServer({ ...(binary && { binary }), jetstream: false, websocket: true })
})

afterEach(() => {
  for (const relay of relays.splice(0)) relay.close()
})

afterAll(() => server?.stop())

const loads = { publish: runPublishLoad, deliver: runDeliverLoad, ping: runPingLoad, request: runRequestLoad }

function urlOf(transport: 'tcp' | 'ws'): string {
  return transport === 'tcp' ? server.url : (server.websocketUrl ?? '')
}

/** A way to the server on which what the server sends is changed. */
async function relay(change: (chunk: Buffer, client: Socket) => Buffer): Promise<string> {
  const made = createServer((client) => {
    const backend = connect(server.port, '127.0.0.1')
    client
      .on('error', () => {})
      .pipe(backend)
      .on('error', () => {})
    backend.on('data', (chunk: Buffer) => client.write(change(chunk, client)))
    backend.on('close', () => client.destroy())
  })
  relays.push(made)
  await once(made.listen(0, '127.0.0.1'), 'listening')
  return `nats://127.0.0.1:${(made.address() as AddressInfo).port}`
}

describe.each(['tcp', 'ws'] as const)('loads over %s', (transport) => {
  it.each(['publish', 'deliver', 'ping', 'request'] as const)('%s counts what the server did', async (name) => {
    const options = { url: urlOf(transport), size: 16, durationMs: 50 }
    for (const framing of ['one', 'many'] as const) {
      const { operations, seconds, errors, latencyCounts } = await loads[name]({ ...options, framing })
      expect(errors).toEqual({})
      expect(operations).toBeGreaterThan(0)
      expect(seconds).toBeGreaterThanOrEqual(0.05)
      const latencies = latencyCounts.reduce((sum, count) => sum + count, 0)
      expect(latencies).toBe(name === 'ping' || name === 'request' ? operations : 0)
    }
  })

  it('publishes as many messages as it says', async () => {
    let heard = 0
    const deliverySize = deliveryBytes(wireSubject, 128)
    const subscriber = await WireClient.open({
      url: urlOf(transport),
      deliveryBytes: deliverySize,
      onDeliveries: (count) => (heard += count),
    })
    await subscriber.subscribe(wireSubject)
    const { operations } = await runPublishLoad({ url: urlOf(transport), size: 128, framing: 'one', durationMs: 20 })
    await expect.poll(() => heard).toBe(operations)
    subscriber.close()
  })

  it('keeps idle clients until they are closed', async () => {
    const { operations, errors } = await runIdleLoad({ url: urlOf(transport) })
    expect({ operations, errors }).toEqual({ operations: idleClients, errors: {} })
    closeIdleClients()
  })
})

describe('what goes wrong', () => {
  const options = { size: 16, framing: 'many', durationMs: 50 } as const

  it('is counted when messages are lost', async () => {
    const delivery = Buffer.from(`MSG ${wireSubject} 1 16\r\nxxxxxxxxxxxxxxxx\r\n`)
    let isLost = false
    const url = await relay((chunk) => {
      const at = isLost ? -1 : chunk.indexOf(delivery)
      if (at < 0) return chunk
      isLost = true
      return Buffer.concat([chunk.subarray(0, at), chunk.subarray(at + delivery.length)])
    })
    const { errors } = await runDeliverLoad({ ...options, url, durationMs: 20, answerMs: 2000 })
    expect(errors).toEqual({ 'messages lost': 1 })
  }, 30_000)

  it('is counted when the server says no', async () => {
    const url = await relay((chunk) => Buffer.from(chunk.toString('latin1').replaceAll('PONG', "-ERR 'no'"), 'latin1'))
    await expect(runPingLoad({ ...options, url })).rejects.toThrow("the server said -ERR 'no'")
  })

  it.each(['publish', 'deliver', 'ping', 'request'] as const)(
    'is counted when a connection ends during %s',
    async (name) => {
      const url = await relay((chunk, client) => {
        setTimeout(() => client.destroy(), 50)
        return chunk
      })
      const result = await loads[name]({ ...options, url, durationMs: 1500 }).catch((error: unknown) => error)
      const errors = result instanceof Error ? { [result.message]: 1 } : (result as { errors: object }).errors
      expect(Object.keys(errors)).not.toEqual([])
    },
    30_000,
  )

  it('rejects where no WebSocket is', async () => {
    const refusing = createServer((client) => client.end('HTTP/1.1 404 Not Found\r\n\r\n'))
    relays.push(refusing)
    await once(refusing.listen(0, '127.0.0.1'), 'listening')
    const { port } = refusing.address() as AddressInfo
    await expect(WireClient.open({ url: `ws://127.0.0.1:${port}/` })).rejects.toThrow('answered HTTP/1.1 404 Not Found')
  })
})
