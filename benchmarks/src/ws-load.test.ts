// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events'
import type { WebSocket } from 'ws'
import { afterEach, describe, expect, it } from 'vitest'
import { runWsAcceptLoad } from './ws-accept-load.ts'
import { WsBroadcastLoad } from './ws-broadcast-load.ts'
import { WsEchoLoad, type WsEchoOptions } from './ws-echo-load.ts'
import { WsFleet } from './ws-fleet.ts'
import { encodeClientFrame } from './ws-frame.ts'
import { reconnect } from './ws-reconnect-load.ts'
import { WsRestLoad } from './ws-rest-load.ts'
import { startTestServer, type TestServer } from './ws-server.test-support.ts'

const message = 'x'.repeat(32)
const frame = encodeClientFrame(Buffer.from(message))
const opened: { close(): unknown }[] = []

afterEach(async () => {
  for (const each of opened.splice(0).toReversed()) await each.close()
})

async function serve(onConnection: (ws: WebSocket, server: TestServer) => void): Promise<TestServer> {
  const server: TestServer = await startTestServer((ws) => onConnection(ws, server))
  opened.push(server)
  return server
}

async function fleetOf(server: TestServer, count: number, messageBytes = 32): Promise<WsFleet> {
  const fleet = new WsFleet({ ...server.target, messageBytes })
  opened.push(fleet)
  expect(await fleet.grow(count)).toMatchObject({ operations: count, errors: {} })
  return fleet
}

// What has to be answered is waited for: a process that stands still has answers and timers due at once.
const echo = (options: Partial<WsEchoOptions> = {}): WsEchoLoad =>
  new WsEchoLoad({ frame, outstanding: 1, durationMs: 100, ...options })

const answering = (ws: WebSocket): unknown => ws.on('message', (data: Buffer) => ws.send(data))

describe('WsEchoLoad', () => {
  it.each([1, 10])('counts every answer, with %i messages under way on each connection', async (outstanding) => {
    let messages = 0
    let most = 0
    const server = await serve((ws) => {
      let underWay = 0
      ws.on('message', (data: Buffer) => {
        expect(data.toString()).toBe(message)
        messages += 1
        underWay += 1
        most = Math.max(most, underWay)
        setImmediate(() => {
          underWay -= 1
          ws.send(data)
        })
      })
    })
    const result = await (await fleetOf(server, 3)).run(echo({ outstanding, durationMs: 500 }))
    expect(result.errors).toEqual({})
    expect(result.operations).toBe(messages)
    expect(messages).toBeGreaterThan(3 * outstanding)
    expect(most).toBe(outstanding)
  })

  it('counts a message without an answer as an error', async () => {
    let isFirst = true
    const server = await serve((ws) =>
      ws.on('message', (data: Buffer) => {
        if (!isFirst) ws.send(data)
        isFirst = false
      }),
    )
    const result = await (await fleetOf(server, 2)).run(echo({ drainMs: 1000 }))
    expect(result.errors).toEqual({ 'message without an answer': 1 })
  })

  it('counts an answer nobody asked for', async () => {
    let isFirst = true
    const server = await serve((ws) =>
      ws.on('message', (data: Buffer) => {
        ws.send(data)
        if (isFirst) ws.send(data)
        isFirst = false
      }),
    )
    const { errors } = await (await fleetOf(server, 1)).run(echo())
    expect(Object.keys(errors)).toEqual(['message nobody asked for'])
  })

  it('counts an answer of another length, which ends its connection', async () => {
    const server = await serve((ws) => ws.on('message', () => ws.send('short')))
    const { errors, operations } = await (await fleetOf(server, 2)).run(echo())
    expect({ errors, operations }).toEqual({
      errors: { 'message of 5 bytes': 2, 'message without an answer': 2 },
      operations: 0,
    })
  })

  it('counts a connection that the server cuts, and what was under way on it', async () => {
    const server = await serve((ws) => ws.on('message', () => ws.terminate()))
    const { errors } = await (await fleetOf(server, 2)).run(echo({ outstanding: 4 }))
    expect(errors['message without an answer']).toBe(8)
  })
})

