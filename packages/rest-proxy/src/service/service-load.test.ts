// SPDX-License-Identifier: Apache-2.0
import { describe, expect, inject, it } from 'vitest'
import { type Bench, bench, Gate, samplesOf, text, until } from './service-bench.test-support.ts'

async function replicas(
  rig: Bench,
  queue: string | false | undefined,
): Promise<{ seen: string[]; count: () => number }> {
  const seen: string[] = []
  const options = queue === undefined ? {} : { queue }
  for (const name of ['a', 'b']) {
    await rig.serve((service) => {
      service.post('/replica/:id', (c) => {
        seen.push(name)
        c.json(200, c.pathVariable('id'))
      })
    }, options)
  }
  return { seen, count: () => seen.length }
}

describe.each(inject('natsServers'))('a service under load on nats-server $version', (binary) => {
  const rig = bench(binary)

  describe('replicas', () => {
    it.each([undefined, 'own-name'])('share the requests in the queue group %s', async (queue) => {
      const { seen } = await replicas(rig, queue)
      const answers = await Promise.all(Array.from({ length: 200 }, (_, id) => rig.ask(`POST:.replica.${id}`)))
      expect(answers.map(({ body }) => text(body))).toEqual(Array.from({ length: 200 }, (_, id) => `"${id}"`))
      expect(seen).toHaveLength(200)
      expect(new Set(seen)).toEqual(new Set(['a', 'b']))
    })

    it('all get every request without a queue group', async () => {
      const { seen, count } = await replicas(rig, false)
      for (let id = 0; id < 20; id++) await rig.ask(`POST:.replica.${id}`)
      await until('both have seen all', () => count() === 40)
      expect(seen.filter((name) => name === 'a')).toHaveLength(20)
    })

    it('may differ in the queue group of one route', async () => {
      const seen: string[] = []
      for (const name of ['a', 'b']) {
        await rig.serve((service) => service.get('/each', () => seen.push(name), { queue: false }))
      }
      await rig.ask('GET:.each')
      await until('both have seen it', () => seen.length === 2)
      expect(new Set(seen)).toEqual(new Set(['a', 'b']))
    })
  })

  describe('many requests at once', () => {
    it('run up to maxConcurrent, wait up to maxQueued and are answered 503 beyond', async () => {
      const door = new Gate()
      let running = 0
      let most = 0
      const service = await rig.serve(
        (service) => {
          service.get('/slow/:id', async (c) => {
            most = Math.max(most, ++running)
            await door.opened
            running--
            c.json(200, c.pathVariable('id'))
          })
        },
        { maxConcurrent: 3, maxQueued: 4 },
      )
      const asked = Array.from({ length: 10 }, (_, id) => rig.ask(`GET:.slow.${id}`))
      const refused = await Promise.race(asked)
      expect(refused.statusCode).toBe(503)
      // The others may come behind it, and would find room once the door is open.
      await until('all others are refused', () => samplesOf(service, 'service_refused_total')[0] === 3)
      const retryAfter = Number(refused.headers[refused.headers.indexOf('Retry-After') + 1])
      expect(retryAfter).toBeGreaterThanOrEqual(1)
      expect(retryAfter).toBeLessThanOrEqual(3)
      expect([...samplesOf(service, 'service_running'), ...samplesOf(service, 'service_queued')]).toEqual([3, 4])
      door.open()
      const answers = await Promise.all(asked)
      expect(answers.map(({ statusCode }) => statusCode).toSorted((a, b) => a - b)).toEqual([
        ...Array.from({ length: 7 }, () => 200),
        503,
        503,
        503,
      ])
      expect(most).toBe(3)
      expect(samplesOf(service, 'service_requests_total')).toEqual([7, 0, 0, 3])
      expect(samplesOf(service, 'service_refused_total')).toEqual([3, 0])
    })

    it('wait only as long as maxQueuedMs', async () => {
      const door = new Gate()
      const seen: string[] = []
      const service = await rig.serve(
        (service) => {
          service.get('/stale/:id', (c) => {
            seen.push(c.pathVariable('id'))
            return door.opened
          })
        },
        { maxConcurrent: 1, maxQueuedMs: 20 },
      )
      const first = rig.ask('GET:.stale.1')
      await until('the first is running', () => seen.length === 1)
      const second = rig.ask('GET:.stale.2')
      await until('the second waits', () => samplesOf(service, 'service_queued')[0] === 1)
      await new Promise((resolve) => setTimeout(resolve, 60))
      door.open()
      expect((await first).statusCode).toBe(200)
      expect((await second).statusCode).toBe(503)
      expect(seen).toEqual(['1'])
    })

    it('keep their own bytes while they wait', async () => {
      const door = new Gate()
      await rig.serve(
        (service) => {
          service.post('/kept/:id', async (c) => {
            await door.opened
            c.response.body = c.request.body
          })
        },
        { maxConcurrent: 1 },
      )
      const asked = Array.from({ length: 50 }, (_, id) =>
        rig.ask(`POST:.kept.${id}`, { body: Buffer.from(`body ${id}`) }),
      )
      await rig.proxy.flush()
      door.open()
      const answers = await Promise.all(asked)
      expect(answers.map(({ body }) => text(body))).toEqual(answers.map((_, id) => `body ${id}`))
    })

    it('of a synchronous handler that waited do not pile up on the stack', async () => {
      const door = new Gate()
      await rig.serve(
        (service) => {
          service.get('/first', () => door.opened)
          service.get('/many/:id', (c) => c.json(200, c.pathVariable('id')))
        },
        { maxConcurrent: 1, maxQueued: 20_000 },
      )
      const first = rig.ask('GET:.first')
      const asked = Array.from({ length: 12_000 }, (_, id) => rig.ask(`GET:.many.${id}`))
      await rig.proxy.flush()
      door.open()
      await first
      expect((await Promise.all(asked)).every(({ statusCode }) => statusCode === 200)).toBe(true)
    })
  })
})
