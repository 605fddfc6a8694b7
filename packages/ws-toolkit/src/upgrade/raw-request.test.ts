// SPDX-License-Identifier: Apache-2.0
import { getRequestListener } from '@hono/node-server'
import { Hono, type Context } from 'hono'
import { createServer } from 'node:http'
import { describe, expect, it } from 'vitest'
import { listening, rawRequestTo } from './hosts.test-support.ts'
import { rawRequest } from './raw-request.ts'

function report(c: Context): Response {
  const { url, rawHeaders, method, incoming } = rawRequest(c)
  return c.json({ url, rawHeaders, method, node: incoming !== undefined })
}

const app = new Hono().all('*', report)

describe('rawRequest', () => {
  it('gives the target, the header spelling and the repeats as they came over the wire', async () => {
    const listener = getRequestListener(app.fetch)
    const host = await listening(
      createServer((incoming, outgoing) => void listener(incoming, outgoing)).listen(0, '127.0.0.1'),
    )
    const reply = await rawRequestTo(
      host,
      'PUT /a%2Fb/%2e%2e/c?q=%00 HTTP/1.1\r\nHost: x\r\nX-CaSe: 1\r\nx-case: 2\r\nX-Latin: \xe9\r\nConnection: close\r\n\r\n',
    )
    const body: unknown = JSON.parse(Buffer.from(reply.body, 'latin1').toString('utf8'))
    expect(body).toEqual({
      url: '/a%2Fb/%2e%2e/c?q=%00',
      rawHeaders: ['Host', 'x', 'X-CaSe', '1', 'x-case', '2', 'X-Latin', '\xe9', 'Connection', 'close'],
      method: 'PUT',
      node: true,
    })
  })

  it('is rebuilt from the Request where there is no node server', async () => {
    const response = await app.request('http://example.com/a%20b?x=1', {
      method: 'POST',
      headers: { 'X-One': '1' },
    })
    expect(await response.json()).toEqual({
      url: '/a%20b?x=1',
      rawHeaders: ['x-one', '1'],
      method: 'POST',
      node: false,
    })
  })

  it('is not misled by an environment that is something else', async () => {
    const response = await app.request('/', {}, { incoming: 'a binding of that name' })
    expect(await response.json()).toMatchObject({ url: '/', node: false })
  })
})
