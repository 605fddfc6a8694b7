// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events'
import { WebSocket } from 'ws'
import { describe, expect, it } from 'vitest'
import { jsonCodec } from '../codec/json.ts'
import { jsonRpc } from '../codec/json-rpc.ts'
import { pendingDeadlines } from '../deadline.ts'
import { pickHeaders } from '../http/pick-headers.ts'
import { linear } from '../middleware/delay.ts'
import { errors } from '../middleware/errors.ts'
import { breaker } from '../middleware/breaker.ts'
import { measure } from '../middleware/measure.ts'
import { timeout } from '../middleware/timeout.ts'
import type { WsError } from '../ws-error.ts'
import { jsonRpcMatch } from './reply-match.ts'
import {
  closed,
  nextMessage,
  startChannel,
  startSocketService,
  until,
  type TestSocketService,
} from './service.test-support.ts'
import { wsBackend } from './ws-backend.ts'

/** Leaves a handshake open for ever. */
function undecided(_info: unknown, _done: unknown): void {}

function echo(ws: WebSocket): void {
  ws.on('message', (data, binary) => ws.send(data as Buffer, { binary }))
}

describe('wsBackend', () => {
  it.each([
    ['text', false],
    ['bytes', true],
  ])('passes %s both ways', async (_kind, binary) => {
    const service = await startSocketService(echo)
    const { connect } = await startChannel([wsBackend({ url: service.url })])
    const { ws } = await connect()
    ws.send(Buffer.from('grüße'), { binary })
    expect(await nextMessage(ws)).toStrictEqual({ bytes: Buffer.from('grüße'), binary })
  })

  it('connects once for each client, with its first message', async () => {
    const service = await startSocketService(echo)
    const backend = wsBackend({ url: service.url })
    const { connect } = await startChannel([backend])
    const clients = await Promise.all([connect(), connect()])
    expect(service.accepted).toHaveLength(0)
    for (const { ws, next } of clients) {
      for (const text of ['1', '2', '3']) ws.send(text)
      expect([await next(), await next(), await next()]).toStrictEqual(['1', '2', '3'])
    }
    expect(service.accepted).toHaveLength(2)
    expect(backend.stats()).toStrictEqual({ connections: 2, pending: 0, unmatched: 0 })
  })

  it('keeps the order of what came while it was connecting', async () => {
    let accept: (() => void) | undefined
    const seen: string[] = []
    const service = await startSocketService((ws) => ws.on('message', (data) => seen.push(String(data))), {
      verifyClient: (_info, done) => {
        accept = () => done(true)
      },
    })
    const { connect } = await startChannel([wsBackend({ url: service.url })], { concurrency: 100 })
    const { ws } = await connect()
    for (let message = 0; message < 50; message++) ws.send(String(message))
    await until('the service is asked', () => accept !== undefined)
    accept?.()
    for (let message = 50; message < 100; message++) ws.send(String(message))
    await until('all has come', () => seen.length === 100)
    expect(seen).toStrictEqual(Array.from({ length: 100 }, (_, message) => String(message)))
  })

  it('passes on what request makes of a message, or nothing', async () => {
    const service = await startSocketService(echo)
    const backend = wsBackend({
      url: service.url,
      request: ({ data }) => (data === 'skip' ? undefined : data === 'bytes' ? Buffer.from('b') : `<${String(data)}>`),
    })
    const { connect } = await startChannel([backend])
    const { ws } = await connect()
    for (const text of ['skip', 'a']) ws.send(text)
    expect(await nextMessage(ws)).toStrictEqual({ bytes: Buffer.from('<a>'), binary: false })
    ws.send('bytes')
    expect(await nextMessage(ws)).toStrictEqual({ bytes: Buffer.from('b'), binary: true })
  })

  it('does not answer for the service where JSON-RPC wants an answer', async () => {
    const service = await startSocketService(echo)
    const { connect } = await startChannel([wsBackend({ url: service.url })], { codec: jsonRpc() })
    const { ws, next } = await connect()
    ws.send('{"jsonrpc":"2.0","id":1,"method":"x"}')
    const { error } = JSON.parse(await next()) as { error: { message: string; data: { code: string } } }
    expect([error.data.code, error.message]).toStrictEqual(['unsupported', expect.stringContaining('jsonRpcMatch()')])
    ws.send('{"jsonrpc":"2.0","method":"x"}')
    expect(await next()).toBe('{"jsonrpc":"2.0","method":"x"}')
  })

  it('passes on what the service sends together with its handshake', async () => {
    const service = await startSocketService((ws) => ws.send('hello'))
    const { connect } = await startChannel([wsBackend({ url: service.url })])
    const { ws, next } = await connect()
    ws.send('x')
    expect(await next()).toBe('hello')
  })

  it.each([
    [1000, 'done', 1000, 'done'],
    [1001, '', 1001, ''],
    [4242, 'own code', 4242, 'own code'],
    [1011, 'oops', 1011, 'oops'],
    [undefined, '', 1011, ''],
  ])('closes the client as the service closes, %j %j', async (code, reason, expected, expectedReason) => {
    const service = await startSocketService((ws) => {
      ws.once('message', () => (code === undefined ? ws.close() : ws.close(code, reason)))
    })
    const { connect } = await startChannel([wsBackend({ url: service.url })])
    const { ws } = await connect()
    ws.send('x')
    expect(await closed(ws)).toStrictEqual({ code: expected, reason: expectedReason })
  })

  it('closes the client with 1011 when the service is cut', async () => {
    const service = await startSocketService((ws) => ws.once('message', () => ws.terminate()))
    const { connect } = await startChannel([wsBackend({ url: service.url })])
    const { ws } = await connect()
    ws.send('x')
    expect(await closed(ws)).toMatchObject({ code: 1011 })
  })

  it('passes all on that came before the service closed', async () => {
    const service = await startSocketService((ws) => {
      ws.once('message', () => {
        for (let message = 0; message < 500; message++) ws.send(String(message))
        ws.close(1000, 'done')
      })
    })
    const { connect } = await startChannel([wsBackend({ url: service.url })])
    const { ws } = await connect()
    const seen: string[] = []
    ws.on('message', (data) => seen.push(String(data)))
    ws.send('x')
    expect(await closed(ws)).toStrictEqual({ code: 1000, reason: 'done' })
    expect(seen).toHaveLength(500)
  })

  it.each(['close', 'terminate'] as const)('leaves the service when the client does: %s', async (how) => {
    const service = await startSocketService(echo)
    const backend = wsBackend({ url: service.url })
    const { connect } = await startChannel([backend])
    const { ws, next } = await connect()
    ws.send('x')
    await next()
    const [up] = service.clients
    const left = up && closed(up)
    if (how === 'close') ws.close(1000)
    else ws.terminate()
    expect(await left).toMatchObject({ code: 1001 })
    expect(backend.stats().connections).toBe(0)
  })

  it('leaves a service it was still connecting to', async () => {
    let asked = 0
    const verifyClient = (_info: unknown, _done: unknown): void => void (asked += 1)
    const service = await startSocketService(echo, { verifyClient })
    const backend = wsBackend({ url: service.url })
    const { connect } = await startChannel([backend])
    const { ws } = await connect()
    ws.send('x')
    await until('the service is asked', () => asked === 1)
    ws.terminate()
    await until('the service is left', () => backend.stats().connections === 0)
    expect(pendingDeadlines()).toBe(0)
  })

  it('forgets a connection that dies at once, and makes another (D20)', async () => {
    let count = 0
    const service = await startSocketService((ws) => {
      count += 1
      if (count === 1) ws.terminate()
      else echo(ws)
    })
    const backend = wsBackend({ url: service.url })
    const { connect } = await startChannel([backend])
    const first = await connect()
    first.ws.send('x')
    expect(await closed(first.ws)).toMatchObject({ code: 1011 })
    expect(backend.stats().connections).toBe(0)
    const second = await connect()
    second.ws.send('y')
    expect(await second.next()).toBe('y')
  })

  describe('where nobody is there', () => {
    it('closes a client whose words have no errors with 1011', async () => {
      const service = await startSocketService(echo)
      await service.stop()
      const { connect, events } = await startChannel([wsBackend({ url: service.url })])
      const { ws } = await connect()
      ws.send('x')
      expect(await closed(ws)).toStrictEqual({ code: 1011, reason: 'the service cannot be reached' })
      expect(events).toContainEqual(expect.objectContaining({ type: 'request.finished', code: 'upstream_closed' }))
    })

    it('answers each request with an error, and asks again next time', async () => {
      let accepts = false
      const service = await startSocketService(echo, { verifyClient: () => accepts })
      const seen: WsError[] = []
      const keep = errors((error) => {
        seen.push(error)
        throw error
      })
      const backend = wsBackend({ url: service.url })
      const { connect } = await startChannel([keep, backend], { codec: jsonCodec() })
      const { ws, next } = await connect()
      for (const id of [1, 2]) ws.send(`{"type":"x","id":${id}}`)
      for (const id of [1, 2])
        expect(JSON.parse(await next())).toMatchObject({ id, error: { code: 'upstream_closed' } })
      expect(seen[0]?.cause).toMatchObject({ message: 'Unexpected server response: 401' })
      expect(backend.stats().connections).toBe(0)
      accepts = true
      ws.send('{"type":"x","id":3}')
      expect(JSON.parse(await next())).toStrictEqual({ type: 'x', id: 3 })
    })

    it('waits for a connection no longer than it may', async () => {
      const service = await startSocketService(echo, { verifyClient: undecided })
      const backend = wsBackend({ url: service.url, connectTimeoutMs: 100 })
      const { connect } = await startChannel([backend])
      const { ws } = await connect()
      ws.send('x')
      expect(await closed(ws)).toMatchObject({ code: 1011 })
      expect(pendingDeadlines()).toBe(0)
    })

    it('lets a request leave that waits for the connection', async () => {
      const service = await startSocketService(echo, { verifyClient: undecided })
      const { connect } = await startChannel([timeout(60), wsBackend({ url: service.url })], { codec: jsonCodec() })
      const { ws, next } = await connect()
      ws.send('{"type":"x","id":1}')
      expect(JSON.parse(await next())).toMatchObject({ error: { code: 'timeout' } })
    })

    it('fails as dial does', async () => {
      const backend = wsBackend({
        url: 'ws://127.0.0.1:1',
        dial: () => {
          throw new Error('no route')
        },
      })
      const { connect } = await startChannel([backend])
      const { ws } = await connect()
      ws.send('x')
      expect(await closed(ws)).toMatchObject({ code: 1011 })
    })
  })

  it('forwards headers, subprotocol and address of its choice (D20)', async () => {
    const service = await startSocketService((ws, { headers, url }) => {
      ws.send(`${url} ${headers['authorization']} ${headers['x-secret']} ${headers['x-room']} ${ws.protocol}`)
    })
    const backend = wsBackend<{ picked: Record<string, string> }>({
      url: ({ params }) => `${service.url}/${params['room'] ?? 'none'}`,
      headers: ({ data, path }) => ({ ...data.picked, 'X-Room': path }),
      subprotocol: 'forward',
    })
    const { connect } = await startChannel([backend], {
      subprotocols: ['chat'],
      onConnect: (c) => ({ picked: pickHeaders(c, ['authorization']) }),
    })
    const { ws, next } = await connect({ protocols: ['chat'], headers: { authorization: 'Bearer x', 'x-secret': 'a' } })
    ws.send('x')
    expect(await next()).toBe('/up/none Bearer x undefined / chat')
  })

  it('offers the subprotocols it is told to', async () => {
    const service = await startSocketService((ws) => ws.send(ws.protocol))
    const { connect } = await startChannel([wsBackend({ url: service.url, subprotocol: ['v2', 'v1'] })])
    const { ws, next } = await connect()
    ws.send('x')
    expect(await next()).toBe('v2')
  })

  it('connects before the first message where it is asked to', async () => {
    const service = await startSocketService((ws) => ws.send('welcome'))
    const backend = wsBackend({ url: service.url })
    const { connect } = await startChannel([backend], { onOpen: (connection) => backend.connect(connection) })
    const { next } = await connect()
    expect(await next()).toBe('welcome')
    await service.stop()
    const { ws } = await connect()
    expect(await closed(ws)).toMatchObject({ code: 1011 })
  })

  it('takes no message of the service above its limit', async () => {
    const service = await startSocketService((ws) => ws.send('x'.repeat(2000)))
    const { connect } = await startChannel([wsBackend({ url: service.url, maxMessageBytes: 1000 })])
    const { ws } = await connect()
    ws.send('x')
    expect(await closed(ws)).toMatchObject({ code: 1011 })
  })

  it('closes its connections with 1001 when it is closed, and refuses what comes', async () => {
    const service = await startSocketService(echo)
    const backend = wsBackend({ url: service.url })
    const { connect } = await startChannel([backend], { codec: jsonCodec() })
    const { ws, next } = await connect()
    ws.send('{"type":"x","id":1}')
    await next()
    const [up] = service.clients
    const left = up && closed(up)
    backend.close()
    expect(await left).toMatchObject({ code: 1001 })
    ws.send('{"type":"x","id":2}')
    expect(JSON.parse(await next())).toMatchObject({ error: { code: 'draining' } })
    await expect(backend.connect(undefined as never)).rejects.toMatchObject({ code: 'draining' })
  })
})

