// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events'
import { rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:https'
import { join } from 'node:path'
import { jsonCodec, wsGateway } from '@nats-edge/ws-toolkit'
import { testGateway } from '@nats-edge/ws-toolkit/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { scratchFolder } from '../edge.test-support.ts'
import { authority, clientCertificate, clientKey, serverCertificate, serverKey } from '../nats/certificate.test-data.ts'
import type { HttpRouteConfig } from '../config/ws-backend-schema.ts'
import type { ClientData } from './client-data.ts'
import { httpHandler, splitUrl } from './http-route.ts'

describe('splitUrl', () => {
  it.each([
    ['http://a', 'http://a', '/'],
    ['https://a:8443/b/{c}?d={e}', 'https://a:8443', '/b/{c}?d={e}'],
    ['http://a?x={y}', 'http://a', '/?x={y}'],
    ['ws://[::1]:80/x', 'ws://[::1]:80', '/x'],
  ])('parts %s where the path begins', (url, origin, path) => {
    expect(splitUrl(url)).toEqual({ origin, path })
  })

  it.each(['http://{host}/', 'http://a b/', 'a/b', 'http://'])('refuses %j', (url) => {
    expect(() => splitUrl(url)).toThrow(TypeError)
  })
})

describe('a route to an https service', () => {
  const folder = scratchFolder()
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text)
    return join(folder, name)
  }
  const tls = {
    ca: file('ca.pem', authority),
    cert: file('cert.pem', clientCertificate),
    key: file('key.pem', clientKey),
  }
  const options = {
    cert: serverCertificate,
    key: serverKey,
    ca: authority,
    requestCert: true,
    rejectUnauthorized: true,
  }
  const server = createServer(options, (_request, response) => {
    response.setHeader('Content-Type', 'application/json').end('"safe"')
  })
  let url = ''

  beforeAll(async () => {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    url = `https://127.0.0.1:${typeof address === 'object' ? address?.port : 0}/`
  })

  afterAll(() => {
    server.closeAllConnections()
    server.close()
    rmSync(folder, { recursive: true })
  })

  async function answerOf(config: Omit<HttpRouteConfig, 'http'>): Promise<unknown> {
    const gateway = wsGateway()
    const data: ClientData = { headers: {}, rooms: new Set(), room: undefined }
    gateway
      .channel<ClientData>('/a', { codec: jsonCodec(), onConnect: () => data })
      .default(httpHandler({ http: url, ...config }))
    const test = testGateway(gateway)
    const client = await test.connect('/a')
    client.send('{"type":"x","id":1}')
    const answer: unknown = JSON.parse(String(await client.next()))
    await test.close()
    return answer
  }

  it('trusts the authority of the file, and shows the certificate of the client', async () => {
    expect(await answerOf({ tls })).toMatchObject({ data: 'safe' })
  })

  it('trusts nobody else, and is told by the service that it wants a certificate', async () => {
    const { ca, cert, key } = tls
    const failed = { error: { code: expect.stringMatching(/^(?:bad_reply|upstream_closed)$/) } }
    expect(await answerOf({ tls: { cert, key } })).toMatchObject(failed)
    expect(await answerOf({ tls: { ca } })).toMatchObject(failed)
    expect(await answerOf({ tls: { ...tls, servername: 'other.example' } })).toMatchObject(failed)
  })
})
