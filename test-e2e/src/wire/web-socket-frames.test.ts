// SPDX-License-Identifier: Apache-2.0
import { deflateRawSync } from 'node:zlib'
import { describe, expect, inject, it } from 'vitest'
import type { Binary } from './client-rig.ts'
import { frame, opcodes, RawFrames } from './raw-frames.ts'
import { eventually, plainConnect, startBroker, startRig, type WebSocketRig } from './web-socket-rig.ts'

const newest = inject('natsServers').at(-1) as Binary
const { binary, close, continuation, ping, text } = opcodes

async function rigWith(options: Partial<Parameters<typeof startRig>[0]> = {}): Promise<WebSocketRig> {
  const server = await startBroker(newest)
  return startRig({ backends: [{ url: server.url }], ...options })
}

async function loggedIn(rig: WebSocketRig, extensions?: string): Promise<RawFrames> {
  const client = await RawFrames.to(rig.url, extensions)
  await client.until('INFO ')
  client.send(frame(`${plainConnect}PING\r\n`))
  await client.until('PONG\r\n')
  client.received = ''
  return client
}

/** Time for what was written to be read by itself. */
function aMoment(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1))
}

const frames = [
  frame('SUB a.* 1\r\nPUB a.1 3\r\nabc\r\n'),
  frame('PUB a.2 5\r\nhe'),
  frame('', { opcode: ping }),
  frame('l'),
  frame(''),
  frame('lo\r\nPUB a.3 4\r\n', { isFinal: false, opcode: text }),
  frame('between', { opcode: ping }),
  frame('te', { isFinal: false, opcode: continuation }),
  frame('xt\r\n', { opcode: continuation }),
  frame(`PUB a.4 140\r\n${'x'.repeat(140)}\r\nUNSUB 1\r\n`, { opcode: binary }),
]
const delivered = `MSG a.1 1 3\r\nabc\r\nMSG a.2 1 5\r\nhello\r\nMSG a.3 1 4\r\ntext\r\nMSG a.4 1 140\r\n${'x'.repeat(140)}\r\n`

describe('frames of a WebSocket', () => {
  it('are the same stream wherever they are cut, and control frames among them are answered', async () => {
    const client = await loggedIn(await rigWith())
    const bytes = Buffer.concat(frames)
    for (let cut = 0; cut <= bytes.length; cut++) {
      client.send(bytes.subarray(0, cut))
      await aMoment()
      client.send(bytes.subarray(cut), frame('PING\r\n'))
      await client.until('PONG\r\n')
      expect([cut, client.said]).toEqual([cut, `${delivered}PONG\r\n`])
      client.received = ''
    }
    expect(client.answers.join('')).toBe('between'.repeat(bytes.length + 1))
  })

  it('are the same stream byte by byte', async () => {
    const client = await loggedIn(await rigWith())
    for (const byte of Buffer.concat([...frames, frame('PING\r\n')])) {
      client.send(Buffer.from([byte]))
      await aMoment()
    }
    await client.until('PONG\r\n')
    expect(client.said).toBe(`${delivered}PONG\r\n`)
  })

  it('may be as large as a message may', async () => {
    const client = await loggedIn(await rigWith())
    const payload = 'x'.repeat(1_000_000)
    client.send(frame(`SUB large 1\r\nPUB large 1000000\r\n${payload}\r\nPING\r\n`))
    await client.until('PONG\r\n')
    expect(client.said).toBe(`MSG large 1 1000000\r\n${payload}\r\nPONG\r\n`)
  })

  it.each<readonly [string, readonly Buffer[], number]>([
    ['that is not masked', [frame('PING\r\n', { isMasked: false })], 1002],
    ['with the first reserved bit', [frame('PING\r\n', { reserved: 0x40 })], 1002],
    ['with the second reserved bit', [frame('PING\r\n', { reserved: 0x20 })], 1002],
    ['with the third reserved bit', [frame('PING\r\n', { reserved: 0x10 })], 1002],
    ['of a reserved kind', [frame('PING\r\n', { opcode: 3 })], 1002],
    ['of a reserved control kind', [frame('', { opcode: 11 })], 1002],
    ['that controls and is a fragment', [frame('', { opcode: ping, isFinal: false })], 1002],
    ['that controls and is long', [frame('x'.repeat(126), { opcode: ping })], 1002],
    ['that closes and is half a code', [frame('x', { opcode: close })], 1002],
    ['that goes on where nothing began', [frame('PING\r\n', { opcode: continuation })], 1002],
    ['that begins where another goes on', [frame('PI', { isFinal: false }), frame('NG\r\n')], 1002],
    ['above the limit', [frame('', { length: 100_000_000n })], 1009],
    ['whose length has its top bit set', [frame('', { length: 2n ** 63n + 5n })], 1009],
    ['whose length is all ones', [frame('', { length: 2n ** 64n - 1n })], 1009],
  ])('end the connection with one %s, and what came before has been done', async (_name, wrong, code) => {
    const rig = await rigWith()
    const client = await loggedIn(rig)
    client.send(frame('SUB a 1\r\nPUB a 2\r\nhi\r\n'), ...wrong, frame('PUB a 5\r\nnever\r\n'))
    expect(await client.closed()).toBe(code)
    expect(client.received).not.toContain('never')
    await eventually(() => rig.gateway.health().connections === 0)
  })

  it('may not be too many fragments of one message', async () => {
    const rig = await rigWith({ limits: { maxWsFragments: 10 } })
    const client = await loggedIn(rig)
    client.send(frame('P', { isFinal: false }))
    for (let i = 0; i < 20; i++) client.send(frame('', { isFinal: false, opcode: continuation }))
    expect(await client.closed()).toBe(1008)
    await eventually(() => rig.gateway.health().connections === 0)
  })

  it('may not inflate above the limit (reliability T12)', async () => {
    const rig = await rigWith({ compression: { thresholdBytes: 60_000 }, limits: { maxWsMessageBytes: 1_000_000 } })
    const client = await loggedIn(rig, 'permessage-deflate; client_no_context_takeover')
    const before = process.memoryUsage().rss
    const bomb = deflateRawSync(Buffer.alloc(200_000_000)).subarray(0, -1)
    client.send(frame(bomb, { reserved: 0x40 }))
    expect(await client.closed()).toBe(1009)
    expect(process.memoryUsage().rss - before).toBeLessThan(250_000_000)
    await eventually(() => rig.gateway.health().connections === 0)
  })
})

