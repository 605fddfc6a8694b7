// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, it, vi } from 'vitest'
import { eventsOf, startGateway, statOf, ways, type TestClient } from './gateway.test-support.ts'
import { testGateway } from './testing.ts'
import { wsGateway } from './ws-gateway.ts'

// ws itself cuts whoever leaves more than 60 pongs under way.
const portion = 50

/** Pings so often, in portions, until the connection ends. */
async function ping({ ws }: TestClient, times: number): Promise<void> {
  for (let sent = 0; sent < times && ws.readyState === ws.OPEN; sent += portion) {
    for (let each = 0; each < portion; each += 1) ws.ping(String(each))
    await new Promise<void>((resolve) => {
      ws.once('close', resolve)
      ws.on('pong', function answered(payload: Buffer): void {
        if (payload.toString() !== String(portion - 1)) return
        ws.off('pong', answered).off('close', resolve)
        resolve()
      })
    })
  }
}

async function pong({ ws }: TestClient, times: number): Promise<void> {
  for (let sent = 0; sent < times && ws.readyState === ws.OPEN; sent += portion) {
    for (let each = 0; each < portion; each += 1) ws.pong()
    await nextTurn()
  }
}

describe.each(ways)('$name: a client', ({ way }) => {
  it.each([
    ['pings', ping],
    ['pongs nobody asked for', pong],
  ])('that floods a channel with %s is closed with 1008, however fast its messages may be', async (_what, flood) => {
    const rig = await startGateway((gateway) => gateway.channel('/', { messagesPerSecond: Infinity }), way)
    const client = await rig.connect()
    await flood(client, 20_000)
    expect(await client.closed).toStrictEqual({ code: 1008, reason: 'too many control frames' })
    expect(eventsOf(rig, 'limit.hit').map(({ limit }) => limit)).toStrictEqual(['control'])
    expect(statOf(rig.gateway, 'limits_hit_total', { limit: 'control' })).toBe(1)
  })

  it('may ping beside as many messages as it may send', async () => {
    const rig = await startGateway(
      (gateway) => gateway.channel('/', { messagesPerSecond: 1, onExceeded: 'close' }).default(({ data }) => data),
      way,
    )
    const client = await rig.connect()
    await ping(client, 150)
    client.send('here')
    expect(await client.next()).toBe('here')
    await ping(client, 50)
    expect(client.ws.readyState).toBe(client.ws.OPEN)
    expect(eventsOf(rig, 'limit.hit')).toStrictEqual([])
  })

  it('that leaves more pongs under way than ws keeps is cut', async () => {
    const rig = await startGateway((gateway) => gateway.channel('/'), way)
    const client = await rig.connect()
    // Masked with zeros, in one write, and so in one read.
    client.ws.pause()
    Reflect.get(client.ws, '_socket').write(Buffer.alloc(61 * 6, Buffer.from([0x89, 0x80, 0, 0, 0, 0])))
    client.ws.resume()
    expect((await client.closed).code).toBe(1006)
    await vi.waitFor(() => expect(rig.gateway.registry.size).toBe(0))
  })
})

describe('a message', () => {
  it('that comes in more pieces than are kept costs its client the connection, with 1008 (D31)', async () => {
    const gateway = wsGateway()
    gateway.channel('/', { maxMessageBytes: 100_000 }).default(({ data }) => String(String(data).length))
    const served = testGateway(gateway, { chaos: { toServer: { chunkBytes: 1 } }, seed: 1 })
    const [few, many] = [await served.connect('/'), await served.connect('/')]
    few.send('x'.repeat(4000))
    expect(await few.next()).toBe('4000')
    many.send('x'.repeat(5000))
    expect((await many.closed).code).toBe(1008)
    few.send('and on')
    expect(await few.next()).toBe('6')
    const closed = once(few.ws, 'close')
    await served.close()
    await closed
  })
})
