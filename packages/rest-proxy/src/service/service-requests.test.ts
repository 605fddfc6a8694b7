// SPDX-License-Identifier: Apache-2.0
import { describe, expect, inject, it } from 'vitest'
import type { ServiceEvent } from '../service.ts'
import { bench, payload, samplesOf, text, toHex, until } from './service-bench.test-support.ts'

describe.each(inject('natsServers'))('requests of a service on nats-server $version', (binary) => {
  const rig = bench(binary)

  describe('a request of its own', () => {
    it('shares nothing with the one before', async () => {
      await rig.serve((service) => {
        service.get('/leak/:what', (c) => {
          if (c.pathVariable('what') !== 'first') return
          c.response.statusCode = 418
          c.response.headers.set('Set-Cookie', 'secret=1')
          c.response.body = 'secret'
        })
      })
      expect((await rig.ask('GET:.leak.first')).headers).toEqual(['Set-Cookie', 'secret=1'])
      const next = await rig.proxy.request('GET:.leak.next', payload({ url: '/leak/next' }), { timeout: 5000 })
      expect(toHex(next.data)).toBe('08c8012000')
    })

    it('keeps a thousand requests at once apart', async () => {
      await rig.serve((service) => {
        service.use(async (c, next) => {
          c.response.headers.set('X-Id', c.headerVariable('X-Id'))
          await next()
        })
        service.post('/apart/:id', async (c) => {
          await new Promise((resolve) => setTimeout(resolve, Number(c.pathVariable('id')) % 7))
          c.json(200, { id: c.pathVariable('id'), body: text(c.request.body) })
        })
      })
      const ids = Array.from({ length: 1000 }, (_, index) => String(index))
      const answers = await Promise.all(
        ids.map((id) => rig.ask(`POST:.apart.${id}`, { body: Buffer.from(`body ${id}`), headers: ['X-Id', id] })),
      )
      expect(answers.map(({ body }) => JSON.parse(text(body)) as unknown)).toEqual(
        ids.map((id) => ({ id, body: `body ${id}` })),
      )
      expect(answers.map(({ headers }) => headers[headers.indexOf('X-Id') + 1])).toEqual(ids)
    })

    it('runs middleware registered later too, and stops where one aborts', async () => {
      await rig.serve((service) => {
        service.get('/guarded', (c) => c.json(200, 'in'))
        service.use((c, next) => (c.headerVariable('X-Key') === 'k' ? next() : c.abortWithJSON('out', 403)))
      })
      expect((await rig.ask('GET:.guarded')).statusCode).toBe(403)
      expect((await rig.ask('GET:.guarded', { headers: ['X-Key', 'k'] })).statusCode).toBe(200)
    })

    it('is handled without a reply subject, too', async () => {
      const seen: string[] = []
      await rig.serve((service) => service.post('/fire', (c) => seen.push(text(c.request.body))))
      rig.proxy.publish('POST:.fire', payload({ url: '/fire', body: Buffer.from('forget') }))
      await until('handled', () => seen.length === 1)
      expect(seen).toEqual(['forget'])
    })
  })

  it('tells observers what happens', async () => {
    const events: ServiceEvent[] = []
    const service = await rig.serve(
      (service) => {
        service.get('/seen/:id', (c) => c.json(202, 1))
        service.get('/failed', () => {
          throw new Error('boom')
        })
      },
      { observe: (event) => events.push(event) },
    )
    await rig.ask('GET:.seen.secret')
    await rig.ask('GET:.failed')
    expect(events).toEqual([
      { type: 'request.finished', route: '/seen/:id', method: 'GET', status: 202, ms: expect.any(Number) },
      { type: 'request.failed', route: '/failed', error: expect.objectContaining({ message: 'boom' }) },
      { type: 'request.finished', route: '/failed', method: 'GET', status: 500, ms: expect.any(Number) },
    ])
    expect(samplesOf(service, 'service_requests_total')).toEqual([1, 0, 0, 1])
  })
})
