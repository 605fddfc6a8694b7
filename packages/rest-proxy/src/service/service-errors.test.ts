// SPDX-License-Identifier: Apache-2.0
import { describe, expect, inject, it } from 'vitest'
import { ServiceError, type ServiceEvent } from '../service.ts'
import { bench, problem, text } from './service-bench.test-support.ts'

const boom = (): never => {
  throw new Error('secret detail')
}

describe.each(inject('natsServers'))('errors of a service on nats-server $version', (binary) => {
  const rig = bench(binary)

  describe('errors', () => {
    it('answers 500 to a throw, at once or later, and goes on', async () => {
      await rig.serve((service) => {
        service.get('/sync', boom)
        service.get('/async', async () => boom())
        service.get('/fine', (c) => c.json(200, 1))
      })
      for (const path of ['sync', 'async']) {
        const response = await rig.ask(`GET:.${path}`)
        expect(response.statusCode).toBe(500)
        expect(problem(response)).toMatchObject({ code: 'internal', detail: 'the service failed' })
        expect(text(response.body)).not.toContain('secret')
      }
      expect((await rig.ask('GET:.fine')).statusCode).toBe(200)
    })

    it('forgets what a handler had set before it threw', async () => {
      await rig.serve((service) => {
        service.get('/half', (c) => {
          c.response.headers.set('Set-Cookie', 'half=1')
          c.json(200, 'half')
          boom()
        })
      })
      const response = await rig.ask('GET:.half')
      expect(response.headers).toEqual(['Content-Type', 'application/problem+json'])
    })

    it('answers the status of a ServiceError, with the id of the request', async () => {
      await rig.serve((service) => {
        service.get('/gone', () => {
          throw new ServiceError('not_found', 'no such order')
        })
        service.post('/bind', (c) => c.json(200, c.bindJSON()))
      })
      const response = await rig.ask('GET:.gone', { headers: ['X-Request-Id', 'r-1'] })
      expect(response.statusCode).toBe(404)
      expect(problem(response)).toEqual({
        type: 'about:blank',
        title: 'Not Found',
        status: 404,
        code: 'not_found',
        detail: 'no such order',
        requestId: 'r-1',
      })
      expect((await rig.ask('POST:.bind', { body: Buffer.from('{') })).statusCode).toBe(400)
    })

    it('lets onError change the answer, also asynchronously, and survives its throw', async () => {
      const seen: unknown[] = []
      await rig.serve(
        (service) => {
          service.get('/e/:how', (c) => {
            throw new Error(c.pathVariable('how'))
          })
        },
        {
          onError: (error, c) => {
            seen.push([c.response.statusCode, String(error)])
            if (String(error).includes('throws')) boom()
            if (String(error).includes('rejects')) return Promise.reject(new Error('later'))
            return new Promise<void>((resolve) => {
              setImmediate(() => {
                c.json(503, 'changed')
                resolve()
              })
            })
          },
        },
      )
      const changed = await rig.ask('GET:.e.x')
      expect([changed.statusCode, text(changed.body)]).toEqual([503, '"changed"'])
      expect((await rig.ask('GET:.e.throws')).statusCode).toBe(500)
      expect((await rig.ask('GET:.e.rejects')).statusCode).toBe(500)
      expect(seen).toEqual([
        [500, 'Error: x'],
        [500, 'Error: throws'],
        [500, 'Error: rejects'],
      ])
    })

    it.each([0, 99, 100, 199, 1000, -1, 200.5, Number.NaN])('answers 500 for the status %d', async (status) => {
      await rig.serve((service) => {
        service.get('/status', (c) => {
          c.response.statusCode = status
        })
      })
      expect((await rig.ask('GET:.status')).statusCode).toBe(500)
    })

    it.each([200, 299, 404, 599, 600, 999])('passes the status %d on', async (status) => {
      await rig.serve((service) => service.get('/status', (c) => c.json(status, 1)))
      expect((await rig.ask('GET:.status')).statusCode).toBe(status)
    })

    it('answers 500 for a body that is neither text nor bytes', async () => {
      await rig.serve((service) => {
        service.get('/body', (c) => {
          // @ts-expect-error not a body
          c.response.body = { length: 3 }
        })
      })
      expect((await rig.ask('GET:.body')).statusCode).toBe(500)
    })

    it('answers 500 to what is too large for the broker', async () => {
      const events: ServiceEvent[] = []
      await rig.serve(
        (service) => {
          service.get('/large', (c) => {
            c.response.body = new Uint8Array(1024 * 1024)
          })
          service.get('/fits', (c) => {
            c.response.body = new Uint8Array(1024 * 1024 - 16)
          })
        },
        { observe: (event) => events.push(event) },
      )
      const response = await rig.ask('GET:.large')
      expect([response.statusCode, problem(response)]).toEqual([
        500,
        expect.objectContaining({ code: 'reply_too_large' }),
      ])
      expect((await rig.ask('GET:.fits')).body).toHaveLength(1024 * 1024 - 16)
      expect(events.map((event) => event.type)).toEqual(['request.failed', 'request.finished', 'request.finished'])
    })

    it('answers 413 to a body above maxBodyBytes', async () => {
      await rig.serve((service) => service.post('/limit', (c) => c.json(200, c.request.body.length)), {
        maxBodyBytes: 10,
      })
      expect((await rig.ask('POST:.limit', { body: new Uint8Array(10) })).statusCode).toBe(200)
      const response = await rig.ask('POST:.limit', { body: new Uint8Array(11) })
      expect([response.statusCode, problem(response)]).toEqual([
        413,
        expect.objectContaining({ code: 'body_too_large' }),
      ])
    })

    it('answers an error of the handler as a problem document', async () => {
      await rig.serve((service) => {
        service.get('/conflict', (c) => c.error(409, 'taken'))
        service.get('/own', (c) => {
          c.error(409, 'taken')
          c.response.body = 'own words'
        })
      })
      const conflict = await rig.ask('GET:.conflict')
      expect(conflict.statusCode).toBe(409)
      expect(problem(conflict)).toMatchObject({ status: 409, code: 'service_error', detail: 'taken' })
      const own = await rig.ask('GET:.own')
      expect([own.statusCode, text(own.body)]).toEqual([409, 'own words'])
    })
  })
})
