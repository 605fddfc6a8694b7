// SPDX-License-Identifier: Apache-2.0
import { natsService } from '@nats-edge/rest-proxy/service'
import type { NatsService } from '@nats-edge/rest-proxy/service'
import type { Bus } from '@nats-edge/wire-parser'

/** The services behind the demo: what a user's own would look like, in the same process for once. */
export function demoService(bus: Bus): NatsService {
  return natsService(bus)
    .get('/demo/hello/:name', (c) => {
      c.json(200, { hello: c.pathVariable('name'), from: 'a NATS service' })
    })
    .get('/demo/time', (c) => {
      c.json(200, { time: new Date().toISOString() })
    })
    .post('/demo/echo', (c) => {
      c.response.body = c.request.body
      const type = c.request.headers.get('Content-Type')
      if (type !== undefined) c.response.headers.set('Content-Type', type)
    })
}
