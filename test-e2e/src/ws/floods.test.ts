// SPDX-License-Identifier: Apache-2.0
import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { randomFrom } from '../wire/faults/random.ts'
import { frame, opcodes, RawFrames } from '../wire/raw-frames.ts'
import { eventually } from '../wire/web-socket-rig.ts'
import { FloodedGateway, pour } from './flooded-gateway.ts'

const { binary, close, continuation, ping, pong, text } = opcodes
// Behind the handshake both are the same.
const hosts = inject('propertyRuns') >= 100_000 ? ['attached', 'serve'] : ['attached']
const seed = 20_261_121

/** Frames one after the other, many times. */
function many(times: number, ...frames: readonly Buffer[]): Buffer {
  const all = Buffer.concat(frames)
  return Buffer.alloc(all.length * times, all)
}

describe.each(hosts)('reliability T13: a flood at channels with default limits, %s,', (host) => {
  let gateway: FloodedGateway
  beforeAll(async () => void (gateway = await FloodedGateway.start(host)))
  afterAll(() => gateway.end())

  it.each([
    ['empty fragments', ''],
    ['fragments of a byte', 'x'],
  ])('of %s of one message ends its connection with 1008', async (_name, payload) => {
    const flood = many(10_000, frame(payload, { opcode: continuation, isFinal: false }))
    const codes = await gateway.survives(async () => {
      const client = await RawFrames.to(gateway.url)
      client.send(frame('x', { opcode: binary, isFinal: false }))
      await pour(client, flood, 100)
      expect(await client.closed()).toBe(1008)
    }, 10)
    expect(codes).toEqual(['1008'])
  })

  it('begins at the 129th fragment of a message', async () => {
    const rest = (count: number): Buffer => many(count, frame('y', { opcode: continuation, isFinal: false }))
    const last = frame('z', { opcode: continuation })
    const codes = await gateway.survives(async () => {
      const client = await RawFrames.to(gateway.url)
      client.send(frame('x', { opcode: text, isFinal: false }), rest(126), last)
      await client.until(`x${'y'.repeat(126)}z`)
      client.send(frame('x', { opcode: text, isFinal: false }), rest(127), last)
      expect(await client.closed()).toBe(1008)
    })
    expect(codes).toEqual(['1008'])
  })

  it('of messages that are never finished holds no more than they may be large', async () => {
    const begun = Buffer.concat([
      frame('x'.repeat(250), { opcode: text, isFinal: false }),
      many(126, frame('x'.repeat(250), { opcode: continuation, isFinal: false })),
    ])
    await gateway.survives(async () => {
      const clients = await Promise.all(Array.from({ length: 90 }, () => RawFrames.to(gateway.url)))
      for (const client of clients) client.send(begun)
      // Whoever answers a ping has read what came before.
      for (const client of clients) client.send(frame('read', { opcode: ping }))
      await eventually(() => clients.every(({ answers }) => answers.includes('read')))
      expect(clients.filter(({ isClosed }) => isClosed)).toEqual([])
      for (const client of clients) client.socket.destroy()
      // Twice as many are more than an address may have.
      await gateway.isRidOfAllButOne()
    })
  })

  it('of fragments that together are above the size of a message ends its connection with 1009', async () => {
    const flood = many(100, frame('x'.repeat(1000), { opcode: continuation, isFinal: false }))
    await gateway.survives(async () => {
      const client = await RawFrames.to(gateway.url)
      client.send(frame('x', { opcode: binary, isFinal: false }), flood)
      expect(await client.closed()).toBe(1009)
    }, 10)
  })

  it.each([
    ['empty pings', ''],
    ['pings of 125 bytes', 'x'.repeat(125)],
  ])('of a million %s whose pongs are not read cuts its connection', async (_name, payload) => {
    const flood = many(10_000, frame(payload, { opcode: ping }))
    const codes = await gateway.survives(async () => {
      const client = await RawFrames.to(gateway.url)
      client.socket.pause()
      expect(await pour(client, flood, 100)).not.toBe('taken')
      client.socket.destroy()
    })
    // Of two bounds, that of pongs under way and that of control frames, the one that is met first.
    expect(codes.filter((code) => code !== '1006' && code !== '1008')).toEqual([])
  })

  it('of a million pongs nobody asked for ends its connection with 1008', async () => {
    const flood = many(10_000, frame('x'.repeat(125), { opcode: pong }))
    const codes = await gateway.survives(async () => {
      const client = await RawFrames.to(gateway.url)
      const [end] = await Promise.all([pour(client, flood, 100), eventually(() => client.closeCode === 1008)])
      expect(end).not.toBe('taken')
      client.socket.destroy()
    }, 5)
    expect(codes).toEqual(['1008'])
  })

  it('of messages that are not read by their sender is not read either', async () => {
    const flood = many(1000, frame('x'.repeat(1000), { opcode: binary }))
    await gateway.survives(async () => {
      const client = await RawFrames.to(gateway.url)
      client.socket.pause()
      expect(await pour(client, flood, 200)).toBe('stuck')
      client.socket.destroy()
    })
  })

  it('of close frames is answered once', async () => {
    const flood = many(10_000, frame('\x03\xe8', { opcode: close }))
    const codes = await gateway.survives(async () => {
      const client = await RawFrames.to(gateway.url)
      await pour(client, flood, 100)
      await eventually(() => client.isClosed)
    }, 10)
    expect(codes).toEqual(['1000'])
  })

  it('of junk, from a client that comes back for each piece, is told what is wrong each time', async () => {
    const random = randomFrom(seed)
    const told = new Set<number>()
    const codes = await gateway.survives(async () => {
      const client = await RawFrames.to(gateway.url)
      const junk = Buffer.from(Array.from({ length: 65_536 }, () => Math.floor(random() * 256)))
      await pour(client, junk, 10)
      told.add(await client.closed())
    }, 50)
    expect([...told].filter((code) => ![1002, 1007, 1008, 1009].includes(code))).toEqual([])
    expect([...told]).toEqual(expect.arrayContaining(codes.map(Number)))
  })

  it('of bytes that are no request at all is refused and leaves nothing', async () => {
    const random = randomFrom(seed)
    await gateway.survives(async () => {
      const junk = Buffer.from(Array.from({ length: 65_536 }, () => Math.floor(random() * 256)))
      const socket = connect({ host: '127.0.0.1', port: Number(new URL(gateway.url).port) }).on('error', () => {})
      let isClosed = false
      socket.on('close', () => (isClosed = true))
      socket.resume().write(junk)
      await eventually(() => isClosed)
    }, 50)
  })
})
