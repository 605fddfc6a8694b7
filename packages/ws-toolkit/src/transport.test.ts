// SPDX-License-Identifier: Apache-2.0
import { inflateRawSync } from 'node:zlib'
import * as fc from 'fast-check'
import { describe, expect, inject, it, vi } from 'vitest'
import { frameOf, sharedFrame } from './frame.ts'
import { eventsOf, startGateway } from './gateway.test-support.ts'
import { SharedDeflate } from './shared-deflate.ts'
import { faultOf, transportFault } from './transport-check.ts'
import { RouteSocket } from './upgrade/route-socket.ts'

describe('the transport check', () => {
  it('finds nothing wrong with the ws that is installed', () => {
    expect(transportFault()).toBeUndefined()
  })

  it('finds a ws that frames messages in another way', () => {
    class Masking extends RouteSocket {
      override send(data: never, options: never): void {
        super.send(data, { ...(options as object), mask: true } as never)
      }
    }
    expect(faultOf(Masking)).toMatch(/^ws frames 0 bytes of text in another way$/)
  })

  it('finds a ws that writes later, or elsewhere', () => {
    class Late extends RouteSocket {
      override send(data: never, options: never): void {
        setImmediate(() => super.send(data, options))
      }
    }
    expect(faultOf(Late)).toBeDefined()
  })

  it('finds a ws that closes without asking its owner first', () => {
    class Hasty extends RouteSocket {
      override close(code?: number): void {
        const { owner } = this
        this.owner = undefined
        super.close(code)
        this.owner = owner
      }
    }
    expect(faultOf(Hasty)).toBe('ws closes without asking first')
  })

  it.each(['_sender', '_socket', '_extensions'])('falls back where %s of ws has moved', (field) => {
    class Moved extends RouteSocket {
      override emit(event: string, ...args: never[]): boolean {
        return super.emit(event, ...args)
      }
    }
    Object.defineProperty(Moved.prototype, field, { get: () => undefined, set: () => {} })
    expect(faultOf(Moved)).toMatch(/^the check failed: /)
  })

  it('never lets the application see an exception', () => {
    class Broken extends RouteSocket {
      override send(): void {
        throw new Error('broken')
      }
    }
    expect(faultOf(Broken)).toBe('the check failed: broken')
  })
})

describe('messages', () => {
  it('that are sent in one tick arrive in one read', async () => {
    const { connect } = await startGateway((gateway) => {
      gateway.channel('/').default((request) => {
        for (let number = 0; number < 10; number += 1) request.connection.send(String(number))
      })
    })
    const client = await connect()
    const reads: number[] = []
    const socket = Reflect.get(client.ws, '_socket') as NodeJS.EventEmitter
    socket.on('data', (chunk: Buffer) => reads.push(chunk.length))
    client.send('x')
    await vi.waitFor(() => expect(client.messages).toHaveLength(10))
    expect(reads).toStrictEqual([30])
  })

  it('of several ticks arrive in one read with batchMs', async () => {
    const { connect, gateway } = await startGateway((gateway) => gateway.channel('/', { batchMs: 5 }))
    const client = await connect()
    const reads: number[] = []
    const socket = Reflect.get(client.ws, '_socket') as NodeJS.EventEmitter
    socket.on('data', (chunk: Buffer) => reads.push(chunk.length))
    const [connection] = gateway.registry
    connection?.send('a')
    await new Promise(setImmediate)
    connection?.send('b')
    await vi.waitFor(() => expect(client.messages).toStrictEqual(['a', 'b']))
    expect(reads).toStrictEqual([6])
  })

  it('of a burst are not kept until the end of a tick', async () => {
    const { connect, gateway } = await startGateway((gateway) => gateway.channel('/'))
    await connect()
    const [connection] = gateway.registry
    for (let number = 0; number < 10; number += 1) connection?.send('x'.repeat(15_000))
    // The kernel has had most of it already.
    expect(connection?.bufferedBytes).toBeLessThan(70_000)
  })

  it('go through ws where the application says so', async () => {
    const { connect } = await startGateway((gateway) => gateway.channel('/').default((request) => request.data), {
      transport: 'plain',
    })
    const client = await connect()
    client.send('x')
    expect(await client.next()).toBe('x')
  })
})

const step = fc.record({
  kind: fc.constantFrom('text', 'bytes', 'shared', 'uncompressed'),
  size: fc.constantFrom(0, 5, 125, 2000, 20_000, 70_000),
  waits: fc.boolean(),
})

describe('the order of messages', () => {
  it.each([
    ['without compression', false, 'auto'],
    ['through ws', false, 'plain'],
    ['with compression that keeps no context', { thresholdBytes: 100 }, 'auto'],
    ['with compression that keeps its context', { thresholdBytes: 100, contextTakeover: true }, 'auto'],
  ] as const)('is kept %s, whatever way each of them takes', async (_how, compression, transport) => {
    const options = { compression, sendBufferBytes: 100_000_000 }
    const rig = await startGateway((gateway) => gateway.channel('/', options), { transport })
    const client = await rig.connect('/', { perMessageDeflate: compression !== false })
    const [connection] = rig.gateway.registry
    const check = async (steps: readonly { kind: string; size: number; waits: boolean }[]): Promise<void> => {
      const sent: string[] = []
      for (const [index, { kind, size, waits }] of steps.entries()) {
        const message = `${index}${'x'.repeat(size)}`
        sent.push(message)
        if (kind === 'bytes') connection?.send(Buffer.from(message))
        else if (kind === 'uncompressed') connection?.send(message, { compress: false })
        else connection?.send(kind === 'shared' ? sharedFrame(message) : message)
        if (waits) await new Promise(setImmediate)
      }
      const got: string[] = []
      while (got.length < sent.length) got.push(await client.next())
      expect(got.findIndex((text, index) => text !== sent[index])).toBe(-1)
    }
    const numRuns = inject('propertyRuns') > 1000 ? 1000 : 40
    await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 30 }), check), { numRuns })
  })
})

