// SPDX-License-Identifier: Apache-2.0
import { Hono } from 'hono'
import { describe, expect, it } from 'vitest'
import { countingAdmission, handshake, headerOf, hosts, rawRequestTo } from './hosts.test-support.ts'
import type { SocketOptions, UpgradeEvent } from './socket-options.ts'
import { upgradeWebSocket } from './upgrade-web-socket.ts'

const good = handshake('/ws')

const faults: readonly (readonly [what: string, status: number, code: string, request: string])[] = [
  ['a second Host', 400, 'bad_request', good.replace('Host: 127.0.0.1', 'Host: 127.0.0.1\r\nHost: 127.0.0.1')],
  ['an absolute target', 400, 'bad_request', good.replace('/ws', 'http://127.0.0.1/ws')],
  [
    'Transfer-Encoding on HTTP/1.0',
    400,
    'bad_request',
    handshake('/ws', { 'Transfer-Encoding': 'chunked' }).replace('HTTP/1.1', 'HTTP/1.0'),
  ],
  ['HTTP/1.0', 400, 'bad_request', good.replace('HTTP/1.1', 'HTTP/1.0')],
  ['a body by Content-Length', 400, 'bad_request', `${handshake('/ws', { 'Content-Length': '4' })}abcd`],
  ['a body by chunks', 400, 'bad_request', `${handshake('/ws', { 'Transfer-Encoding': 'chunked' })}0\r\n\r\n`],
  ['another method', 405, 'method_not_allowed', good.replace('GET', 'POST')],
  ['version 8', 426, 'unsupported_version', handshake('/ws', { 'Sec-WebSocket-Version': '8' })],
  ['version 14', 426, 'unsupported_version', handshake('/ws', { 'Sec-WebSocket-Version': '14' })],
  ['two versions', 426, 'unsupported_version', handshake('/ws', { 'Sec-WebSocket-Version': '13, 13' })],
  ['no version', 426, 'unsupported_version', handshake('/ws', { 'Sec-WebSocket-Version': undefined })],
  ['no key', 400, 'bad_request', handshake('/ws', { 'Sec-WebSocket-Key': undefined })],
  ['a short key', 400, 'bad_request', handshake('/ws', { 'Sec-WebSocket-Key': 'c2hvcnQ=' })],
  ['a key that is not base64', 400, 'bad_request', handshake('/ws', { 'Sec-WebSocket-Key': '!'.repeat(22) + '==' })],
  ['an empty subprotocol', 400, 'bad_request', handshake('/ws', { 'Sec-WebSocket-Protocol': 'a,,b' })],
  ['a repeated subprotocol', 400, 'bad_request', handshake('/ws', { 'Sec-WebSocket-Protocol': 'a, a' })],
  ['a subprotocol with a blank', 400, 'bad_request', handshake('/ws', { 'Sec-WebSocket-Protocol': 'a b' })],
  ['only other subprotocols', 400, 'unsupported_subprotocol', handshake('/ws', { 'Sec-WebSocket-Protocol': 'x, y' })],
  ['a foreign Origin', 403, 'foreign_origin', handshake('/ws', { Origin: 'https://evil.example' })],
  ['Origin null', 403, 'foreign_origin', handshake('/ws', { Origin: 'null' })],
  ['a cookie without Origin', 403, 'foreign_origin', handshake('/ws', { Cookie: 'session=1' })],
]

describe.each(hosts)('a handshake under $name', ({ name, start }) => {
  it.each(faults)('with %s is answered %i %s before the events function runs', async (_what, status, code, request) => {
    const admission = countingAdmission()
    const refused: UpgradeEvent[] = []
    let ran = 0
    const observe = (event: UpgradeEvent): unknown => refused.push(event)
    const options: SocketOptions = { subprotocols: ['a', 'b'], observe }
    const app = new Hono().get(
      '/ws',
      upgradeWebSocket(() => {
        ran += 1
        return {}
      }, options),
    )
    const host = await start(app, { admission, observe })
    const reply = await rawRequestTo(host, request.replace('\r\n\r\n', '\r\nX-Request-Id: r-1\r\n\r\n'))
    expect(reply.status).toBe(status)
    expect(headerOf(reply, 'connection')).toBe('close')
    expect(headerOf(reply, 'content-type')).toBe('application/problem+json')
    expect(headerOf(reply, 'nats-edge-hint')).toMatch(/^[\x20-\x7e]{10,256}$/)
    if (name !== 'serve()') {
      expect(JSON.parse(reply.body)).toEqual({
        type: `urn:nats-edge:websocket:${code}`,
        title: expect.any(String),
        status,
        code,
        detail: headerOf(reply, 'nats-edge-hint'),
        requestId: 'r-1',
      })
    }
    expect(refused).toEqual([{ type: 'upgrade.refused', code, status }])
    expect({ ran, admitted: admission.admitted, released: admission.released }).toEqual({
      ran: 0,
      admitted: 0,
      released: 0,
    })
    await host.closed()
  })

  it('names the version and the method that would do', async () => {
    const host = await start(
      new Hono().get(
        '/ws',
        upgradeWebSocket(() => ({})),
      ),
    )
    const version = await rawRequestTo(host, handshake('/ws', { 'Sec-WebSocket-Version': '7' }))
    expect(headerOf(version, 'sec-websocket-version')).toBe('13')
    expect(headerOf(await rawRequestTo(host, good.replace('GET', 'PUT')), 'allow')).toBe('GET')
  })

  it('makes a request id where there is none, and takes the one of an earlier middleware', async () => {
    const app = new Hono<{ Variables: { requestId: string } }>()
    app.use('/known', async (c, next) => {
      c.set('requestId', 'from-middleware')
      await next()
    })
    app.get(
      '*',
      upgradeWebSocket(() => ({})),
    )
    const host = await start(new Hono().route('/', app))
    const bad = { 'Sec-WebSocket-Key': 'x', 'X-Request-Id': 'not valid' }
    const reply = await rawRequestTo(host, handshake('/other', { ...bad, Origin: undefined }))
    expect(reply.status).toBe(400)
    if (name === 'serve()') return
    expect(JSON.parse(reply.body)).toMatchObject({ requestId: expect.stringMatching(/^[0-9a-f-]{36}$/) })
    const known = await rawRequestTo(host, handshake('/known', { Origin: 'null' }))
    expect(JSON.parse(known.body)).toMatchObject({ requestId: 'from-middleware' })
  })
})
