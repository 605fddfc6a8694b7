// SPDX-License-Identifier: Apache-2.0
import type { Subscription } from '@nats-io/transport-node'
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest'
import { decodeRequest, type DecodedRequest, encodeResponse, type ResponseFields } from './envelope/nats-proxy.ts'
import { type HostKind, hostKinds } from './http-host.test-support.ts'
import { type RawClient, rawRequestText } from './raw-client.test-support.ts'
import { type Broker, newestServer, type Rig, startBroker, startRig } from './rig.test-support.ts'

const ok: ResponseFields = { statusCode: 200, headers: [], body: Buffer.from('{}'), doUpgrade: false }

describe.each(hostKinds)('the envelope of nats-proxy on a %s host', (kind: HostKind) => {
  let broker: Broker
  let rig: Rig
  let client: RawClient
  let everything: Subscription
  let subject = ''
  let payload: Uint8Array = new Uint8Array()
  let natsHeaders: unknown
  let reply: Uint8Array = encodeResponse(ok)

  beforeAll(async () => {
    broker = await startBroker(newestServer(inject('natsServers')))
    rig = await startRig({ nats: broker.nats }, kind)
    await rig.proxy.ready()
    everything = broker.peer.subscribe('>', {
      callback(_error, message) {
        if (message.reply === undefined || message.reply === '') return
        subject = message.subject
        payload = message.data.slice()
        natsHeaders = message.headers
        message.respond(reply)
      },
    })
    await broker.peer.flush()
  })
  afterAll(async () => {
    everything.unsubscribe()
    await rig.stop()
    await broker.stop()
  })
  beforeEach(async () => {
    subject = ''
    reply = encodeResponse(ok)
    client = await rig.client()
  })

  async function requested(text: Buffer | string): Promise<DecodedRequest> {
    const response = await client.send(text)
    expect(response.status).toBe(200)
    return decodeRequest(payload)
  }

  it.each([
    ['GET', '/test/1/2?x', 'GET:.test.1.2'],
    ['GET', '/a%2Fb', 'GET:.a.b'],
    ['GET', '/a.b/c', 'GET:.a.b.c'],
    ['PATCH', '/a', 'PATCH:.a'],
    ['M-SEARCH', '/a', 'M-SEARCH:.a'],
    ['OPTIONS', '/a', 'OPTIONS:.a'],
    ['HEAD', '/a', 'HEAD:.a'],
    ['GET', '/a*b', 'GET:.a*b'],
    ['GET', '/a%3Eb', 'GET:.a>b'],
    ['GET', '/%E2%82%AC', 'GET:.€'],
    ['GET', '/%EF%BC%8A', 'GET:.＊'],
    ['GET', '/$SYS/REQ', 'GET:.$SYS.REQ'],
    ['GET', `/${Array.from({ length: 31 }, () => 't').join('/')}`, `GET:${'.t'.repeat(31)}`],
    ['GET', `/${'x'.repeat(1019)}`, `GET:.${'x'.repeat(1019)}`],
  ])('maps %s %.40s to %.40s', async (method, target, expected) => {
    const response = await client.send(rawRequestText(`${method} ${target}`), { head: method === 'HEAD' })
    expect(response.status).toBe(200)
    expect(subject).toBe(expected)
    expect(natsHeaders).toBeUndefined()
  })

  it.each([
    ['/', 404],
    ['/a/b/', 404],
    ['//a', 404],
    ['/a//b', 404],
    ['/a/../b', 404],
    ['/a/%2e%2E/b', 404],
    ['/a/.', 404],
    ['/a..b', 404],
    ['/.a', 404],
    ['/a%2E', 404],
    ['/a%20b', 400],
    ['/a%09b', 400],
    ['/x%200%0d%0a%0d%0aPUB%20y%200%0d%0a', 400],
    ['/%00', 400],
    ['/%7f', 400],
    ['/%C2%85', 400],
    ['/%E0%A4%A', 400],
    ['/%ff', 400],
    ['/%C0%AE', 400],
    ['/*', 400],
    ['/a/%2A', 400],
    ['/%3E', 400],
    ['/a#b', 400],
    [`/${Array.from({ length: 32 }, () => 't').join('/')}`, 414],
    [`/${'x'.repeat(1020)}`, 414],
    [`/a?${'x'.repeat(8190)}`, 414],
  ])('answers %.40s with %i and asks nobody', async (target, status) => {
    const response = await client.send(rawRequestText(`GET ${target}`))
    expect(response.status).toBe(status)
    expect(subject).toBe('')
    if (target === '/') return
    expect(response.get('content-type')).toBe('application/problem+json')
    expect(response.json()).toMatchObject({ type: 'about:blank', status, requestId: response.get('x-request-id') })
  })

  it('sends the target, the method, the address and the body as they came', async () => {
    const request = await requested(rawRequestText('POST /a%2fb/%C3%A9?q=%20&r=/', [], 'body \xff'))
    expect(request).toMatchObject({ url: '/a%2fb/%C3%A9?q=%20&r=/', method: 'POST', webSocketId: '' })
    expect(request.remoteAddr).toBe(`127.0.0.1:${client.socket.localPort}`)
    expect(Buffer.from(request.body).toString()).toBe('body \xff')
    expect(request.form).toEqual([])
  })

  it('keeps the bytes of header values that are no UTF-8', async () => {
    const request = await requested(rawRequestText('GET /a', ['X-Byte: a\xe9\xff']))
    expect(valuesOf(request, 'X-Byte')).toEqual(['a\xe9\xff'])
  })

  it('writes header names canonically and keeps repeats in order', async () => {
    const lines = ['x-b3-traceid: 1', 'ETAG: 2', 'x-many: a', 'X-MANY: b, c', 'Cookie: s=1', 'Authorization: Basic x']
    const request = await requested(rawRequestText('GET /a', lines))
    expect(valuesOf(request, 'X-B3-Traceid')).toEqual(['1'])
    expect(valuesOf(request, 'Etag')).toEqual(['2'])
    expect(valuesOf(request, 'X-Many')).toEqual(['a', 'b, c'])
    expect(valuesOf(request, 'Cookie')).toEqual(['s=1'])
    expect(valuesOf(request, 'Authorization')).toEqual(['Basic x'])
  })

  it('leaves out Host, Transfer-Encoding, Trailer, names with an underscore and names of ours, and keeps the rest', async () => {
    const lines = [
      'Transfer-Encoding: chunked',
      'Trailer: X',
      'Connection: keep-alive',
      'X_Real_Ip: 1',
      'Nats-Msg-Id: 1',
      'nats-edge-user: root',
    ]
    const text = Buffer.concat([rawRequestText('POST /a', lines), Buffer.from('2\r\nhi\r\n3\r\n yo\r\n0\r\n\r\n')])
    const request = await requested(text)
    const names = request.headers.filter((_, at) => at % 2 === 0)
    expect(names).toEqual(['Connection', 'Nats-Msg-Id'])
    expect(Buffer.from(request.body).toString()).toBe('hi yo')
  })

  it.each([
    [['Pragma: no-cache'], ['no-cache']],
    [['Pragma: no-cache', 'Cache-Control: max-age=1'], ['max-age=1']],
    [['Cache-Control: max-age=1', 'Pragma: no-cache'], ['max-age=1']],
    [['Pragma: other'], []],
  ])('turns %j into Cache-Control %j', async (lines, values) => {
    expect(valuesOf(await requested(rawRequestText('GET /a', lines)), 'Cache-Control')).toEqual(values)
  })

  it('sends the body of a GET', async () => {
    const request = await requested(rawRequestText('GET /a', [], 'why not'))
    expect(Buffer.from(request.body).toString()).toBe('why not')
  })

  it('continues a valid trace with a span of its own and ends a broken one', async () => {
    const [trace, span] = ['0af7651916cd43dd8448eb211c80319c', 'b7ad6b7169203331']
    const state = 'vendor=1, other=2'
    const traced = await requested(
      rawRequestText('GET /a', [`Tracestate: ${state}`, `traceparent: 00-${trace}-${span}-01`]),
    )
    expect(valuesOf(traced, 'Traceparent')).toEqual([expect.stringMatching(`^00-${trace}-(?!${span})[0-9a-f]{16}-01$`)])
    expect(valuesOf(traced, 'Tracestate')).toEqual([state])
    const broken = await requested(
      rawRequestText('GET /a', [`traceparent: 00-${'0'.repeat(32)}-${span}-01`, 'tracestate: a=1']),
    )
    expect([...valuesOf(broken, 'Traceparent'), ...valuesOf(broken, 'Tracestate')]).toEqual([])
  })

  it.each([
    [0, 200],
    [200, 200],
    [201, 201],
    [404, 404],
    [599, 599],
    [600, kind === 'raw' ? 600 : 502],
    [999, kind === 'raw' ? 999 : 502],
    [1000, 502],
    [199, 502],
    [101, 502],
    [100, 502],
    [99, 502],
    [-1, 502],
  ])('answers a reply of status %i with %i', async (statusCode, status) => {
    reply = encodeResponse({ ...ok, statusCode })
    const response = await client.send(rawRequestText('GET /a'))
    expect(response.status).toBe(status)
    if (status === 502) expect(response.json()).toMatchObject({ code: 'bad_reply' })
  })

  it.each([
    ['nothing', ''],
    ['no protobuf', 'ffff'],
    ['half a field', '08c8011205'],
  ])('answers a reply that is %s with 502', async (_name, hex) => {
    reply = Buffer.from(hex, 'hex')
    const response = await client.send(rawRequestText('GET /a'))
    expect(response.status).toBe(502)
    expect(response.json()).toMatchObject({ code: 'bad_reply' })
  })

  it('adds header values one by one, two cookies stay two', async () => {
    reply = encodeResponse({ ...ok, headers: ['Set-Cookie', 'a=1', 'X-One', 'x', 'Set-Cookie', 'b=2'] })
    const response = await client.send(rawRequestText('GET /a'))
    expect(response.all('set-cookie')).toEqual(['a=1', 'b=2'])
    expect(response.get('x-one')).toBe('x')
  })

  it('drops what belongs to the connection and computes the length itself', async () => {
    const hopByHop = ['Connection', 'x-gone', 'Keep-Alive', '1', 'Proxy-Authenticate', 'x', 'TE', 'x', 'Trailer', 'x']
    const framing = ['Transfer-Encoding', 'chunked', 'Upgrade', 'h2c', 'Content-Length', '1000', 'X-Kept', '1']
    reply = encodeResponse({ ...ok, headers: [...hopByHop, ...framing] })
    const response = await client.send(rawRequestText('GET /a'))
    expect(response.all('content-length')).toEqual(['2'])
    expect(response.body.toString()).toBe('{}')
    expect(response.all('connection')).toEqual(['keep-alive'])
    for (const name of ['proxy-authenticate', 'te', 'trailer', 'transfer-encoding', 'upgrade'])
      expect(response.get(name)).toBeUndefined()
    expect(response.get('x-kept')).toBe('1')
  })

  it('drops impossible header names and makes blanks of line ends and NUL', async () => {
    const bytes = Buffer.from('€').toString('latin1')
    reply = encodeResponse({
      ...ok,
      headers: ['a b', 'x', '', 'y', 'X-Split', 'a\r\nSet-Cookie: b\0c\x01', 'X-Euro', bytes],
    })
    const response = await client.send(rawRequestText('GET /a'))
    expect(response.status).toBe(200)
    expect(response.get('x-split')).toBe('a  Set-Cookie: b c')
    expect(response.get('set-cookie')).toBeUndefined()
    expect(response.get('x-euro')).toBe(bytes)
    expect(response.get('a b')).toBeUndefined()
  })

  it.each([
    ['{"a":1}', 'application/json'],
    ['[1]', 'application/json'],
    ['<html>', 'text/plain; charset=utf-8'],
    ['é', 'text/plain; charset=utf-8'],
    [Buffer.from([0xff, 0xfe]), 'application/octet-stream'],
  ])('types the untyped body %j as %s and forbids sniffing', async (body, type) => {
    reply = encodeResponse({ ...ok, body: Buffer.from(body) })
    const response = await client.send(rawRequestText('GET /a'))
    expect(response.get('content-type')).toBe(type)
    expect(response.get('x-content-type-options')).toBe('nosniff')
  })

  it('leaves a type of the service as it is', async () => {
    reply = encodeResponse({ ...ok, headers: ['content-TYPE', 'text/html'], body: Buffer.from('<p>') })
    const response = await client.send(rawRequestText('GET /a'))
    expect(response.all('content-type')).toEqual(['text/html'])
    expect(response.get('x-content-type-options')).toBeUndefined()
  })

  it.each([204, 304])('sends no body with %i', async (statusCode) => {
    reply = encodeResponse({ ...ok, statusCode })
    const response = await client.send(rawRequestText('GET /a'))
    expect(response.status).toBe(statusCode)
    expect(response.get('content-length')).toBeUndefined()
    // The next answer on the connection shows that no byte of a body was left on it.
    reply = encodeResponse(ok)
    expect((await client.send(rawRequestText('GET /a'))).body.toString()).toBe('{}')
  })

  it('sends the length and no body for HEAD', async () => {
    const response = await client.send(rawRequestText('HEAD /a'), { head: true })
    expect(response.get('content-length')).toBe('2')
    expect((await client.send(rawRequestText('GET /a'))).body.toString()).toBe('{}')
  })

  it('ignores DoUpgrade on a request that is no handshake', async () => {
    reply = encodeResponse({ ...ok, doUpgrade: true })
    expect((await client.send(rawRequestText('GET /a'))).status).toBe(200)
  })

  it('answers a WebSocket handshake with 501 before anything is sent', async () => {
    const key = [
      'Connection: keep-alive, Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Key: x',
    ]
    const response = await client.send(rawRequestText('GET /a', key))
    expect(response.status).toBe(501)
    expect(response.json()).toMatchObject({ code: 'websocket_unavailable' })
    expect(subject).toBe('')
  })

  it('shares nothing between two requests', async () => {
    reply = encodeResponse({ ...ok, statusCode: 201, headers: ['Set-Cookie', 'secret=1'], body: Buffer.from('first') })
    await client.send(rawRequestText('GET /a'))
    reply = encodeResponse({ ...ok, statusCode: 0, body: Buffer.alloc(0) })
    const second = await client.send(rawRequestText('GET /a'))
    expect(second.status).toBe(200)
    expect(second.all('set-cookie')).toEqual([])
    expect(second.body).toHaveLength(0)
  })
})

function valuesOf(request: DecodedRequest, name: string): string[] {
  return request.headers.filter((_, at) => at % 2 === 1 && request.headers[at - 1] === name)
}
