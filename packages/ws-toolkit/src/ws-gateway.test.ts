// SPDX-License-Identifier: Apache-2.0
import { Hono } from 'hono'
import { describe, expect, it } from 'vitest'
import { jsonCodec, wsGateway } from './index.ts'
import { hosts, open } from './upgrade/hosts.test-support.ts'

describe.each(hosts)('a gateway under $name', ({ start }) => {
  it('answers messages of a channel by the route of their key', async () => {
    const gateway = wsGateway()
    gateway.channel('/chat/:room', { codec: jsonCodec() }).route('say', (request) => request.data)
    const host = await start(new Hono().route('/ws', gateway.routes))
    const { ws, next } = await open(host, '/ws/chat/lobby')
    ws.send('{"type":"say","id":1,"data":{"text":"hello"}}')
    expect(await next()).toBe('{"type":"say","id":1,"data":{"text":"hello"}}')
  })

  it('keeps the type of messages that are echoed', async () => {
    const gateway = wsGateway()
    gateway.channel('/echo').default((request) => request.data)
    const host = await start(new Hono().route('/', gateway.routes))
    const { ws } = await open(host, '/echo')
    const seen: [string, boolean][] = []
    const done = new Promise<void>((resolve) => {
      ws.on('message', (data, binary) => {
        seen.push([String(data), binary])
        if (seen.length === 2) resolve()
      })
    })
    ws.send('text')
    ws.send(Buffer.from('bytes'))
    await done
    expect(seen).toStrictEqual([
      ['text', false],
      ['bytes', true],
    ])
  })

  it('closes with a code and a reason', async () => {
    const gateway = wsGateway()
    gateway.channel('/bye').default(async (request) => {
      const info = await request.connection.close(4300, 'enough')
      return String(info.code)
    })
    const host = await start(new Hono().route('/', gateway.routes))
    const { ws, code } = await open(host, '/bye')
    ws.send('x')
    expect(await code).toBe(4300)
    await gateway.close({ drainMs: 0 })
    expect(gateway.state).toBe('closed')
  })
})
