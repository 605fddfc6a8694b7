// SPDX-License-Identifier: Apache-2.0
import { headers as natsHeaders, type Msg, type MsgHdrs } from '@nats-io/nats-core'
import { describe, expect, inject, it } from 'vitest'
import { natsService, type NatsService } from '../service.ts'
import { bench, text } from './service-bench.test-support.ts'

function headersOf(entries: readonly (readonly [string, string])[]): MsgHdrs {
  const block = natsHeaders()
  for (const [name, value] of entries) block.append(name, value)
  return block
}

/** Everything a reply carries, its headers as pairs. */
function whole(message: Msg): { readonly headers: readonly string[]; readonly body: string } {
  const pairs =
    message.headers === undefined
      ? []
      : Array.from(message.headers, ([name, values]) => values.map((value) => `${name}: ${value}`))
  return { headers: pairs.flat(), body: text(message.data) }
}

describe.each(inject('natsServers'))('the headers envelope on nats-server $version', (binary) => {
  const rig = bench(binary)
  const serve = (build: (service: NatsService) => unknown): Promise<NatsService> =>
    rig.serve(build, { envelope: 'headers' })

  async function ask(subject: string, entries: readonly (readonly [string, string])[] = [], body = ''): Promise<Msg> {
    const options = entries.length === 0 ? { timeout: 5000 } : { timeout: 5000, headers: headersOf(entries) }
    return await rig.proxy.request(subject, body, options)
  }

  it('gives handlers what the proxy says about the request', async () => {
    await serve((service) => {
      service.post(
        '/orders/:id/:part',
        (c) =>
          c.json(200, {
            url: c.request.url,
            method: c.request.method,
            remoteAddr: c.request.remoteAddr,
            body: text(c.request.body),
            id: c.pathVariable('id'),
            part: c.pathVariable('part'),
            user: c.headerVariable('nats-edge-user'),
            accept: c.request.headers.getAll('accept'),
            query: (c.parseForm(), c.formVariable('q')),
            webSocket: c.isWebSocket,
          }),
        { subject: 'orders.*.*' },
      )
    })
    const reply = await ask(
      'orders.7.x',
      [
        ['Nats-Edge-Method', 'POST'],
        ['Nats-Edge-Path', '/orders/7/caf%C3%A9'],
        ['Nats-Edge-Query', 'q=a+b'],
        ['Nats-Edge-Client-Ip', '192.0.2.1'],
        ['Nats-Edge-Param-id', 'se%76en%2525'],
        ['Nats-Edge-User', 'jürgen'],
        ['Accept', 'text/html'],
        ['Accept', '*/*'],
        ['Content-Type', 'application/x-www-form-urlencoded'],
      ],
      'q=c',
    )
    expect(JSON.parse(text(reply.data))).toEqual({
      url: '/orders/7/caf%C3%A9?q=a+b',
      method: 'POST',
      remoteAddr: '192.0.2.1',
      body: 'q=c',
      id: 'seven%25',
      part: 'café',
      user: 'jürgen',
      accept: ['text/html', '*/*'],
      query: 'c',
      webSocket: false,
    })
  })

  it('answers a plain request without any header', async () => {
    await serve((service) => {
      service.get('/plain/:id', (c) => void (c.response.body = `[${c.pathVariable('id')}|${c.request.url}]`), {
        subject: 'plain.*',
      })
    })
    expect(whole(await ask('plain.1', [], 'x'))).toEqual({ headers: [], body: '[|]' })
  })

  it('writes status and headers only where they say something', async () => {
    await serve((service) => {
      service.any(
        '/reply/>',
        (c) => {
          c.response.statusCode = Number(c.headerVariable('X-Want'))
          if (c.response.statusCode === 201) {
            c.response.headers
              .set('Content-Type', 'text/plain')
              .set('X-Euro', '€')
              .append('Vary', 'a')
              .append('Vary', 'b')
            c.response.headers.set('X-Latin', Uint8Array.of(0xe9)).set('Connection', 'close')
          }
          c.response.body = 'body'
        },
        { subject: 'reply' },
      )
    })
    expect(whole(await ask('reply', [['X-Want', '200']]))).toEqual({ headers: [], body: 'body' })
    expect(whole(await ask('reply', [['X-Want', '404']]))).toEqual({ headers: ['Nats-Edge-Status: 404'], body: 'body' })
    expect(whole(await ask('reply', [['X-Want', '201']])).headers).toEqual([
      'Nats-Edge-Status: 201',
      'Content-Type: text/plain',
      'X-Euro: €',
      'Vary: a',
      'Vary: b',
      'X-Latin: é',
    ])
  })

  it.each(['199', '600', '0', 'NaN'])('answers a service error for the status %s', async (status) => {
    await serve((service) => {
      service.any('/odd', (c) => void (c.response.statusCode = Number(c.headerVariable('X-Want'))), { subject: 'odd' })
    })
    expect(whole(await ask('odd', [['X-Want', status]])).headers).toEqual([
      'Nats-Service-Error-Code: 500',
      'Nats-Service-Error: the service failed',
    ])
  })

  it('answers service errors: its own, those of handlers and of c.error()', async () => {
    await serve((service) => {
      service.get(
        '/err/:how',
        (c) => {
          if (c.pathVariable('how') === 'throw') throw new Error('secret')
          c.error(1234, 'odd\r\nnews')
          c.response.body = 'more'
          c.response.headers.set('Retry-After', '3')
        },
        { subject: 'err.*' },
      )
    })
    expect(
      whole(
        await ask('err.x', [
          ['Nats-Edge-Path', '/err/x'],
          ['Nats-Edge-Method', 'GET'],
        ]),
      ),
    ).toEqual({
      headers: ['Nats-Service-Error-Code: 1234', 'Nats-Service-Error: odd news', 'Retry-After: 3'],
      body: 'more',
    })
    expect(whole(await ask('err.throw', [['Nats-Edge-Path', '/err/throw']]))).toEqual({
      headers: ['Nats-Service-Error-Code: 500', 'Nats-Service-Error: the service failed'],
      body: '',
    })
    expect(whole(await ask('err.x', [['Nats-Edge-Path', '/err/x/y']])).headers[0]).toBe('Nats-Service-Error-Code: 404')
  })

  it('answers 405 to a method no route on the subject takes', async () => {
    await serve((service) => {
      service.get('/m', (c) => c.json(200, 'get'), { subject: 'm' })
      service.post('/m', (c) => c.json(200, 'post'), { subject: 'm' })
    })
    expect(whole(await ask('m', [['Nats-Edge-Method', 'POST']])).body).toBe('"post"')
    expect(whole(await ask('m', [['Nats-Edge-Method', 'PUT']])).headers).toEqual([
      'Nats-Service-Error-Code: 405',
      'Nats-Service-Error: the service does not take this method',
    ])
    expect(whole(await ask('m')).headers[0]).toBe('Nats-Service-Error-Code: 405')
  })

  it('needs a subject with every route', async () => {
    const service = rig.keep(natsService(await rig.dial(), { envelope: 'headers' }))
    expect(() => service.get('/x', () => {})).toThrow('"subject"')
    expect(() => service.any('/x', () => {})).toThrow(TypeError)
  })

  it('owns body and headers while a handler waits', async () => {
    await serve((service) => {
      service.any(
        '/own',
        async (c) => {
          await new Promise((resolve) => setImmediate(resolve))
          c.response.body = `${c.headerVariable('X-Id')} ${text(c.request.body)}`
        },
        { subject: 'own' },
      )
    })
    const replies = await Promise.all(
      Array.from({ length: 200 }, (_, id) => ask('own', [['X-Id', `${id}`]], `body ${id}`)),
    )
    expect(replies.map((reply) => text(reply.data))).toEqual(replies.map((_, id) => `${id} body ${id}`))
  })
})