describe('wsBackend under pressure', () => {
  it('stops reading the service while its client does not read (D20)', async () => {
    let sent = 0
    const service = await startSocketService((ws) => {
      const push = (): void => {
        if (sent >= 32_000_000 || ws.readyState !== ws.OPEN) return
        sent += 16_000
        ws.send(Buffer.alloc(16_000), push)
      }
      push()
    })
    const backend = wsBackend({ url: service.url })
    const { connect, gateway } = await startChannel([backend], { sendTimeoutMs: 60_000 })
    const { ws } = await connect()
    ws.send('start')
    ws.pause()
    let before = -1
    let still = 0
    await until('the service has to wait', () => {
      still = sent === before ? still + 1 : 0
      before = sent
      return still > 2000 && sent > 0
    })
    expect(sent).toBeLessThan(20_000_000)
    for (const { queuedBytes } of gateway.connections()) expect(queuedBytes).toBeLessThan(1_048_576)
    let received = 0
    ws.on('message', (data: Buffer) => {
      received += data.length
    })
    ws.resume()
    await until('all has come', () => received >= 32_000_000, 15_000)
    expect(received).toBe(32_000_000)
  }, 60_000)

  it('stops reading its client while the service does not read (D20)', async () => {
    const service = await startSocketService((ws) => ws.pause())
    const backend = wsBackend({ url: service.url })
    const { connect } = await startChannel([backend], { maxMessageBytes: 100_000 })
    const { ws } = await connect()
    ws.send('start')
    await until('it is connected', () => service.accepted.length === 1)
    let sent = 0
    const push = (): void => {
      if (sent >= 32_000_000 || ws.readyState !== ws.OPEN) return
      sent += 50_000
      ws.send(Buffer.alloc(50_000), push)
    }
    push()
    let before = -1
    let still = 0
    await until('the client has to wait', () => {
      still = sent === before ? still + 1 : 0
      before = sent
      return still > 2000
    })
    expect(sent).toBeLessThan(20_000_000)
    let received = 0
    const up = service.accepted[0]?.ws
    up?.on('message', (data: Buffer) => {
      received += data.length
    })
    up?.resume()
    await until('all has come', () => received >= 32_000_000, 15_000)
    expect(received).toBe(32_000_005)
  }, 60_000)
})

