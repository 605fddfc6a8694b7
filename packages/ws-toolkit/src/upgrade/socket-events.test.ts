// SPDX-License-Identifier: Apache-2.0
import { Hono, type Context } from 'hono'
import { describe, expect, it, vi } from 'vitest'
import type { WebSocket } from 'ws'
import { limitedAdmission } from './admission.ts'
import { hosts, open } from './hosts.test-support.ts'
import type { SocketEvents } from './socket-events.ts'
import type { SocketOptions, UpgradeEvent } from './socket-options.ts'
import { upgradeWebSocket } from './upgrade-web-socket.ts'

function failing(text: string): never {
  throw new Error(text)
}

// The types allow no promise; people write async handlers all the same.
const rejecting: NonNullable<SocketEvents['onMessage']> = (): void => Promise.reject(new Error('in message')) as never

function appWith(events: (c: Context) => SocketEvents): Hono {
  return new Hono().get('/ws', upgradeWebSocket(events))
}

describe.each(hosts)('the handlers of a socket under $name', ({ start }) => {
  it('calls every handler in its turn', async () => {
    const calls: unknown[] = []
    const host = await start(
      appWith((c) => ({
        onOpen: (event, ws) => calls.push([event.type, ws.readyState, ws.protocol, ws.url?.pathname, c.req.path]),
        onMessage: (event, ws) => {
          calls.push(event.data instanceof ArrayBuffer ? [...new Uint8Array(event.data)] : event.data)
          ws.send('got')
        },
        onClose: (event) => calls.push([event.type, event.code, event.reason, event.wasClean]),
        onAbort: () => calls.push('abort'),
      })),
    )
    const client = await open(host, '/ws')
    client.ws.send('text')
    expect(await client.next()).toBe('got')
    client.ws.send(Buffer.from([1, 2, 255]))
    expect(await client.next()).toBe('got')
    client.ws.close(4321, 'bye')
    await vi.waitFor(() => expect(calls).toHaveLength(4))
    expect(calls).toEqual([['open', 1, '', '/ws', '/ws'], 'text', [1, 2, 255], ['close', 4321, 'bye', true]])
    await host.closed()
  })

  it('gives the raw socket with the stream under it, and listens for no message itself', async () => {
    const raws: WebSocket[] = []
    const host = await start(
      appWith(() => ({
        onOpen: (_event, { raw }) => {
          if (raw === undefined) return
          raw.on('message', (data) => raw.send(`raw ${String(data)}`))
          raws.push(raw)
        },
      })),
    )
    const client = await open(host, '/ws')
    client.ws.send('x')
    expect(await client.next()).toBe('raw x')
    const ws = raws[0] as WebSocket
    expect(ws.listenerCount('message')).toBe(1)
    const stream: unknown = Reflect.get(ws, Symbol.for('nats-edge.socket'))
    expect(stream).toMatchObject({ bytesRead: expect.any(Number), remotePort: expect.any(Number) })
    expect(Object.keys(ws)).not.toContain('nats-edge.socket')
  })

  it('has given the place back when onClose is called', async () => {
    const admission = limitedAdmission()
    const held: number[] = []
    const note = (): void => void held.push(admission.connections)
    const app = new Hono().get(
      '/ws',
      upgradeWebSocket(() => ({ onOpen: note, onClose: note }), { admission }),
    )
    const host = await start(app)
    const client = await open(host, '/ws')
    client.ws.terminate()
    await vi.waitFor(() => expect(held).toStrictEqual([1, 0]))
    await host.closed()
  })

  it('survives handlers that throw or reject: they are told, the socket ends with 1011', async () => {
    const events: UpgradeEvent[] = []
    const errors: string[] = []
    const options: SocketOptions = { observe: (event) => events.push(event) }
    const app = new Hono()
    const onError: SocketEvents['onError'] = (event) => errors.push(String(Reflect.get(event, 'message')))
    app.get(
      '/open',
      upgradeWebSocket(() => ({ onOpen: () => failing('in open'), onError }), options),
    )
    app.get(
      '/message',
      upgradeWebSocket(() => ({ onMessage: rejecting, onError }), options),
    )
    app.get(
      '/error',
      upgradeWebSocket(() => ({ onMessage: () => failing('first'), onError: () => failing('second') }), options),
    )
    app.get(
      '/close',
      upgradeWebSocket(() => ({ onClose: () => failing('in close') }), options),
    )
    const host = await start(app)
    expect(await (await open(host, '/open')).code).toBe(1011)
    for (const path of ['/message', '/error']) {
      const client = await open(host, path)
      client.ws.send('x')
      expect(await client.code, path).toBe(1011)
    }
    const client = await open(host, '/close')
    client.ws.close()
    await vi.waitFor(() => expect(events).toHaveLength(5))
    expect(errors).toEqual(['in open', 'in message'])
    expect(events.map((event) => event.type === 'handler.failed' && [event.handler, String(event.error)])).toEqual([
      ['onOpen', 'Error: in open'],
      ['onMessage', 'Error: in message'],
      ['onMessage', 'Error: first'],
      ['onError', 'Error: second'],
      ['onClose', 'Error: in close'],
    ])
  })

  it('tells onError of a protocol error, and needs no onError', async () => {
    const errors: string[] = []
    const app = new Hono()
    app.get(
      '/told',
      upgradeWebSocket(() => ({ onError: (event) => errors.push(event.type) }), { maxMessageBytes: 1 }),
    )
    app.get(
      '/silent',
      upgradeWebSocket(() => ({}), { maxMessageBytes: 1 }),
    )
    const host = await start(app)
    for (const path of ['/told', '/silent']) {
      const client = await open(host, path)
      client.ws.send('xx')
      expect(await client.code).toBe(1009)
    }
    expect(errors).toEqual(['error'])
  })
})
