// SPDX-License-Identifier: Apache-2.0
// The plain reference of HTTP rows: what somebody gets who writes the same answers in Hono, with nothing around them.
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { announceReady } from '../command-channel.ts'

const app = new Hono()
app.get('/bench/echo/:id', (c) => c.json({ id: c.req.param('id'), ok: true }))
app.post('/bench/echo', async (c) =>
  c.body(await c.req.arrayBuffer(), 200, {
    'Content-Type': c.req.header('Content-Type') ?? 'application/octet-stream',
  }),
)

serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 }, ({ port }) => announceReady({ port }))
