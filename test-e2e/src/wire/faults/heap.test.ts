// SPDX-License-Identifier: Apache-2.0
import { expect, inject, it, onTestFinished } from 'vitest'
import { type Binary, startFullBroker, type TransportName } from '../client-rig.ts'
import { eventually } from '../web-socket-rig.ts'
import { GatewayProcess, type GatewayProcessState } from './gateway-process.ts'
import { StreamClient } from './stream-client.ts'
import { expectSameHeap } from './same-heap.ts'

const newest = inject('natsServers').at(-1) as Binary
const isLong = inject('propertyRuns') >= 100_000
const messages = isLong ? 10_000_000 : 300_000
const batch = 20_000
// Read buffers, tables and code are as large as they become after so many.
const warmBatches = 10
const payload = '0123456789abcdef'

/** Rules that look at every publish and every delivery. */
const judged = {
  policies: {
    permissions: { publish: { allow: ['heap.>'] }, subscribe: { deny: ['heap.secret.>'] } },
    rates: [{ by: 'connection', messagesPerSecond: 1_000_000_000 }],
  },
}

const ways: readonly (readonly [way: TransportName, what: string, options: object])[] = [
  ['tcp', 'forwarded', {}],
  ['ws', 'forwarded', {}],
  ['tcp', 'judged, each with a subject of its own', judged],
]

it.each(ways)(
  `${messages} messages through a gateway and back, by %s, %s, leave its heap as it was`,
  async (way, what, options) => {
    const broker = await startFullBroker(newest)
    onTestFinished(() => broker.stop())
    const gateway = await GatewayProcess.start({ backends: [{ url: broker.url }], ...options })
    onTestFinished(async () => void (await gateway.end()))
    const to = await StreamClient.connected(way, gateway.addresses, 'SUB heap.> 1\r\n')
    const from = await StreamClient.connected(way, gateway.addresses)
    let sent = 0
    let isDue = to.bytes
    const round = async (): Promise<void> => {
      const subjects = Array.from({ length: batch }, () => `heap.${options === judged ? 100_000_000 + sent++ : 'same'}`)
      const length = `MSG ${subjects[0]} 1 16\r\n${payload}\r\n`.length
      void from.send(subjects.map((subject) => `PUB ${subject} 16\r\n${payload}\r\n`).join(''))
      isDue += batch * length
      // One batch is under way while the next is made; the server asks for signs of life as it likes.
      await eventually(() => to.bytes >= isDue - batch * length || to.isClosed, 30_000)
    }
    const read = async (): Promise<GatewayProcessState> => {
      await eventually(() => to.bytes >= isDue || to.isClosed, 30_000)
      return gateway.state()
    }
    for (let i = 0; i < warmBatches; i++) await round()
    const before = await read()
    const startMs = performance.now()
    for (let i = 0; i < messages / batch; i++) await round()
    await read()
    expect([to.isClosed, from.isClosed]).toEqual([false, false])
    await expectSameHeap(gateway, before, { what: `${messages} messages by ${way}, ${what}`, startMs })
    for (const client of [from, to]) client.destroy()
  },
  isLong ? 300_000 : 60_000,
)