describe('reliability T13: a flood of frames', () => {
  it('that are empty, and pings among them, costs nothing that lasts, and commands are served', async () => {
    const rig = await rigWith()
    const client = await loggedIn(rig)
    const flood = Buffer.concat(
      Array.from({ length: 1000 }, (_, i) => frame('', { opcode: i % 25 === 0 ? ping : binary })),
    )
    for (let i = 0; i < 20; i++) {
      client.send(flood, frame('PING\r\n'))
      await client.until('PONG\r\n')
      client.received = ''
    }
    await eventually(() => client.answers.length === 800)
    const [info] = [...rig.gateway.connections()]
    expect(info?.queuedBytes).toBe(0)
  })

  // `ws` cuts off whoever leaves more than 60 answers under way.
  it('of pings from a client that takes no answer ends it before much is queued', async () => {
    const rig = await rigWith({ limits: { slowClientMs: 60_000 } })
    const client = await loggedIn(rig)
    client.socket.pause()
    const flood = Buffer.concat(Array.from({ length: 500 }, () => frame('x'.repeat(125), { opcode: ping })))
    let most = 0
    for (const end = performance.now() + 10_000; rig.gateway.health().connections > 0 && performance.now() < end;) {
      if (client.socket.writableLength < 1_000_000) client.send(flood)
      await new Promise((resolve) => setImmediate(resolve))
      for (const { queuedBytes } of rig.gateway.connections()) most = Math.max(most, queuedBytes)
    }
    expect(rig.gateway.health().connections).toBe(0)
    expect(most).toBeLessThan(1_000_000)
  })

  it('that are pings is answered with what each of them held, also when commands are among them', async () => {
    const rig = await rigWith()
    const client = await loggedIn(rig)
    client.send(
      frame('SUB a 1\r\n'),
      frame('first', { opcode: ping }),
      frame(`PUB a 300\r\n${'y'.repeat(300)}\r\n`),
      frame('second', { opcode: ping }),
      frame(`PUB a 2\r\nhi\r\nPING\r\n`),
    )
    await client.until('PONG\r\n')
    expect(client.answers).toEqual(['first', 'second'])
  })
})
