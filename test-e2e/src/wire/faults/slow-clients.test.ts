// SPDX-License-Identifier: Apache-2.0
import { expect, inject, it, onTestFinished } from 'vitest'
import { type Binary, startFullBroker } from '../client-rig.ts'
import { CrowdClient, percentile } from './crowd.ts'
import { GatewayProcess } from './gateway-process.ts'

const isLong = inject('propertyRuns') >= 100_000
const newest = inject('natsServers').at(-1) as Binary
const clients = isLong ? 1000 : 100
const deafClients = clients / 5
const limits = {
  highWaterBytes: 65_536,
  maxPendingBytes: 1_048_576,
  slowClientMs: 1000,
  maxConnectionsPerIp: 1000,
}
// The longest read there is: four times `readBufferBytes`, for a connection that fills that.
const readBytes = 262_144
const payloadBytes = 30_000

it(`reliability F9: ${deafClients} of ${clients} clients take nothing, and the others do not notice`, async () => {
  const broker = await startFullBroker(newest)
  onTestFinished(() => broker.stop())
  const gateway = await GatewayProcess.start({ backends: [{ url: broker.url }], limits })
  onTestFinished(async () => void (await gateway.end()))
  const { tcp } = gateway.addresses
  const before = await gateway.state()
  const from = await CrowdClient.connected(tcp)
  const others = await connectAll(tcp, clients - deafClients, 'SUB others 1\r\n')
  const takers = await connectAll(tcp, deafClients, 'SUB flood 1\r\n')

  const message = `PUB flood ${payloadBytes}\r\n${'x'.repeat(payloadBytes)}\r\n`
  const round = async (): Promise<number[]> => {
    from.send(message.repeat(3))
    return Promise.all(others.slice(0, 50).map((client) => client.ping()))
  }
  const calm: number[] = []
  for (let i = 0; i < 20; i++) calm.push(...(await round()))

  for (const { socket } of takers) socket.pause()
  const loud: number[] = []
  let mostQueued = 0
  let state = await gateway.state()
  for (const end = performance.now() + 60_000; (state.closed['slow_client'] ?? 0) < deafClients;) {
    if (performance.now() > end) break
    loud.push(...(await round()))
    state = await gateway.state()
    mostQueued = Math.max(mostQueued, state.held['queuedBytes'] ?? 0)
  }
  expect(state.closed).toEqual({ slow_client: deafClients })
  // What the gateway holds for one that takes nothing: the high water, one read, and the message that is half out.
  expect(mostQueued).toBeGreaterThan(0)
  expect(mostQueued / deafClients).toBeLessThan(limits.highWaterBytes + readBytes + payloadBytes)
  expect(others.filter(({ isClosed }) => isClosed)).toEqual([])
  const [calmMs, loudMs] = [percentile(calm, 0.99), percentile(loud, 0.99)]
  const ratio = (loudMs / calmMs).toFixed(2)
  process.stderr.write(
    `p99 of PING with ${deafClients} deaf of ${clients}: ${loudMs.toFixed(1)} ms, ${ratio} times that without\n`,
  )
  // While nobody reads for the deaf there is less to do, not more. The long job is alone on its machine.
  if (isLong) expect(loudMs / calmMs).toBeLessThan(1.1)

  for (const { socket } of [...others, ...takers, from]) socket.destroy()
  const mostBytes = before.heapBytes + 8 * 1_048_576
  // A collection may leave for the next one what was let go of just before.
  const after = await gateway.settled(
    ({ held, heapBytes }) => JSON.stringify(held) === JSON.stringify(before.held) && heapBytes < mostBytes,
  )
  expect(after.held).toEqual(before.held)
  expect(after.heapBytes).toBeLessThan(mostBytes)
}, 180_000)

async function connectAll(address: string, count: number, commands: string): Promise<CrowdClient[]> {
  const all: CrowdClient[] = []
  while (all.length < count) {
    const some = Array.from({ length: Math.min(50, count - all.length) }, () =>
      CrowdClient.connected(address, commands),
    )
    all.push(...(await Promise.all(some)))
  }
  return all
}
