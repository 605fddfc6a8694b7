// SPDX-License-Identifier: Apache-2.0
import type { ServerResponse } from 'node:http'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { JsonText } from '../codec/json-text.ts'
import { jsonRpc } from '../codec/json-rpc.ts'
import { pendingDeadlines, schedule } from '../deadline.ts'
import { codeOf, failureOf, itemsOf, requestOf } from '../middleware/request.test-support.ts'
import { timeout } from '../middleware/timeout.ts'
import { tracing } from '../middleware/tracing.ts'
import type { Tracer } from '../middleware/tracer.ts'
import { WsError } from '../ws-error.ts'
import { httpBackend } from './http-backend.ts'
import { httpPool } from './http-pool.ts'
import {
  answer,
  bodyOf,
  nextMessage,
  startChannel,
  startService,
  until,
  type TestService,
} from './service.test-support.ts'

const get = (): { path: string } => ({ path: '/' })

describe('httpBackend', () => {
  it('sends what request says, and answers with the body', async () => {
    const service = await startService(async (incoming, outgoing) => {
      const { method, url, headers } = incoming
      const body = await bodyOf(incoming)
      answer(outgoing, `${method} ${url} ${headers['x-user']} ${headers['content-type']} ${String(body)}`)
    })
    const backend = httpBackend({
      origin: service.origin,
      request: ({ key, bytes }) => ({
        method: 'PUT',
        path: `/things/${encodeURIComponent(key)}?full`,
        headers: { 'X-User': 'jo', 'Content-Type': 'text/plain' },
        body: bytes,
      }),
    })
    expect(await backend(requestOf({ key: 'a/b', bytes: Buffer.from('payload') }))).toBe(
      'PUT /things/a%2Fb?full jo text/plain payload',
    )
    expect(backend.stats()).toStrictEqual({ pending: 0 })
    expect(pendingDeadlines()).toBe(0)
    backend.close()
  })

  it('is a POST with a body, and a GET without', async () => {
    const service = await startService((incoming, outgoing) => answer(outgoing, incoming.method ?? ''))
    const backend = httpBackend({
      origin: service.origin,
      request: async ({ data }) => (data === undefined ? { path: '/' } : { path: '/', body: String(data) }),
    })
    expect(await backend(requestOf())).toBe('GET')
    expect(await backend(requestOf({ data: 'x' }))).toBe('POST')
    backend.close()
  })

  it.each([
    ['text/plain', 'text', false],
    ['text/html; charset=utf-8', 'text', false],
    ['application/json', '{"a":1}', false],
    ['application/problem+json', '{}', false],
    ['application/xml', '<a/>', false],
    ['image/svg+xml', '<svg/>', true],
    ['application/octet-stream', 'text', true],
    ['', 'text', true],
    ['text/plain', Buffer.from([0xff, 0xfe]), true],
  ])('answers %j %j as binary: %j', async (type, body, binary) => {
    const service = await startService((_incoming, outgoing) => {
      if (type !== '') outgoing.setHeader('Content-Type', type)
      outgoing.end(body)
    })
    const { connect } = await startChannel([httpBackend({ origin: service.origin, request: get })])
    const { ws } = await connect()
    ws.send('ask')
    expect(await nextMessage(ws)).toStrictEqual({ bytes: Buffer.from(body), binary })
  })

  it.each([
    ['auto', 'application/json'],
    ['auto', 'application/vnd.api+json; charset=utf-8'],
    ['json', 'text/plain'],
  ] as const)('puts JSON into the answers of a JSON codec as it is, as %s from %s', async (as, type) => {
    const service = await startService((_incoming, outgoing) => answer(outgoing, '{"n": 1.0}', type))
    const { connect } = await startChannel([httpBackend({ origin: service.origin, request: get, as })], {
      codec: jsonRpc(),
    })
    const { ws, next } = await connect()
    ws.send('{"jsonrpc":"2.0","id":1,"method":"x"}')
    expect(await next()).toBe('{"jsonrpc":"2.0","id":1,"result":{"n": 1.0}}')
  })

  it.each([
    ['text/plain', 'some text', { result: 'some text' }],
    ['application/octet-stream', 'bytes', { error: { data: { code: 'bad_reply' } } }],
    ['text/plain', Buffer.from([0xff]), { error: { data: { code: 'bad_reply' } } }],
    ['application/json', '{"a":', { error: { data: { code: 'bad_reply' } } }],
  ])('answers %s %j over a JSON codec', async (type, body, expected) => {
    const service = await startService((_incoming, outgoing) => answer(outgoing, body, type))
    const { connect } = await startChannel([httpBackend({ origin: service.origin, request: get })], {
      codec: jsonRpc(),
    })
    const { ws, next } = await connect()
    ws.send('{"jsonrpc":"2.0","id":1,"method":"x"}')
    expect(JSON.parse(await next())).toMatchObject(expected)
  })

  it('puts lines of JSON into the answers of a JSON codec, and data of events as texts', async () => {
    const service = await startService((incoming, outgoing) =>
      incoming.url === '/lines'
        ? answer(outgoing, '{"a":1}\n', 'application/x-ndjson')
        : answer(outgoing, 'data: {"a":1}\n\n', 'text/event-stream'),
    )
    const backend = httpBackend({ origin: service.origin, request: ({ key }) => ({ path: `/${key}` }) })
    const { connect } = await startChannel([backend], { codec: jsonRpc() })
    const { ws, next } = await connect()
    for (const [id, method, value] of [
      [1, 'lines', { a: 1 }],
      [2, 'events', '{"a":1}'],
    ]) {
      ws.send(JSON.stringify({ jsonrpc: '2.0', id, method }))
      expect(JSON.parse(await next())).toMatchObject({ method: '$/stream', params: { id, value } })
      expect(JSON.parse(await next())).toMatchObject({ id, result: null })
    }
  })

  it.each([
    ['text', Buffer.from([0xff])],
    ['json', Buffer.from('{"a":')],
    ['json', Buffer.alloc(0)],
  ] as const)('takes for no answer what is not %s', async (as, body) => {
    const service = await startService((_incoming, outgoing) => answer(outgoing, body))
    const backend = httpBackend({ origin: service.origin, request: get, as })
    expect(await codeOf(() => backend(requestOf()))).toBe('bad_reply')
    backend.close()
  })

  it.each([
    ['binary', Buffer.from('{}')],
    ['text', '{}'],
    ['json', new JsonText('{}')],
    ['auto', '{}'],
  ] as const)('answers as %s', async (as, value) => {
    const service = await startService((_incoming, outgoing) => answer(outgoing, '{}', 'application/json'))
    const backend = httpBackend({ origin: service.origin, request: get, as })
    expect(await backend(requestOf())).toStrictEqual(value)
    backend.close()
  })

  it('answers nothing to 204', async () => {
    const service = await startService((_incoming, outgoing) => outgoing.writeHead(204).end())
    const backend = httpBackend({ origin: service.origin, request: get, as: 'json' })
    expect(await backend(requestOf())).toBeUndefined()
    backend.close()
  })

  it.each([500, 503, 404, 301, 304])(
    'takes status %i for no answer, and keeps the connection (D19)',
    async (status) => {
      const service = await startService((_incoming, outgoing) => {
        outgoing.setHeader('Location', 'http://127.0.0.1:1/')
        answer(outgoing, 'boom', 'text/plain', status)
      })
      const backend = httpBackend({ origin: service.origin, request: get })
      for (let call = 0; call < 3; call++) {
        const failure = await failureOf(() => backend(requestOf()))
        expect(failure).toMatchObject({ code: 'bad_reply', details: { status } })
        expect(failure.message).not.toContain('boom')
        await until('the connection is free', () => backend.stats().pending === 0)
      }
      expect(service.connections()).toBe(1)
      backend.close()
    },
  )

  it.each([
    ['7', 7000],
    [new Date(Date.now() + 3_600_000).toUTCString(), 3_000_000],
    ['soon', undefined],
  ])('passes Retry-After %j on', async (header, least) => {
    const service = await startService((_incoming, outgoing) => {
      outgoing.setHeader('Retry-After', header)
      answer(outgoing, '', 'text/plain', 503)
    })
    const backend = httpBackend({ origin: service.origin, request: get })
    const { retryAfterMs } = await failureOf(() => backend(requestOf()))
    if (least === undefined) expect(retryAfterMs).toBeUndefined()
    else expect(retryAfterMs).toBeGreaterThanOrEqual(least)
    backend.close()
  })

  it('takes the statuses it is told to for answers, and maps whole responses', async () => {
    const service = await startService((_incoming, outgoing) => {
      outgoing.setHeader('X-Total', '12')
      answer(outgoing, '["a"]', 'application/json', 404)
    })
    const backend = httpBackend({
      origin: service.origin,
      request: get,
      accept: (status) => status === 404,
      map: async ({ status, headers, body }, { key }) => [status, headers['x-total'], String(body), key],
    })
    expect(await backend(requestOf({ key: 'k' }))).toStrictEqual([404, '12', '["a"]', 'k'])
    backend.close()
  })

  it.each([
    [
      'throws',
      () => {
        throw new WsError('not_found')
      },
    ],
    ['rejects', () => Promise.reject(new WsError('not_found'))],
  ])('fails as map %s', async (_how, map) => {
    const service = await startService((_incoming, outgoing) => answer(outgoing, ''))
    const backend = httpBackend({ origin: service.origin, request: get, map })
    expect(await codeOf(() => backend(requestOf()))).toBe('not_found')
    backend.close()
  })

  it('waits for the answer behind 1xx', async () => {
    const service = await startService((_incoming, outgoing) => {
      outgoing.writeProcessing()
      outgoing.writeEarlyHints({ link: '</style.css>; rel=preload' })
      answer(outgoing, 'then')
    })
    const backend = httpBackend({ origin: service.origin, request: get })
    expect(await backend(requestOf())).toBe('then')
    backend.close()
  })

  it('uses no more connections than it may (D19)', async () => {
    const service = await startService((_incoming, outgoing) => answer(outgoing, 'x'))
    const backend = httpBackend({ origin: service.origin, request: get })
    const workers = Array.from({ length: 100 }, async () => {
      for (let call = 0; call < 10; call++) expect(await backend(requestOf())).toBe('x')
    })
    await Promise.all(workers)
    expect(service.connections()).toBeLessThanOrEqual(50)
    expect(backend.stats().pending).toBe(0)
    backend.close()
    await until('its connections are closed', () => service.open() === 0)
  }, 60_000)

  it('never asks by the fetch() of the process, for a body nor for a stream (D34)', async () => {
    const fetching = vi.spyOn(globalThis, 'fetch').mockRejectedValue(new Error('fetch() was called'))
    const service = await startService((incoming, outgoing) =>
      answer(outgoing, 'x\n', incoming.url === '/' ? 'text/plain' : 'application/x-ndjson'),
    )
    const dispatcher = httpPool({ origin: service.origin })
    for (const path of ['/', '/stream']) {
      const reply = await httpBackend({ dispatcher, request: () => ({ path }), as: 'text' })(requestOf())
      expect(path === '/' ? reply : await itemsOf(reply)).toStrictEqual(path === '/' ? 'x\n' : ['x'])
    }
    expect(fetching).not.toHaveBeenCalled()
    fetching.mockRestore()
    dispatcher.close()
  })

  it('lets no more requests wait than maxPending', async () => {
    const held: (() => void)[] = []
    const service = await startService((_incoming, outgoing) => held.push(() => answer(outgoing, 'x')))
    const backend = httpBackend({ origin: service.origin, request: get, connections: 1, maxPending: 3 })
    const replies = [1, 2, 3].map(() => backend(requestOf()))
    expect(await codeOf(() => backend(requestOf()))).toBe('overloaded')
    for (let call = 0; call < 3; call++) {
      await until('a request has come', () => held.length > 0)
      held.shift()?.()
    }
    expect(await Promise.all(replies)).toStrictEqual(['x', 'x', 'x'])
    backend.close()
  })

  it.each([
    ['with a length', (size: number) => ({ 'Content-Length': String(size) })],
    ['in chunks', () => ({})],
  ])('takes no body above its limit, %s (D19)', async (_how, headers) => {
    let sent = 0
    const service = await startService((_incoming, outgoing) => {
      outgoing.writeHead(200, headers(50_000_000))
      const write = (): void => {
        while (sent < 50_000_000 && !outgoing.destroyed) {
          sent += 10_000
          if (!outgoing.write(Buffer.alloc(10_000))) {
            outgoing.once('drain', write)
            return
          }
        }
      }
      write()
    })
    const backend = httpBackend({ origin: service.origin, request: get, maxResponseBytes: 100_000 })
    expect(await failureOf(() => backend(requestOf()))).toMatchObject({ code: 'bad_reply' })
    await until('the connection is cut', () => service.open() === 0)
    expect(sent).toBeLessThan(50_000_000)
    expect(backend.stats().pending).toBe(0)
    backend.close()
  })

  it('takes a body of exactly its limit', async () => {
    const service = await startService((_incoming, outgoing) => answer(outgoing, Buffer.alloc(1000), 'x/y'))
    const backend = httpBackend({ origin: service.origin, request: get, maxResponseBytes: 1000 })
    expect(await backend(requestOf())).toHaveLength(1000)
    backend.close()
  })

  it('takes no encoding it has not asked for', async () => {
    const service = await startService((_incoming, outgoing) => {
      outgoing.setHeader('Content-Encoding', 'gzip')
      answer(outgoing, 'x')
    })
    const backend = httpBackend({ origin: service.origin, request: get })
    expect((await failureOf(() => backend(requestOf()))).message).toContain('gzip')
    backend.close()
  })

  it.each([
    ['headers', () => {}],
    ['body', (outgoing: ServerResponse) => void outgoing.writeHead(200, { 'Content-Length': '10' }).write('x')],
  ])('waits for the %s no longer than it may', async (_part, respond) => {
    const service = await startService((_incoming, outgoing) => respond(outgoing))
    const backend = httpBackend({ origin: service.origin, request: get, timeoutMs: 100 })
    expect(await codeOf(() => backend(requestOf()))).toBe('timeout')
    await until('the connection is cut', () => service.open() === 0)
    expect(backend.stats().pending).toBe(0)
    backend.close()
  })

  it('counts the wait for a connection', async () => {
    const service = await startService(() => {})
    const backend = httpBackend({ origin: service.origin, request: get, timeoutMs: 100, connections: 1 })
    const codes = [1, 2, 3].map(() => codeOf(() => backend(requestOf())))
    expect(await Promise.all(codes)).toStrictEqual(['timeout', 'timeout', 'timeout'])
    expect(backend.stats().pending).toBe(0)
    backend.close()
  })

  it('leaves the service when the request ends, whether it was sent or not', async () => {
    let asked = 0
    const service = await startService(() => {
      asked += 1
    })
    const backend = httpBackend({ origin: service.origin, request: get, connections: 1 })
    const requests = [requestOf(), requestOf()]
    const codes = requests.map((request) => codeOf(() => backend(request)))
    await until('the first has come', () => asked === 1)
    requests[1]?.abort(new WsError('cancelled'))
    requests[0]?.abort(new WsError('closed'))
    expect(await Promise.all(codes)).toStrictEqual(['closed', 'cancelled'])
    await until('the connection is cut', () => service.open() === 0)
    expect([asked, backend.stats().pending, pendingDeadlines()]).toStrictEqual([1, 0, 0])
    const gone = requestOf()
    gone.abort(new WsError('closed'))
    expect(await codeOf(() => backend(gone))).toBe('closed')
    expect(service.connections()).toBe(1)
    backend.close()
  })

  it('leaves the service with the client', async () => {
    const service = await startService(() => {})
    const { connect } = await startChannel([timeout(20_000), httpBackend({ origin: service.origin, request: get })])
    const { ws } = await connect()
    ws.send('ask')
    await until('the service is asked', () => service.open() === 1)
    ws.terminate()
    await until('the service is left', () => service.open() === 0)
  })

  it('says when nobody is there', async () => {
    // Nobody is given this port, as any other may be that has just become free.
    const backend = httpBackend({ origin: 'http://127.0.0.1:1', request: get })
    const failure = await failureOf(() => backend(requestOf()))
    expect(failure).toMatchObject({ code: 'bad_reply', message: 'the service cannot be reached' })
    expect(failure.cause).toMatchObject({ code: 'ECONNREFUSED' })
    backend.close()
  })

  it('says when an answer breaks off', async () => {
    const service = await startService((incoming, outgoing) => {
      outgoing.writeHead(200, { 'Content-Length': '100' }).write('half')
      setImmediate(() => incoming.socket.destroy())
    })
    const backend = httpBackend({ origin: service.origin, request: get })
    expect(await failureOf(() => backend(requestOf()))).toMatchObject({
      code: 'bad_reply',
      message: 'the service broke off its answer',
    })
    backend.close()
  })

  it.each([
    ['/a b', 'bad_request'],
    ['/a\r\nX: y', 'bad_request'],
    ['/a\u0000', 'bad_request'],
    ['/a#b', 'bad_request'],
    ['/ü', 'bad_request'],
    ['/users/../admin', 'bad_request'],
    ['/users/..', 'bad_request'],
    ['/./x', 'bad_request'],
    ['/users/%2e%2E/admin', 'bad_request'],
    ['/users/.%2e?x', 'bad_request'],
    ['users', 'TypeError'],
    ['http://evil.example.com/', 'TypeError'],
  ])('does not send the path %j', async (path, expected) => {
    const service = await startService((_incoming, outgoing) => answer(outgoing, 'asked'))
    const backend = httpBackend({ origin: service.origin, request: () => ({ path }) })
    expect(await codeOf(() => backend(requestOf()))).toContain(expected)
    expect(service.connections()).toBe(0)
    backend.close()
  })

  it.each(['/..a', '/a..', '/a/...', '/?../x', '/%2e%2ea', '//double'])('sends the path %j', async (path) => {
    const service = await startService((incoming, outgoing) => answer(outgoing, incoming.url ?? ''))
    const backend = httpBackend({ origin: service.origin, request: () => ({ path }) })
    expect(await backend(requestOf())).toBe(path)
    backend.close()
  })

  it.each([
    [{ 'X-A': 'a\r\nX-B: b' }, 'bad_request'],
    [{ 'X-A': 'a\u0000' }, 'bad_request'],
    [{ 'X-A': 'ü' }, 'bad_request'],
    [{ 'X A': 'a' }, 'TypeError'],
    [{ Host: 'evil' }, 'TypeError'],
    [{ 'content-length': '5' }, 'TypeError'],
    [{ 'Transfer-Encoding': 'chunked' }, 'TypeError'],
  ])('does not send the headers %j', async (headers, expected) => {
    const service = await startService((_incoming, outgoing) => answer(outgoing, 'asked'))
    const backend = httpBackend({ origin: service.origin, request: () => ({ path: '/', headers: { ...headers } }) })
    expect(await codeOf(() => backend(requestOf()))).toContain(expected)
    expect(service.connections()).toBe(0)
    backend.close()
  })

  it('passes the traceparent of its span on (D26)', async () => {
    const service = await startService((incoming, outgoing) =>
      answer(outgoing, String(incoming.headers['traceparent'])),
    )
    const span = {
      spanContext: () => ({ traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), traceFlags: 1 }),
      setAttribute: () => {},
      setStatus: () => {},
      recordException: () => {},
      end: () => {},
    }
    const tracer: Tracer = { startSpan: () => span }
    const { connect } = await startChannel([tracing({ tracer }), httpBackend({ origin: service.origin, request: get })])
    const { ws, next } = await connect()
    ws.send('ask')
    expect(await next()).toBe(`00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`)
  })

  it('fails what is under way when it is closed, and refuses what comes', async () => {
    const service = await startService(() => {})
    const backend = httpBackend({ origin: service.origin, request: get })
    const code = codeOf(() => backend(requestOf()))
    await until('the service is asked', () => service.open() === 1)
    backend.close()
    expect(await code).toBe('draining')
    expect(await codeOf(() => backend(requestOf()))).toBe('draining')
    await until('the service is left', () => service.open() === 0)
  })

  it('leaves a dispatcher that was given to it open', async () => {
    const service = await startService((_incoming, outgoing) => answer(outgoing, 'x'))
    const dispatcher = httpPool({ origin: service.origin })
    const [one, other] = [httpBackend({ dispatcher, request: get }), httpBackend({ dispatcher, request: get })]
    expect(await one(requestOf())).toBe('x')
    one.close()
    expect(await other(requestOf())).toBe('x')
    expect(service.connections()).toBe(1)
    dispatcher.close()
  })

  it('hands a dispatcher the origin, for one that has none', async () => {
    const origins: unknown[] = []
    const dispatcher = {
      dispatch: ({ origin }: { origin?: string }): never => {
        origins.push(origin)
        throw new Error('no')
      },
    }
    const backend = httpBackend({ dispatcher, origin: 'http://127.0.0.1:1', request: get })
    expect(await codeOf(() => backend(requestOf()))).toBe('internal')
    expect(origins).toStrictEqual(['http://127.0.0.1:1'])
    expect([backend.stats().pending, pendingDeadlines()]).toStrictEqual([0, 0])
  })

  it.each([
    [{ request: get }, 'httpBackend: give an origin, or a dispatcher'],
    [{ request: undefined as never, origin: 'http://a' }, 'httpBackend.request: is missing'],
    [{ request: get, origin: 'http://a/path' }, 'httpBackend.origin: "http://a/path" is not an origin'],
    [{ request: get, origin: 'ftp://a' }, 'httpBackend.origin: "ftp://a"'],
    [{ request: get, origin: 'a' }, 'httpBackend.origin: "a"'],
    [{ request: get, dispatcher: {} as never }, 'httpBackend.dispatcher: has no dispatch()'],
    [{ request: get, origin: 'http://a', timeoutMs: 0 }, 'httpBackend.timeoutMs: 0'],
    [{ request: get, origin: 'http://a', streamIdleMs: 0 }, 'httpBackend.streamIdleMs: 0'],
    [{ request: get, origin: 'http://a', maxResponseBytes: 0 }, 'httpBackend.maxResponseBytes: 0'],
    [{ request: get, origin: 'http://a', maxPending: 0 }, 'httpBackend.maxPending: 0'],
    [{ request: get, origin: 'http://a', connections: 0 }, 'httpPool.connections: 0'],
    [{ request: get, origin: 'http://a', as: 'xml' as never }, 'httpBackend.as: "xml" is not one of auto'],
    [{ request: get, origin: 'http://a', accept: 1 as never }, 'httpBackend.accept: 1'],
    [{ request: get, origin: 'http://a', map: 1 as never }, 'httpBackend.map: 1'],
    [{ request: get, origin: 'http://a', retries: 1 } as never, 'there is no option "retries"'],
  ])('refuses %j', (options, message) => {
    expect(() => httpBackend(options)).toThrow(message)
  })
})

