// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
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