describe('wsBackend that reconnects', () => {
  it('connects again when the service breaks off, and keeps the client', async () => {
    const service = await startSocketService(echo)
    let losses = 0
    const delay = (): number => {
      losses += 1
      return 20
    }
    const backend = wsBackend({ url: service.url, reconnect: { attempts: 3, delay } })
    const { connect } = await startChannel([backend])
    const { ws, next } = await connect()
    ws.send('1')
    expect(await next()).toBe('1')
    for (const up of service.clients) up.terminate()
    await until('the backend has noticed', () => losses === 1)
    ws.send('2')
    expect(await next()).toBe('2')
    expect(service.accepted).toHaveLength(2)
    expect(ws.readyState).toBe(ws.OPEN)
  })

  it('does not connect again when the service has said goodbye for good', async () => {
    const service = await startSocketService((ws) => ws.once('message', () => ws.close(1000, 'enough')))
    const backend = wsBackend({ url: service.url, reconnect: { delay: linear(0) } })
    const { connect } = await startChannel([backend])
    const { ws } = await connect()
    ws.send('x')
    expect(await closed(ws)).toStrictEqual({ code: 1000, reason: 'enough' })
    expect(service.accepted).toHaveLength(1)
  })

  it('closes the client when no attempt succeeds', async () => {
    let accepts = true
    let asked = 0
    const service = await startSocketService(echo, {
      verifyClient: () => {
        asked += 1
        return accepts
      },
    })
    const backend = wsBackend({ url: service.url, reconnect: { attempts: 3, delay: linear(10) } })
    const { connect } = await startChannel([backend])
    const { ws, next } = await connect()
    ws.send('x')
    await next()
    accepts = false
    const end = closed(ws)
    for (const up of service.clients) up.terminate()
    expect(await end).toStrictEqual({ code: 1011, reason: 'the service cannot be reached' })
    expect(asked).toBe(4)
    expect(backend.stats().connections).toBe(0)
  })

  it('stops trying when the client leaves', async () => {
    const service = await startSocketService(echo)
    const backend = wsBackend({ url: service.url, reconnect: { attempts: 1000, delay: linear(10) } })
    const { connect } = await startChannel([backend])
    const { ws, next } = await connect()
    ws.send('x')
    await next()
    await service.stop()
    ws.close()
    await until('it has given up', () => backend.stats().connections === 0)
    expect(pendingDeadlines()).toBe(0)
  })
})

