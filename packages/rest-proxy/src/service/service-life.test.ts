// SPDX-License-Identifier: Apache-2.0
import { startNatsServer } from '@nats-edge/embedded-nats'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { describe, expect, inject, it } from 'vitest'
import { decodeResponse } from '../envelope/nats-proxy.ts'
import { natsService, type NatsService, type ServiceEvent } from '../service.ts'
import { bench, Gate, payload, samplesOf, text, until } from './service-bench.test-support.ts'

async function becomesReady(service: NatsService): Promise<void> {
  const deadline = performance.now() + 10_000
  for (;;) {
    try {
      return await service.ready()
    } catch (error) {
      if (performance.now() > deadline) throw error
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
  }
}

describe.each(inject('natsServers'))('the life of a service on nats-server $version', (binary) => {
  const rig = bench(binary)

  describe('ready', () => {
    it('resolves when the server knows every subscription', async () => {
      const service = natsService(await rig.dial())
      rig.keep(service)
      for (let index = 0; index < 50; index++) service.get(`/ready/${index}`, (c) => c.json(200, index))
      await service.ready()
      const answers = await Promise.all(Array.from({ length: 50 }, (_, index) => rig.ask(`GET:.ready.${index}`)))
      expect(answers.map(({ body }) => text(body))).toEqual(Array.from({ length: 50 }, (_, index) => String(index)))
    })

    it('waits for nothing and rejects while disconnected', async () => {
      const never = natsService(new Promise<NatsConnection>(() => {}))
      rig.keep(never)
      await expect(never.ready()).rejects.toMatchObject({ code: 'disconnected' })
      const nats = await rig.dial()
      const closed = natsService(nats)
      await nats.close()
      await expect(closed.ready()).rejects.toMatchObject({ code: 'closed' })
    })

    it('serves over a connection that is still being made', async () => {
      const service = natsService(rig.dial())
      rig.keep(service)
      service.get('/promised', (c) => c.json(200, 'kept'))
      await becomesReady(service)
      expect(text((await rig.ask('GET:.promised')).body)).toBe('"kept"')
    })

    it('rejects when the server refuses a subscription', async () => {
      const config = `authorization { users = [ { user: a, password: b, permissions: { subscribe: { deny: ["GET:.secret"] } } } ] }`
      await using server = await startNatsServer({ binary, jetstream: false, config })
      const nats = await connect({ servers: server.url, user: 'a', pass: 'b' })
      const events: ServiceEvent[] = []
      const service = natsService(nats, { observe: (event) => events.push(event) })
      service.get('/open', () => {}).get('/secret', () => {})
      await expect(service.ready()).rejects.toMatchObject({ code: 'forbidden' })
      expect(events).toEqual([
        { type: 'subscription.ended', route: '/secret', error: expect.objectContaining({ code: 'forbidden' }) },
      ])
      await nats.close()
    })

    it('refuses what is no connection', () => {
      // @ts-expect-error not a connection
      expect(() => natsService(undefined)).toThrow(TypeError)
      // @ts-expect-error not a connection
      expect(() => natsService({ publish() {} })).toThrow(TypeError)
    })
  })

  describe('close', () => {
    it('lets running and waiting requests answer, takes no new ones and leaves the connection open', async () => {
      const door = new Gate()
      let running = 0
      const nats = await rig.dial()
      const service = natsService(nats, { maxConcurrent: 1 })
      service.get('/closing/:id', async (c) => {
        running++
        await door.opened
        c.json(200, c.pathVariable('id'))
      })
      await service.ready()
      const asked = [rig.ask('GET:.closing.1'), rig.ask('GET:.closing.2')]
      await until('one is running', () => running === 1)
      await until('one is waiting', () => samplesOf(service, 'service_queued')[0] === 1)
      const closed = service.close()
      await nats.flush()
      await expect(rig.ask('GET:.closing.3')).rejects.toThrow(/no responders/i)
      door.open()
      await closed
      expect((await Promise.all(asked)).map(({ body }) => text(body))).toEqual(['"1"', '"2"'])
      expect(nats.isClosed()).toBe(false)
      expect(() => service.get('/more', () => {})).toThrow(TypeError)
      await service.close()
    })

    it('does not wait longer than drainMs', async () => {
      const door = new Gate()
      let running = 0
      const service = await rig.serve((service) => {
        service.get('/stuck', () => {
          running++
          return door.opened
        })
      })
      const asked = rig.ask('GET:.stuck')
      await until('running', () => running === 1)
      await service.close({ drainMs: 30 })
      door.open()
      expect((await asked).statusCode).toBe(200)
    })

    it('waits for as long as it takes with drainMs: Infinity and refuses what is no time', async () => {
      const door = new Gate()
      let running = 0
      const service = await rig.serve((service) => {
        service.get('/patient', () => {
          running++
          return door.opened
        })
      })
      const asked = rig.ask('GET:.patient')
      await until('running', () => running === 1)
      expect(() => service.close({ drainMs: Number.NaN })).toThrow(RangeError)
      expect(() => service.close({ drainMs: -1 })).toThrow(RangeError)
      let closed = false
      const closing = service.close({ drainMs: Infinity }).then(() => {
        closed = true
      })
      await rig.proxy.flush()
      expect(closed).toBe(false)
      door.open()
      await closing
      expect((await asked).statusCode).toBe(200)
    })

    it('comes first with a signal that is aborted already', async () => {
      const service = natsService(await rig.dial(), { signal: AbortSignal.abort() })
      expect(() => service.get('/late', () => {})).toThrow(TypeError)
    })

    it('is what an aborted signal does', async () => {
      const controller = new AbortController()
      const nats = await rig.dial()
      const service = natsService(nats, { signal: controller.signal })
      service.get('/abort', () => {})
      await service.ready()
      controller.abort()
      await nats.flush()
      await expect(rig.ask('GET:.abort')).rejects.toThrow(/no responders/i)
    })

    it('of one replica under load loses nothing', async () => {
      const seen = new Map<string, string>()
      const [leaving] = await Promise.all(
        ['leaving', 'staying'].map((name) =>
          rig.serve((service) => {
            service.get('/load/:id', (c) => {
              seen.set(c.pathVariable('id'), name)
              c.json(200, c.pathVariable('id'))
            })
          }),
        ),
      )
      let asked = 0
      let answered = 0
      let lost = 0
      let isLeft = false
      const load = async (worker: number): Promise<void> => {
        // Some more behind the end of the one: the load outlasts it.
        for (let round = 0, rest = 10; rest > 0; round++) {
          if (isLeft) rest--
          asked++
          const id = `${worker}-${round}`
          const subject = `GET:.load.${id}`
          const reply = await rig.proxy
            .request(subject, payload({ url: `/load/${id}` }), { timeout: 15_000 })
            .catch(() => undefined)
          if (reply === undefined) lost++
          else if (text(decodeResponse(reply.data).body) === `"${id}"`) answered++
        }
      }
      const loads = Array.from({ length: 8 }, (_, worker) => load(worker))
      await until('load', () => answered > 100)
      await leaving?.close().finally(() => (isLeft = true))
      await Promise.all(loads)
      expect(lost).toBe(0)
      expect(answered).toBe(asked)
      expect(new Set(seen.values())).toEqual(new Set(['leaving', 'staying']))
    })
  })
})