describe('compression', () => {
  const text = 'compress me '.repeat(500)

  it.each([
    ['without context', { thresholdBytes: 10 }],
    ['with context', { thresholdBytes: 10, contextTakeover: true }],
  ])('is agreed on %s, and keeps messages of every kind in order', async (_how, compression) => {
    const rig = await startGateway((gateway) =>
      gateway.channel('/', { compression, maxMessageBytes: 1_048_576 }).default((request) => request.data),
    )
    const client = await rig.connect('/', { perMessageDeflate: true })
    expect(client.ws.extensions).toContain('permessage-deflate')
    const [connection] = rig.gateway.registry
    const shared = sharedFrame(text)
    const small = sharedFrame('small')
    const large = sharedFrame('L'.repeat(50_000))
    const sent = [text, shared, 'x', small, '', shared, large, text, small]
    for (const message of sent) connection?.send(message)
    connection?.send(sharedFrame(text), { compress: false })
    await new Promise(setImmediate)
    connection?.send(shared)
    const expected = [text, text, 'x', 'small', '', text, 'L'.repeat(50_000), text, 'small', text, text]
    await vi.waitFor(() => expect(client.messages).toStrictEqual(expected))
    client.send(text)
    await vi.waitFor(() => expect(client.messages.at(-1)).toBe(text))
  })

  it('is not forced on clients that do not ask for it', async () => {
    const { connect } = await startGateway((gateway) =>
      gateway.channel('/', { compression: {} }).default((request) => request.data),
    )
    const client = await connect('/', { perMessageDeflate: false })
    client.send(text)
    expect(await client.next()).toBe(text)
    expect(client.ws.extensions).toBe('')
  })

  it('of a shared frame is done once, for all who agreed to keep no context', async () => {
    const rig = await startGateway((gateway) => {
      gateway.channel('/', {
        compression: { thresholdBytes: 10 },
        onOpen: (connection) => connection.join('all').then(() => {}),
      })
    })
    const clients = await Promise.all([1, 2, 3].map(() => rig.connect('/', { perMessageDeflate: true })))
    await vi.waitFor(() => expect(rig.gateway.rooms.room('all').size).toBe(3))
    const read: Buffer[][] = clients.map((client) => {
      const chunks: Buffer[] = []
      ;(Reflect.get(client.ws, '_socket') as NodeJS.EventEmitter).on('data', (chunk: Buffer) => chunks.push(chunk))
      return chunks
    })
    rig.gateway.rooms.room('all').broadcast(text)
    for (const client of clients) expect(await client.next()).toBe(text)
    const wires = read.map((chunks) => Buffer.concat(chunks))
    expect(wires[1]?.equals(wires[0] ?? Buffer.alloc(0))).toBe(true)
    expect(wires[0]?.[0]).toBe(0xc1)
    expect(wires[0]?.length).toBeLessThan(200)
    const frame = frameOf(sharedFrame(text))
    expect(frame.deflate(1)).toBe(frame.deflate(1))
    const body = Buffer.concat([frame.deflate(1).subarray(2), Buffer.from('0000ffff', 'hex')])
    expect(inflateRawSync(body, { finishFlush: 2 }).toString()).toBe(text)
  })

  it('is left to ws where anything of it is not as expected', () => {
    const frame = frameOf(sharedFrame(text))
    const params = { server_no_context_takeover: true }
    const extensions = { 'permessage-deflate': { params } }
    const asked = (ws: object): boolean => new SharedDeflate(ws as never, {}).encode(frame) !== undefined
    expect(asked({ _extensions: extensions, _sender: { _state: 0 } })).toBe(true)
    expect(asked({ _extensions: extensions, _sender: { _state: 1 } })).toBe(false)
    expect(asked({ _extensions: extensions })).toBe(false)
    expect(asked({ _sender: { _state: 0 } })).toBe(false)
    expect(asked({ _extensions: { 'permessage-deflate': { params: {} } }, _sender: { _state: 0 } })).toBe(false)
    expect(
      asked({
        _extensions: { 'permessage-deflate': { params: { ...params, server_max_window_bits: 9 } } },
        _sender: { _state: 0 },
      }),
    ).toBe(false)
  })

  it('cannot blow a message up beyond its limit', async () => {
    const rig = await startGateway((gateway) =>
      gateway.channel('/', { compression: {}, maxMessageBytes: 10_000 }).default((request) => request.data),
    )
    const client = await rig.connect('/', { perMessageDeflate: { threshold: 0 } })
    client.ws.send(Buffer.alloc(10_000_000), { compress: true })
    expect((await client.closed).code).toBe(1009)
    const ended = [{ code: 1009, bytesIn: 0 }]
    await vi.waitFor(() => expect(eventsOf(rig, 'connection.closed')).toMatchObject(ended))
  })
})