interface RpcMessage {
  readonly id?: string
  readonly method: string
  readonly params?: unknown
}

/** A JSON-RPC service whose answers the test decides. */
async function startRpc(
  respond: (message: RpcMessage, send: (answer: object) => void, ws: WebSocket) => void,
): Promise<TestSocketService> {
  return startSocketService((ws) => {
    ws.on('message', (data) => {
      const message = JSON.parse(String(data)) as RpcMessage
      respond(message, (answer) => ws.send(JSON.stringify({ jsonrpc: '2.0', ...answer })), ws)
    })
  })
}

function call(id: number, method: string, params?: unknown): string {
  return JSON.stringify({ jsonrpc: '2.0', id, method, params })
}

describe.each([
  ['a connection for each client', {}],
  ['shared connections', { share: 2 }],
])('wsBackend with match, over %s', (_mode, shared) => {
  it('gives each answer to its request, whatever the order and the ids', async () => {
    const held: (() => void)[] = []
    const service = await startRpc(({ id, method, params }, send) => {
      held.push(() => send({ id, result: { method, params } }))
    })
    const { connect } = await startChannel([wsBackend({ url: service.url, match: jsonRpcMatch(), ...shared })], {
      codec: jsonRpc(),
    })
    const clients = await Promise.all([connect(), connect(), connect()])
    for (const [index, { ws }] of clients.entries()) {
      ws.send(call(1, 'one', { client: index }))
      ws.send(call(2, 'two', [index]))
    }
    await until('all has come', () => held.length === 6)
    for (const answer of held.toReversed()) answer()
    for (const [index, { next }] of clients.entries()) {
      const answers = [JSON.parse(await next()), JSON.parse(await next())] as { id: number; result: unknown }[]
      expect(answers.toSorted((a, b) => a.id - b.id)).toMatchObject([
        { id: 1, result: { method: 'one', params: { client: index } } },
        { id: 2, result: { method: 'two', params: [index] } },
      ])
    }
  })

  it('lets timeout, measure and breaker see the answer, and tells the service that nobody waits (D20)', async () => {
    const cancelled: unknown[] = []
    const service = await startRpc(({ method, params }) => {
      if (method === '$/cancelRequest') cancelled.push(params)
    })
    const circuit = breaker({ minCalls: 1 })
    const measured: { code: string; ms: number }[] = []
    const watch = measure((_request, result) => void measured.push(result))
    const backend = wsBackend({ url: service.url, match: jsonRpcMatch(), ...shared })
    // Connected before the first request: what is not sent in time is not taken back either.
    const { connect } = await startChannel([circuit, watch, timeout(100), backend], {
      codec: jsonRpc(),
      onOpen: (connection) => backend.connect(connection),
    })
    const { ws, next } = await connect()
    ws.send(call(1, 'slow'))
    expect(JSON.parse(await next())).toMatchObject({ id: 1, error: { data: { code: 'timeout' } } })
    ws.send(call(2, 'slow'))
    expect(JSON.parse(await next())).toMatchObject({ id: 2, error: { data: { code: 'circuit_open' } } })
    await until('the service is told', () => cancelled.length === 1)
    expect(backend.stats().pending).toBe(0)
    expect(measured.map(({ code }) => code)).toStrictEqual(['timeout'])
    expect(measured[0]?.ms).toBeGreaterThan(50)
  })

  it('has a deadline of its own', async () => {
    const service = await startRpc(() => {})
    const backend = wsBackend({ url: service.url, match: jsonRpcMatch(), timeoutMs: 80, ...shared })
    const { connect } = await startChannel([backend], { codec: jsonRpc() })
    const { ws, next } = await connect()
    ws.send(call(1, 'slow'))
    expect(JSON.parse(await next())).toMatchObject({ error: { data: { code: 'timeout' } } })
  })

  it('passes errors of the service and their data on', async () => {
    const service = await startRpc(({ id, params }, send) => {
      send({ id, error: params === undefined ? 'odd' : { code: -32000, message: 'no stock', data: { left: 0 } } })
    })
    const backend = wsBackend({ url: service.url, match: jsonRpcMatch(), ...shared })
    const { connect } = await startChannel([backend], { codec: jsonRpc() })
    const { ws, next } = await connect()
    ws.send(call(1, 'buy', {}))
    expect(JSON.parse(await next())).toMatchObject({
      error: { message: 'no stock', data: { code: 'bad_reply', details: { code: -32_000, data: { left: 0 } } } },
    })
    ws.send(call(2, 'buy'))
    expect(JSON.parse(await next())).toMatchObject({ error: { message: 'the service answered with an error' } })
  })

  it('waits for no answer to a notification', async () => {
    const seen: RpcMessage[] = []
    const service = await startRpc((message) => seen.push(message))
    const backend = wsBackend({ url: service.url, match: jsonRpcMatch(), ...shared })
    const { connect } = await startChannel([backend], { codec: jsonRpc() })
    const { ws } = await connect()
    for (const method of ['first', 'second']) ws.send(`{"jsonrpc":"2.0","method":"${method}","params":[1]}`)
    await until('both have come', () => seen.length === 2)
    expect(seen).toStrictEqual([
      { jsonrpc: '2.0', method: 'first', params: [1] },
      { jsonrpc: '2.0', method: 'second', params: [1] },
    ])
    expect(backend.stats().pending).toBe(0)
  })

  it('passes items of a stream on before the result', async () => {
    const service = await startRpc(({ id }, send) => {
      for (const value of [1, 2]) send({ method: '$/stream', params: { id, value } })
      send({ id, result: 'end' })
    })
    const backend = wsBackend({ url: service.url, match: jsonRpcMatch(), ...shared })
    const { connect } = await startChannel([backend], { codec: jsonRpc() })
    const { ws, next } = await connect()
    ws.send(call(7, 'list'))
    expect([JSON.parse(await next()), JSON.parse(await next()), JSON.parse(await next())]).toMatchObject([
      { method: '$/stream', params: { id: 7, value: 1 } },
      { method: '$/stream', params: { id: 7, value: 2 } },
      { id: 7, result: 'end' },
    ])
  })

  it('fails what waits when the service breaks off', async () => {
    const service = await startRpc(({ id, method }, send, ws) => {
      if (method === 'die') ws.terminate()
      else send({ id, result: 'alive' })
    })
    const backend = wsBackend({ url: service.url, match: jsonRpcMatch(), reconnect: { delay: linear(10) }, ...shared })
    const { connect } = await startChannel([backend], { codec: jsonRpc() })
    const { ws, next } = await connect()
    ws.send(call(1, 'die'))
    expect(JSON.parse(await next())).toMatchObject({ id: 1, error: { data: { code: 'upstream_closed' } } })
    ws.send(call(2, 'live'))
    expect(JSON.parse(await next())).toMatchObject({ id: 2, result: 'alive' })
  })

  it('fails with nobody there, and does not keep the request', async () => {
    const service = await startRpc(() => {})
    await service.stop()
    const backend = wsBackend({ url: service.url, match: jsonRpcMatch(), ...shared })
    const { connect } = await startChannel([backend], { codec: jsonRpc() })
    const { ws, next } = await connect()
    for (const id of [1, 2]) {
      ws.send(call(id, 'x'))
      expect(JSON.parse(await next())).toMatchObject({ id, error: { data: { code: 'upstream_closed' } } })
    }
    expect(backend.stats()).toStrictEqual({ connections: 0, pending: 0, unmatched: 0 })
    expect(pendingDeadlines()).toBe(0)
  })

  it('counts answers nobody waits for, and is not confused by nonsense', async () => {
    const service = await startSocketService((ws) => {
      ws.on('message', (data) => {
        const { id } = JSON.parse(String(data)) as RpcMessage
        ws.send(JSON.stringify({ jsonrpc: '2.0', id: '999', result: 1 }))
        ws.send(JSON.stringify({ jsonrpc: '2.0', id, result: 1 }))
        ws.send(JSON.stringify({ jsonrpc: '2.0', id, result: 2 }))
      })
    })
    const backend = wsBackend({ url: service.url, match: jsonRpcMatch(), ...shared })
    const { connect } = await startChannel([backend], { codec: jsonRpc() })
    const { ws, next } = await connect()
    ws.send(call(1, 'x'))
    expect(JSON.parse(await next())).toMatchObject({ result: 1 })
    await until('both are counted', () => backend.stats().unmatched === 2)
  })
})

