// SPDX-License-Identifier: Apache-2.0
import type { MetricFamily } from '@nats-edge/wire-parser'
import type { Hono } from 'hono'
import { afterAll, beforeAll, describe, expect, expectTypeOf, inject, it } from 'vitest'
import type { ReloadReport, RestProxy } from './index.ts'
import { hostKinds } from './http-host.test-support.ts'
import { rawRequestText } from './raw-client.test-support.ts'
import { type Broker, startBroker, startRig, type Rig } from './rig.test-support.ts'
import { natsService, type NatsService } from './service.ts'

describe.each(inject('natsServers'))('a proxy in front of a service, nats-server $version', (binary) => {
  let broker: Broker
  let service: NatsService

  beforeAll(async () => {
    broker = await startBroker(binary)
    service = natsService(broker.peer)
    service.get('/hello/:name', (c) => c.json(200, { hello: c.pathVariable('name') }))
    service.post('/echo', (c) => {
      c.response.body = c.request.body
    })
    await service.ready()
  })
  afterAll(async () => {
    await service.close()
    await broker.stop()
  })

  describe.each(hostKinds)('on a %s host', (kind) => {
    let rig: Rig

    beforeAll(async () => {
      rig = await startRig({ nats: broker.nats }, kind)
      await rig.proxy.ready()
    })
    afterAll(() => rig.stop())

    it('answers GET with what the service replied', async () => {
      const client = await rig.client()
      const response = await client.send(rawRequestText('GET /hello/ada'))
      expect(response.status).toBe(200)
      expect(response.json()).toEqual({ hello: 'ada' })
      expect(response.get('content-type')).toBe('application/json; charset=utf-8')
    })

    it('carries a body there and back', async () => {
      const client = await rig.client()
      const body = Buffer.from(Array.from({ length: 70_000 }, (_, index) => index % 256))
      const response = await client.send(rawRequestText('POST /echo', [], body))
      expect(response.status).toBe(200)
      expect(response.body.equals(body)).toBe(true)
    })

    it('answers 503 where nobody listens', async () => {
      const client = await rig.client()
      const response = await client.send(rawRequestText('GET /nobody'))
      expect(response.status).toBe(503)
      expect(response.json()).toMatchObject({ code: 'no_responders', status: 503, title: 'Service Unavailable' })
    })
  })
})

/** What every capability of the family looks like. */
interface Capability {
  readonly routes: Hono
  stats(): Iterable<MetricFamily>
  ready?(): Promise<void>
  reload?(options: unknown): () => ReloadReport
  close(options?: {
    readonly drainMs?: number
    readonly spreadMs?: number
    readonly retryAfterMs?: readonly [number, number]
    readonly final?: boolean
    readonly serveRequests?: boolean
  }): Promise<void>
}

it('has the shape of a capability', () => {
  expectTypeOf<RestProxy>().toExtend<Capability>()
})
