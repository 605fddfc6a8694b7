// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs'
import { describe, expect, inject, it, onTestFinished } from 'vitest'
import { type Binary, startFullBroker } from '../client-rig.ts'
import { eventually, plainConnect, RawWebSocket } from '../web-socket-rig.ts'
import { CrowdClient } from './crowd.ts'
import { GatewayProcess } from './gateway-process.ts'

const mebibyte = 1_048_576
const isLong = inject('propertyRuns') >= 100_000
const newest = inject('natsServers').at(-1) as Binary
// As many at a time as the gateway lets wait, in the long job ten times over.
const [rounds, atOnce] = isLong ? [10, 1000] : [2, 250]

async function start(options: object = {}): Promise<GatewayProcess> {
  const broker = await startFullBroker(newest)
  onTestFinished(() => broker.stop())
  const gateway = await GatewayProcess.start({ backends: [{ url: broker.url }], ...options })
  onTestFinished(async () => void (await gateway.end()))
  return gateway
}

/** Another address of loopback for each hundred: that many may wait with one address. */
function addressOf(i: number): string {
  return `127.0.0.${2 + Math.floor(i / 100)}`
}

describe('reliability T13: clients that do not finish CONNECT', () => {
  it.skipIf(openFiles() < 4000)(
    `${rounds * atOnce} of them, ${atOnce} at a time, hold little, are told and leave nothing behind`,
    async () => {
      const gateway = await start()
      const client = await CrowdClient.connected(gateway.addresses.tcp)
      await client.ping()
      const before = await gateway.state()
      let most = { heapBytes: 0, residentBytes: 0 }
      for (let round = 0; round < rounds; round++) {
        const unfinished = Array.from(
          { length: atOnce },
          (_, i) => new CrowdClient(gateway.addresses.tcp, addressOf(i)),
        )
        for (const each of unfinished) each.send(plainConnect.slice(0, 9 + (round % 20)))
        await Promise.all(unfinished.map((each) => each.until('INFO ')))
        const during = await gateway.state()
        expect(during.held['waiting']).toBeLessThanOrEqual(1000)
        if (during.heapBytes > most.heapBytes) most = during
        // Those who are in go on.
        await client.ping()
        const ends = await Promise.all(unfinished.map((each) => each.closed()))
        const told = ends.filter((text) => text.endsWith("-ERR 'Authentication Timeout'\r\n"))
        expect(told).toHaveLength(atOnce)
        // Those of the next round come from the same addresses.
        await gateway.settled(({ held }) => held['waiting'] === 0)
      }
      const mostBytes = before.heapBytes + 8 * mebibyte
      // A collection may leave for the next one what was let go of just before.
      const after = await gateway.settled(
        ({ held, heapBytes }) => JSON.stringify(held) === JSON.stringify(before.held) && heapBytes < mostBytes,
      )
      expect(after.held).toEqual(before.held)
      expect(after.closed).toEqual({ auth_timeout: rounds * atOnce })
      expect((most.heapBytes - before.heapBytes) / atOnce).toBeLessThan(40 * 1024)
      expect(after.heapBytes).toBeLessThan(mostBytes)
      expect(after.residentBytes - before.residentBytes).toBeLessThan(100 * mebibyte)
    },
    120_000,
  )

  it('are turned away beyond what may wait, in words a client understands', async () => {
    const gateway = await start({ limits: { maxPendingAuth: 20, authTimeoutMs: 60_000 } })
    const before = await gateway.state()
    const waiting = Array.from({ length: 20 }, () => new CrowdClient(gateway.addresses.tcp))
    await Promise.all(waiting.map((each) => each.until('INFO ')))
    const more = Array.from({ length: 50 }, () => new CrowdClient(gateway.addresses.tcp))
    const ends = await Promise.all(more.map((each) => each.closed()))
    for (const end of ends) expect(end).toMatch(/^INFO .*\r\n-ERR 'maximum connections exceeded'\r\n$/)
    for (const each of waiting) each.socket.destroy()
    const after = await gateway.settled(({ held }) => JSON.stringify(held) === JSON.stringify(before.held))
    expect(after.held).toEqual(before.held)
    await CrowdClient.connected(gateway.addresses.tcp).then((client) => client.ping())
  })
})

describe('a client that sends a byte a second (reliability T11)', () => {
  it('has until the login has to be done, over TCP and WebSocket', async () => {
    const gateway = await start({ limits: { authTimeoutMs: 2000 } })
    const before = await gateway.state()
    const slow = new CrowdClient(gateway.addresses.tcp)
    const slowWebSocket = new RawWebSocket(gateway.addresses.ws)
    await slow.until('INFO ')
    await slowWebSocket.until('INFO ')
    let sent = 0
    const timer = setInterval(
      () => {
        slow.send(plainConnect[sent] ?? '')
        if (slowWebSocket.closeCode === 0) slowWebSocket.socket.send(plainConnect[sent] ?? '')
        sent++
        // Long before the login has to be done, also where a machine stands still for a moment.
      },
      isLong ? 1000 : 100,
    )
    onTestFinished(() => clearInterval(timer))
    expect(await slow.closed()).toContain("-ERR 'Authentication Timeout'\r\n")
    expect(await slowWebSocket.closed()).toBe(1008)
    expect(slowWebSocket.received).toContain("-ERR 'Authentication Timeout'\r\n")
    expect(sent).toBeGreaterThan(0)
    clearInterval(timer)
    const after = await gateway.settled(({ held }) => JSON.stringify(held) === JSON.stringify(before.held))
    expect(after.held).toEqual(before.held)
  })

  it('is served like any other once it is in', async () => {
    const gateway = await start()
    const client = await CrowdClient.connected(gateway.addresses.tcp, 'SUB slow 1\r\n')
    const command = 'PUB slow 5\r\nhello\r\n'
    for (const byte of command) {
      client.send(byte)
      await new Promise((resolve) => setTimeout(resolve, isLong ? 1000 : 20))
    }
    await client.until('MSG slow 1 5\r\nhello\r\n')
    await eventually(() => client.tail.includes('hello'))
  }, 60_000)
})

/** How many descriptors this process may have. */
function openFiles(): number {
  try {
    return Number(/Max open files\s+(\d+)/.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1] ?? 0)
  } catch {
    return 0
  }
}