describe('wsBackend with match', () => {
  it('passes what answers nothing on to its client', async () => {
    const service = await startSocketService((ws) => {
      for (const text of ['nonsense', '[1]', '"x"', '{"method":"tick","params":[1]}']) ws.send(text)
      ws.send(Buffer.from('{"id":"1","result":1}'), { binary: true })
    })
    const { connect } = await startChannel([wsBackend({ url: service.url, match: jsonRpcMatch() })], {
      codec: jsonRpc(),
    })
    const { ws } = await connect()
    const seen: string[] = []
    ws.on('message', (data, binary) => seen.push(`${binary} ${String(data)}`))
    ws.send('{"jsonrpc":"2.0","method":"x"}')
    await until('all has come', () => seen.length === 5)
    expect(seen).toStrictEqual([
      'false nonsense',
      'false [1]',
      'false "x"',
      'false {"method":"tick","params":[1]}',
      'true {"id":"1","result":1}',
    ])
  })
})

describe('wsBackend with shared connections', () => {
  it('makes so many, and spreads requests over them', async () => {
    const held: (() => void)[] = []
    const service = await startRpc(({ id }, send) => held.push(() => send({ id, result: 'x' })))
    const backend = wsBackend({ url: service.url, match: jsonRpcMatch(), share: 3 })
    const { connect } = await startChannel([backend], { codec: jsonRpc() })
    const clients = await Promise.all(Array.from({ length: 6 }, () => connect()))
    for (const { ws } of clients) for (const id of [1, 2]) ws.send(call(id, 'x'))
    await until('all has come', () => held.length === 12)
    expect(service.accepted).toHaveLength(3)
    expect(backend.stats()).toMatchObject({ connections: 3, pending: 12 })
    for (const answer of held) answer()
    for (const { next } of clients) expect([await next(), await next()]).toHaveLength(2)
    // A client that leaves takes no connection with it.
    clients[0]?.ws.terminate()
    await backend.connect(undefined as never)
    clients[1]?.ws.send(call(3, 'x'))
    await until('another has come', () => held.length === 13)
    held[12]?.()
    expect(JSON.parse((await clients[1]?.next()) ?? '')).toMatchObject({ id: 3 })
    expect(service.accepted).toHaveLength(3)
  })

  it('lets no more requests wait than maxPending', async () => {
    const service = await startRpc(() => {})
    const backend = wsBackend({ url: service.url, match: jsonRpcMatch(), share: 1, maxPending: 3 })
    const { connect } = await startChannel([backend], { codec: jsonRpc() })
    const { ws, next } = await connect()
    for (const id of [1, 2, 3, 4]) ws.send(call(id, 'x'))
    expect(JSON.parse(await next())).toMatchObject({ id: 4, error: { data: { code: 'overloaded' } } })
    const fails = [1, 2, 3].map(() => next())
    backend.close()
    for (const fail of await Promise.all(fails)) {
      expect(JSON.parse(fail)).toMatchObject({ error: { data: { code: 'upstream_closed' } } })
    }
  })

  it('refuses requests while the service does not read', async () => {
    const service = await startSocketService((ws) => ws.pause())
    const backend = wsBackend({ url: service.url, match: jsonRpcMatch(), share: 1, maxBufferedBytes: 1000 })
    const { connect } = await startChannel([backend], {
      codec: jsonRpc(),
      concurrency: 1000,
      maxMessageBytes: 2_000_000,
    })
    const { ws } = await connect()
    const refused = new Promise<void>((resolve) => {
      ws.on('message', (data) => {
        if (String(data).includes('overloaded')) resolve()
      })
    })
    for (let id = 0; id < 40; id++) ws.send(call(id, 'x', ['x'.repeat(1_000_000)]))
    await refused
  }, 60_000)

  it('gives what is pushed to onPush, else counts it', async () => {
    const pushed: string[] = []
    const service = await startRpc(({ id }, send, ws) => {
      ws.send('{"method":"tick"}')
      send({ id, result: 1 })
    })
    const options = { url: service.url, match: jsonRpcMatch(), share: 1 }
    const [told, untold] = [
      wsBackend({ ...options, onPush: ({ bytes }) => pushed.push(String(bytes)) }),
      wsBackend(options),
    ]
    for (const backend of [told, untold]) {
      const { connect } = await startChannel([backend], { codec: jsonRpc() })
      const { ws, next } = await connect()
      ws.send(call(1, 'x'))
      expect(JSON.parse(await next())).toMatchObject({ result: 1 })
    }
    expect(pushed).toStrictEqual(['{"method":"tick"}'])
    expect([told.stats().unmatched, untold.stats().unmatched]).toStrictEqual([0, 1])
  })
})

