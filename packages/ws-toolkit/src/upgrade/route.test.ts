// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events'
import { Hono } from 'hono'
import { describe, expect, it } from 'vitest'
import { handshake, rawSocket, startAttached } from './hosts.test-support.ts'
import { routeFor } from './route.ts'
import type { SocketOptions } from './socket-options.ts'
import { upgradeWebSocket } from './upgrade-web-socket.ts'

describe('routeFor', () => {
  it('gives one server per options object', () => {
    const options: SocketOptions = {}
    expect(routeFor(options)).toBe(routeFor(options))
    expect(routeFor(options).server).not.toBe(routeFor({}).server)
  })

  it('leaves none of the wide defaults of ws (D10, D31)', () => {
    expect(routeFor({ maxMessageBytes: 7, maxFragments: 8 }).server.options).toMatchObject({
      maxPayload: 7,
      maxFragments: 8,
      maxBufferedChunks: 4096,
      closeTimeout: 5000,
      clientTracking: false,
      perMessageDeflate: false,
      skipUTF8Validation: false,
    })
  })

  it('hands the compression options on', () => {
    const { server } = routeFor({ compression: { level: 7, thresholdBytes: 9 } })
    expect(server.options.perMessageDeflate).toEqual({
      zlibDeflateOptions: { level: 7 },
      threshold: 9,
      serverNoContextTakeover: true,
      clientNoContextTakeover: true,
    })
  })

  it('cuts a client that does not answer the close frame after five seconds', async () => {
    const app = new Hono().get(
      '/ws',
      upgradeWebSocket(() => ({ onOpen: (_event, ws) => ws.close(1000) })),
    )
    const host = await startAttached(app)
    const socket = rawSocket(host)
    const start = performance.now()
    socket.write(handshake('/ws'))
    socket.resume()
    await once(socket, 'close')
    expect(performance.now() - start).toBeGreaterThan(4900)
  }, 60_000)
})
