// SPDX-License-Identifier: Apache-2.0
// What answers behind the edge in HTTP rows: the same answers as the plain reference, over the broker.
import { natsService } from '@nats-edge/rest-proxy/service'
import { connect } from '@nats-io/transport-node'
import { announceReady } from '../command-channel.ts'

const nats = await connect({ servers: process.argv[2] ?? 'nats://127.0.0.1:4222', name: 'bench rest-service' })
const service = natsService(nats)
service.get('/bench/echo/:id', (c) => c.json(200, { id: c.pathVariable('id'), ok: true }))
service.post('/bench/echo', (c) => {
  c.response.headers.set('Content-Type', c.headerVariable('Content-Type') ?? 'application/octet-stream')
  c.response.body = c.request.body
})
await service.ready()
announceReady()