describe('httpBackend with streams', () => {
  const ask = (service: TestService, options: object = {}): ReturnType<typeof httpBackend> =>
    httpBackend({ origin: service.origin, request: get, ...options })

  it('answers with each line of NDJSON', async () => {
    const service = await startService((_incoming, outgoing) =>
      answer(outgoing, '{"a":1}\n\n{"b":2}\r\n{"c":"é"}', 'application/x-ndjson'),
    )
    expect(await itemsOf(ask(service)(requestOf()))).toStrictEqual(['{"a":1}', '{"b":2}', '{"c":"é"}'])
    expect(await itemsOf(ask(service, { as: 'json' })(requestOf()))).toStrictEqual(
      ['{"a":1}', '{"b":2}', '{"c":"é"}'].map((text) => new JsonText(text)),
    )
  })

  it('answers with the data of each server-sent event', async () => {
    const service = await startService((_incoming, outgoing) =>
      answer(
        outgoing,
        ': hello\n\nevent: x\nid: 7\ndata: one\n\ndata:two\ndata: lines\n\nretry: 5\n\ndata: cut off',
        'text/event-stream; charset=utf-8',
      ),
    )
    expect(await itemsOf(ask(service)(requestOf()))).toStrictEqual(['one', 'two\nlines'])
  })

  it('hands items on as they come', async () => {
    let outgoing: ServerResponse | undefined
    const service = await startService((_incoming, response) => {
      outgoing = response.writeHead(200, { 'Content-Type': 'application/jsonl' })
      outgoing.write('1\n')
    })
    const { connect } = await startChannel([ask(service)])
    const { ws, next } = await connect()
    ws.send('ask')
    expect(await next()).toBe('1')
    outgoing?.write('2\n3')
    expect(await next()).toBe('2')
    outgoing?.end('3\n')
    expect(await next()).toBe('33')
  })

  it('leaves the service when the client does, or wants no more', async () => {
    const service = await startService((_incoming, outgoing) => {
      outgoing.writeHead(200, { 'Content-Type': 'text/event-stream' }).write('data: 1\n\n')
    })
    const { connect } = await startChannel([ask(service)], { codec: jsonRpc() })
    const { ws, next } = await connect()
    ws.send('{"jsonrpc":"2.0","id":1,"method":"x"}')
    expect(await next()).toContain('"value":"1"')
    ws.send('{"jsonrpc":"2.0","method":"$/cancelRequest","params":{"id":1}}')
    await until('the service is left', () => service.open() === 0)
    ws.send('{"jsonrpc":"2.0","id":2,"method":"x"}')
    await until('the service is asked again', () => service.open() === 1)
    ws.terminate()
    await until('the service is left again', () => service.open() === 0)
  })

  it('stops reading the service while nobody reads the stream', async () => {
    let written = 0
    let outgoing: ServerResponse | undefined
    const service = await startService((_incoming, response) => {
      outgoing = response.writeHead(200, { 'Content-Type': 'application/x-ndjson' })
      const write = (): void => {
        while (written < 32_000_000) {
          written += 10_000
          if (!response.write(`${'x'.repeat(9999)}\n`)) {
            response.once('drain', write)
            return
          }
        }
        response.end()
      }
      write()
    })
    const backend = ask(service)
    const stream = (await backend(requestOf())) as AsyncIterableIterator<unknown>
    await until('the service has to wait', () => written > 0 && outgoing?.writableNeedDrain === true)
    // What the kernel buffers, and no more.
    let before = -1
    await until('nothing moves any more', () => {
      const isStill = written === before
      before = written
      return isStill && outgoing?.writableNeedDrain === true
    })
    expect(written).toBeLessThan(20_000_000)
    let items = 0
    for await (const item of stream) {
      items += 1
      expect(item).toHaveLength(9999)
    }
    expect(items).toBe(3200)
    backend.close()
  }, 60_000)

  it('ends a stream that is silent for too long, unless the client is the slow one', async () => {
    const service = await startService((_incoming, outgoing) => {
      outgoing.writeHead(200, { 'Content-Type': 'application/x-ndjson' })
      outgoing.write('line\n'.repeat(100))
    })
    // Time itself is the subject: what goes over sockets takes none of it.
    let nowMs = performance.now()
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => nowMs)
    onTestFinished(() => clock.mockRestore())
    /** Resolves when everything that is due by then has happened. */
    const pass = (ms: number): Promise<void> => {
      nowMs += ms
      const passed = new Promise<void>((resolve) => void schedule(0, resolve))
      nowMs += 20
      return passed
    }
    const backend = ask(service, { streamIdleMs: 150, timeoutMs: 50 })
    const stream = (await backend(requestOf())) as AsyncIterableIterator<unknown>
    // Longer than it may be silent, were it read.
    await pass(400)
    for (let item = 0; item < 100; item++) expect(await stream.next()).toMatchObject({ value: 'line' })
    const silent = codeOf(() => stream.next())
    await pass(100)
    expect(backend.stats().pending).toBe(1)
    await pass(50)
    expect(await silent).toBe('timeout')
    expect(await stream.next()).toMatchObject({ done: true })
    await until('the service is left', () => service.open() === 0)
    expect([backend.stats().pending, pendingDeadlines()]).toStrictEqual([0, 0])
    backend.close()
  })

  it('breaks with the service, after what has come', async () => {
    const service = await startService((incoming, outgoing) => {
      outgoing.writeHead(200, { 'Content-Type': 'application/x-ndjson' })
      outgoing.write('1\n2\n', () => incoming.socket.destroy())
    })
    const stream = (await ask(service)(requestOf())) as AsyncIterableIterator<unknown>
    await until('the service is gone', () => service.open() === 0)
    expect([(await stream.next()).value, (await stream.next()).value]).toStrictEqual(['1', '2'])
    expect(await codeOf(() => stream.next())).toBe('bad_reply')
  })

  it.each([
    ['application/x-ndjson', 'x'.repeat(2000)],
    ['text/event-stream', `data: ${'x'.repeat(2000)}`],
    ['text/event-stream', `data: ${'x'.repeat(600)}\ndata: ${'x'.repeat(600)}\n\n`],
  ])('takes no item of %s above its limit', async (type, body) => {
    const service = await startService((_incoming, outgoing) => {
      outgoing.writeHead(200, { 'Content-Type': type }).write(body)
    })
    const backend = ask(service, { maxResponseBytes: 1000 })
    expect(await codeOf(() => itemsOf(backend(requestOf())))).toBe('bad_reply')
    await until('the service is left', () => service.open() === 0)
  })

  it('breaks at an item that is not what it should be', async () => {
    const service = await startService((_incoming, outgoing) =>
      answer(outgoing, '{}\nnonsense\n', 'application/x-ndjson'),
    )
    const stream = (await ask(service, { as: 'json' })(requestOf())) as AsyncIterableIterator<unknown>
    expect((await stream.next()).value).toStrictEqual(new JsonText('{}'))
    expect(await codeOf(() => stream.next())).toBe('bad_reply')
  })

  it('gives map a whole response instead', async () => {
    const service = await startService((_incoming, outgoing) => answer(outgoing, '1\n2\n', 'application/x-ndjson'))
    const backend = ask(service, { map: ({ body }: { body: Buffer }) => body.toString() })
    expect(await backend(requestOf())).toBe('1\n2\n')
  })
})
