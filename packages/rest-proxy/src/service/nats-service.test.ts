// SPDX-License-Identifier: Apache-2.0
import { describe, expect, inject, it } from 'vitest'
import { decodeResponse } from '../envelope/nats-proxy.ts'
import type { ServiceEvent } from '../service.ts'
import { bench, fromHex, problem, text, toHex } from './service-bench.test-support.ts'

describe.each(inject('natsServers'))('natsService on nats-server $version', (binary) => {
  const rig = bench(binary)

  describe('on the wire', () => {
    it('answers golden bytes with golden bytes, header bytes that are no UTF-8 included', async () => {
      await rig.serve((service) => {
        service.get('/a', (c) => {
          c.response.statusCode = 404
          c.response.headers.set('X', c.request.headers.getBytes('A') ?? '')
          c.response.headers.append('X', 'y')
          c.response.body = 'hi'
        })
      })
      const request = '0a02 2f61 1203 474554 1a00 320a 0a0141 1205 0a01e9 0a00 3a00'
      const reply = await rig.proxy.request('GET:.a', fromHex(request), { timeout: 5000 })
      expect(toHex(reply.data)).toBe('089403120b0a015812060a01e90a01791a0268692000')
      expect(reply.headers).toBeUndefined()
    })

    it('answers with the default response when a handler does nothing', async () => {
      await rig.serve((service) => service.get('/nothing', () => {}))
      const reply = await rig.proxy.request('GET:.nothing', fromHex('0a08 2f6e6f7468696e67'), { timeout: 5000 })
      expect(toHex(reply.data)).toBe('08c8012000')
    })

    it('reads fields in any order and a Request of zero bytes', async () => {
      await rig.serve((service) => {
        service.post('/any/>', (c) => c.json(200, [c.request.url, c.request.method, text(c.request.body)]))
      })
      const reply = await rig.proxy.request('POST:.any.x', fromHex('2201 62 4001 1201 4d 0a0175'), { timeout: 5000 })
      expect(text(decodeResponse(reply.data).body)).toBe('["u","M","b"]')
      const empty = await rig.proxy.request('POST:.any.x', new Uint8Array(0), { timeout: 5000 })
      expect(text(decodeResponse(empty.data).body)).toBe('["","",""]')
    })

    it('answers 400 to bytes that are no Request', async () => {
      const events: ServiceEvent[] = []
      await rig.serve((service) => service.get('/bad', () => {}), { observe: (event) => events.push(event) })
      const reply = await rig.proxy.request('GET:.bad', fromHex('0a05 61'), { timeout: 5000 })
      const response = decodeResponse(reply.data)
      expect(response.statusCode).toBe(400)
      expect(response.headers).toEqual(['Content-Type', 'application/problem+json'])
      expect(problem(response)).toMatchObject({
        type: 'about:blank',
        title: 'Bad Request',
        status: 400,
        code: 'bad_envelope',
      })
      expect(events.map((event) => event.type)).toEqual(['request.failed', 'request.refused'])
    })
  })

  describe('routes', () => {
    it('serves get, post, put and delete on subjects of their own', async () => {
      await rig.serve((service) => {
        service.get('/r/:id', (c) => c.json(200, ['get', c.pathVariable('id'), c.route]))
        service.post('/r/:id', (c) => c.json(201, ['post', c.pathVariable('id')]))
        service.put('/r/:id', (c) => c.json(202, ['put', c.pathVariable('id')]))
        service.delete('/r/:id', (c) => c.json(203, ['delete', c.pathVariable('id')]))
      })
      const answers = await Promise.all(['GET', 'POST', 'PUT', 'DELETE'].map((method) => rig.ask(`${method}:.r.7`)))
      expect(answers.map(({ statusCode }) => statusCode)).toEqual([200, 201, 202, 203])
      expect(answers.map(({ body }) => text(body))).toEqual([
        '["get","7","/r/:id"]',
        '["post","7"]',
        '["put","7"]',
        '["delete","7"]',
      ])
    })

    it('serves any() for seven methods and on() for one of its own', async () => {
      await rig.serve((service) => {
        service.any('/any', (c) => c.json(200, c.request.method))
        service.on('purge', '/any', (c) => c.json(200, 'purged'))
      })
      for (const method of ['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'HEAD', 'OPTIONS']) {
        expect(text((await rig.ask(`${method}:.any`)).body)).toBe(`"${method}"`)
      }
      expect(text((await rig.ask('PURGE:.any')).body)).toBe('"purged"')
    })

    it('serves the root and a trailing slash on the subjects of a proxy that strips it', async () => {
      await rig.serve((service) => {
        service.get('/', (c) => c.json(200, 'root'))
        service.get('/t/', (c) => c.json(200, 'slash'))
      })
      expect(text((await rig.ask('GET:', { url: '/' })).body)).toBe('"root"')
      expect(text((await rig.ask('GET:.t', { url: '/t/' })).body)).toBe('"slash"')
      expect(text((await rig.ask('GET:.t', { url: '/t' })).body)).toBe('"slash"')
    })

    it('answers 404 where dots make another number of segments than the pattern has', async () => {
      await rig.serve((service) => {
        service.get('/u/:id/:part', (c) => c.json(200, c.pathVariable('part')))
        service.get('/files/>', (c) => c.json(200, c.request.url))
      })
      expect((await rig.ask('GET:.u.a.b', { url: '/u/a/b' })).statusCode).toBe(200)
      expect((await rig.ask('GET:.u.a.b', { url: '/u/a%2Fb' })).statusCode).toBe(200)
      const wrong = await rig.ask('GET:.u.a.b', { url: '/u/a.b' })
      expect([wrong.statusCode, problem(wrong)]).toEqual([404, expect.objectContaining({ code: 'not_found' })])
      expect((await rig.ask('GET:.files.a.b.c', { url: '/files/a.b/c' })).statusCode).toBe(200)
    })

    it('answers 400 to a path it cannot decode and runs the handler without a URL', async () => {
      await rig.serve((service) => service.get('/d/:id', (c) => c.json(200, c.pathVariable('id'))))
      expect((await rig.ask('GET:.d.x', { url: '/d/%zz' })).statusCode).toBe(400)
      expect(text((await rig.ask('GET:.d.x', { url: '' })).body)).toBe('""')
    })

    it('serves a subject given at registration, by method', async () => {
      await rig.serve((service) => {
        service.get('/orders/:id', (c) => c.json(200, `get ${c.pathVariable('id')}`), { subject: 'orders.*.read' })
        service.post('/orders/:id', (c) => c.json(200, 'post'), { subject: 'orders.*.read' })
        service.any('/all/:id', (c) => c.json(200, c.request.method), { subject: 'all.*' })
      })
      const order = { url: '/orders/7' }
      expect(text((await rig.ask('orders.7.read', { ...order, method: 'GET' })).body)).toBe('"get 7"')
      expect(text((await rig.ask('orders.7.read', { ...order, method: 'POST' })).body)).toBe('"post"')
      expect((await rig.ask('orders.7.read', { ...order, method: 'PUT' })).statusCode).toBe(405)
      expect(text((await rig.ask('all.7', { url: '/all/7', method: 'LINK' })).body)).toBe('"LINK"')
    })

    it('gives an overlapping request to the most exact route, once', async () => {
      const seen: string[] = []
      const note = (name: string) => (c: { json(status: number, value: unknown): void }) => {
        seen.push(name)
        c.json(200, name)
      }
      await rig.serve((service) => {
        service.get('/o/>', note('rest'))
        service.get('/o/:id', note('id'))
        service.get('/o/me', note('me'))
        service.get('/o/:id/x', note('id x'))
      })
      for (let round = 0; round < 20; round++) {
        expect(text((await rig.ask('GET:.o.me')).body)).toBe('"me"')
        expect(text((await rig.ask('GET:.o.you')).body)).toBe('"id"')
        expect(text((await rig.ask('GET:.o.me.x')).body)).toBe('"id x"')
        expect(text((await rig.ask('GET:.o.me.y')).body)).toBe('"rest"')
      }
      expect(seen).toHaveLength(80)
    })

    it('refuses a second handler for a subject and what is no handler', async () => {
      const service = await rig.serve((service) => service.get('/twice/:a', () => {}))
      expect(() => service.get('/twice/:b', () => {})).toThrow(TypeError)
      // @ts-expect-error a handler is a function
      expect(() => service.get('/x', 'handler')).toThrow(TypeError)
      // @ts-expect-error a middleware is a function
      expect(() => service.use(undefined)).toThrow(TypeError)
      expect(() => service.get('/x', () => {}, { subject: 'a..b' })).toThrow('a..b')
      expect(() => service.get('/x', () => {}, { queue: 'a b' })).toThrow('queue')
      expect(() => service.on('*', '/x', () => {})).toThrow('method')
    })
  })
})