describe('wsBackend options', () => {
  const url = 'ws://127.0.0.1:1'
  const match = jsonRpcMatch()

  it.each([
    [{ url: 'http://a' }, 'wsBackend.url: "http://a" is not a ws:// or wss:// address'],
    [{ url: 'nonsense' }, 'wsBackend.url: "nonsense"'],
    [{ url, share: 1 }, 'wsBackend.share: needs `match`'],
    [{ url, share: 0, match }, 'wsBackend.share: 0'],
    [{ url: () => url, share: 1, match }, 'wsBackend.share: a shared connection has no client'],
    [{ url, share: 1, match, headers: () => ({}) }, 'wsBackend.share: a shared connection has no client'],
    [{ url, share: 1, match, subprotocol: 'forward' as const }, 'wsBackend.share: a shared connection has no client'],
    [{ url, onPush: () => {} }, 'wsBackend.onPush: is for shared connections'],
    [{ url, match, request: () => 'x' }, 'wsBackend.request: `match` writes the messages'],
    [{ url, match: {} as never }, 'wsBackend.match: has no write()'],
    [{ url, subprotocol: 'chat' as never }, 'wsBackend.subprotocol: "chat"'],
    [{ url, headers: {} as never }, 'wsBackend.headers: {} is not a function'],
    [{ url, dial: 1 as never }, 'wsBackend.dial: 1'],
    [{ url, maxMessageBytes: 0 }, 'wsBackend.maxMessageBytes: 0'],
    [{ url, connectTimeoutMs: 0 }, 'wsBackend.connectTimeoutMs: 0'],
    [{ url, timeoutMs: 0 }, 'wsBackend.timeoutMs: 0'],
    [{ url, maxBufferedBytes: 0 }, 'wsBackend.maxBufferedBytes: 0'],
    [{ url, maxPending: 0 }, 'wsBackend.maxPending: 0'],
    [{ url, reconnect: { attempts: 0 } }, 'wsBackend.reconnect.attempts: 0'],
    [{ url, reconnect: { tries: 1 } as never }, 'there is no option "tries"'],
    [{ url, retry: 1 } as never, 'there is no option "retry"'],
  ])('refuses %j', (options, message) => {
    expect(() => wsBackend(options)).toThrow(message)
  })

  it('makes its socket by dial', async () => {
    const service = await startSocketService(echo)
    const dialled: unknown[] = []
    const backend = wsBackend({
      url: service.url,
      dial: (target, subprotocols, options) => {
        dialled.push(target, subprotocols, options)
        return new WebSocket(target, subprotocols, options)
      },
    })
    const { connect } = await startChannel([backend])
    const { ws } = await connect()
    ws.send('x')
    await once(ws, 'message')
    expect(dialled).toStrictEqual([
      service.url,
      [],
      { maxPayload: 1_048_576, perMessageDeflate: false, followRedirects: false },
    ])
  })
})