describe('WsBroadcastLoad', () => {
  const toAll =
    (times: number) =>
    (ws: WebSocket, server: TestServer): unknown =>
      ws.on('message', () => {
        for (let count = 0; count < times; count++) for (const client of server.clients) client.send(message)
      })

  it.each([1, 10])('counts deliveries, %i to each connection in a round', async (burst) => {
    const server = await serve(toAll(burst))
    const load = new WsBroadcastLoad({ frame, burst, durationMs: 500 })
    const { operations, errors } = await (await fleetOf(server, 4)).run(load)
    expect(errors).toEqual({})
    expect(operations % (4 * burst)).toBe(0)
    expect(operations).toBeGreaterThan(4 * burst)
  })

  it('begins a round no sooner than it is told to', async () => {
    const server = await serve(toAll(1))
    const load = new WsBroadcastLoad({ frame, burst: 1, everyMs: 60, durationMs: 500 })
    const { operations, errors, seconds } = await (await fleetOf(server, 4)).run(load)
    const rounds = operations / 4
    expect([Number.isInteger(rounds), errors]).toEqual([true, {}])
    expect(rounds).toBeGreaterThan(1)
    // A timer may fire a moment early.
    expect((rounds - 1) * 58).toBeLessThanOrEqual(seconds * 1000)
  })

  it('counts what is lost', async () => {
    const server = await serve(toAll(1))
    const load = new WsBroadcastLoad({ frame, burst: 2, durationMs: 100, drainMs: 1000 })
    const { errors } = await (await fleetOf(server, 3)).run(load)
    expect(errors).toEqual({ 'message lost': 3 })
  })
})

describe('WsFleet', () => {
  it('answers pings, so that it is not taken for dead', async () => {
    let pinged: WebSocket | undefined
    const server = await serve((ws) => (pinged = ws))
    await fleetOf(server, 1)
    const answered = once(pinged ?? expect.unreachable(), 'pong')
    pinged?.ping('still there?')
    expect(String((await answered)[0])).toBe('still there?')
  })

  it('counts what came between two loads as an error of the next', async () => {
    const server = await serve(answering)
    const fleet = await fleetOf(server, 1)
    for (const client of server.clients) client.send(message)
    await expect.poll(async () => (await fleet.run(echo({ durationMs: 1 }))).errors).not.toEqual({})
  })

  it('counts handshakes that fail', async () => {
    const server = await serve(() => {})
    const fleet = new WsFleet({ ...server.target, path: '/elsewhere' })
    expect(await fleet.grow(2)).toMatchObject({ operations: 0, errors: { 'answer "HTTP/1.1 400 Bad Request"': 2 } })
  })
})

describe('WsRestLoad', () => {
  it('counts pings that were answered, and everything else as an error', async () => {
    let pongs = 0
    const server = await serve((ws) => ws.on('pong', () => (pongs += 1)))
    const fleet = await fleetOf(server, 3)
    const resting = fleet.run(new WsRestLoad(1500))
    const [first, ...others] = server.clients
    for (const client of others) client.ping()
    first?.send(message)
    first?.terminate()
    const result = await resting
    expect(result).toMatchObject({ operations: 2, errors: { 'message nobody asked for': 1 } })
    expect(Object.values(result.errors)).toEqual([1, 1])
    await expect.poll(() => pongs).toBe(2)
  })
})

describe('reconnect', () => {
  it('cuts the last clients at once and counts how they come back, while the others are answered', async () => {
    let accepted = 0
    let answered = 0
    const server = await serve((ws) => {
      accepted += 1
      ws.on('message', (data: Buffer) => {
        answered += 1
        ws.send(data)
      })
    })
    const fleet = await fleetOf(server, 104)
    const result = await reconnect(fleet, 100, frame, 1)
    expect([result.operations, result.errors, accepted, fleet.size]).toEqual([100, {}, 204, 104])
    await expect.poll(() => server.clients.size).toBe(104)
    expect(answered).toBeGreaterThan(0)
  })

  it('counts the others that end', async () => {
    const server = await serve((ws) => ws.on('message', () => ws.terminate()))
    const { operations, errors } = await reconnect(await fleetOf(server, 102), 100, frame, 1)
    expect([operations, Object.values(errors)]).toEqual([100, [2]])
  })
})

describe('runWsAcceptLoad', () => {
  it('counts handshakes, each on a connection of its own', async () => {
    let accepted = 0
    const server = await serve(() => (accepted += 1))
    const result = await runWsAcceptLoad({ ...server.target, parallel: 4, durationMs: 500 })
    expect(result.errors).toEqual({})
    expect(result.operations).toBe(accepted)
    expect(accepted).toBeGreaterThan(4)
  })
})
