// SPDX-License-Identifier: Apache-2.0
import { getRequestListener } from '@hono/node-server'
import { Hono } from 'hono'
import { createServer } from 'node:http'
import { describe, expect, it } from 'vitest'
import { framingFault } from './framing.ts'
import { listening, rawRequestTo, type TestHost } from './hosts.test-support.ts'

async function faultHost(): Promise<TestHost> {
  const app = new Hono().all('*', (c) => c.text(framingFault(c) ?? 'none'))
  const listener = getRequestListener(app.fetch)
  return listening(createServer((incoming, outgoing) => void listener(incoming, outgoing)).listen(0, '127.0.0.1'))
}

const requests: readonly (readonly [fault: string, request: string])[] = [
  ['none', 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'],
  ['none', 'GET //a/b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'],
  ['none', 'GET / HTTP/1.0\r\nHost: a\r\n\r\n'],
  ['none', 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n'],
  ['none', 'GET / HTTP/1.1\r\nHost: a\r\nHose: b\r\nConnection: close\r\n\r\n'],
  ['duplicate_host', 'GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\nConnection: close\r\n\r\n'],
  ['duplicate_host', 'GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\nhOST: b\r\nConnection: close\r\n\r\n'],
  ['transfer_encoding_http10', 'POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
  ['transfer_encoding_http10', 'POST / HTTP/1.0\r\nHost: a\r\ntransfer-encodinG: chunked\r\n\r\n0\r\n\r\n'],
  ['absolute_form', 'GET http://a/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'],
  ['absolute_form', 'GET http://b/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'],
]

describe('framingFault', () => {
  it.each(requests)('finds %s in %j', async (fault, request) => {
    const reply = await rawRequestTo(await faultHost(), request)
    expect(reply.status).toBe(200)
    expect(reply.body.replaceAll(/[\r\n]/g, '')).toContain(fault)
  })

  it('finds nothing where there is no wire', async () => {
    const app = new Hono().get('/', (c) => c.text(framingFault(c) ?? 'none'))
    expect(await (await app.request('/')).text()).toBe('none')
  })
})
