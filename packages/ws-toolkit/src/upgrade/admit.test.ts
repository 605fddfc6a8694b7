// SPDX-License-Identifier: Apache-2.0
import type { Principal } from '@nats-edge/wire-parser'
import { Hono } from 'hono'
import { describe, expect, it, vi } from 'vitest'
import { limitedAdmission } from './admission.ts'
import { handshake, headerOf, hosts, open, rawRequestTo } from './hosts.test-support.ts'
import { upgradeWebSocket } from './upgrade-web-socket.ts'

describe.each(hosts)('an upgrade under $name', ({ start }) => {
  it('is refused without room: 503 for an address, 429 for a principal, both with Retry-After', async () => {
    const admission = limitedAdmission({ maxConnectionsPerIp: 1 })
    const perPrincipal = {
      admit: () => ({
        identify: () => ({ code: 'rate_limited', retryAfterMs: 2500 }),
        release: () => void (released += 1),
      }),
    }
    let released = 0
    const ada = { id: 'jwt:ada' } as Principal
    const app = new Hono()
    app.get(
      '/ws',
      upgradeWebSocket(() => ({})),
    )
    app.get(
      '/known',
      upgradeWebSocket(() => ({}), { admission: perPrincipal, principal: () => ada }),
    )
    const late = vi.fn<() => void>()
    app.get(
      '/late',
      upgradeWebSocket(
        (c) => {
          c.set('principal' as never, ada as never)
          return { onAbort: late }
        },
        { admission: perPrincipal },
      ),
    )
    const host = await start(app, { admission })
    const first = await open(host, '/ws')
    const second = await rawRequestTo(host, handshake('/ws'))
    expect(second.status).toBe(503)
    expect(Number(headerOf(second, 'retry-after'))).toBeGreaterThanOrEqual(1)
    first.ws.close()
    await vi.waitFor(() => expect(admission.connections).toBe(0))
    await open(host, '/ws')
    for (const path of ['/known', '/late']) {
      const reply = await rawRequestTo(host, handshake(path))
      expect(reply.status).toBe(429)
      expect(headerOf(reply, 'retry-after')).toBe('3')
    }
    expect(late).toHaveBeenCalledTimes(1)
    expect(released).toBe(2)
  })

  it('counts a principal once, whether it is known before the route or after', async () => {
    const identified: string[] = []
    const admission = { admit: () => ({ identify: (id: string) => void identified.push(id), release: () => {} }) }
    const app = new Hono<{ Variables: { principal: Principal } }>()
    app.use('/before', async (c, next) => {
      c.set('principal', { id: 'jwt:before' } as Principal)
      await next()
    })
    app.get(
      '/before',
      upgradeWebSocket(() => ({})),
    )
    app.get(
      '/after',
      upgradeWebSocket((c) => {
        c.set('principal', { id: 'jwt:after' } as Principal)
        return {}
      }),
    )
    app.get(
      '/nobody',
      upgradeWebSocket(() => ({})),
    )
    const host = await start(new Hono().route('/', app), { admission })
    for (const path of ['/before', '/after', '/nobody']) await open(host, path)
    expect(identified).toEqual(['jwt:before', 'jwt:after'])
  })

  it('asks admission with surface and address, and the address comes from clientIp where there is one', async () => {
    const asked: unknown[] = []
    const admission = {
      admit: (who: unknown) => {
        asked.push(who)
        return { code: 'draining', retryAfterMs: 1 }
      },
    }
    const app = new Hono()
    app.get(
      '/default',
      upgradeWebSocket(() => ({})),
    )
    app.get(
      '/own',
      upgradeWebSocket(() => ({}), { surface: 'rest', clientIp: (c) => c.req.header('x-ip') ?? '', admission }),
    )
    const host = await start(app, { admission })
    await rawRequestTo(host, handshake('/default'))
    expect((await rawRequestTo(host, handshake('/own', { 'X-Ip': '192.0.2.9' }))).status).toBe(503)
    const other = await start(app, { admission, clientIp: () => '198.51.100.1' })
    await rawRequestTo(other, handshake('/default'))
    expect(asked).toEqual([
      { surface: 'ws', transport: 'ws', ip: '127.0.0.1' },
      { surface: 'rest', transport: 'ws', ip: '192.0.2.9' },
      { surface: 'ws', transport: 'ws', ip: '198.51.100.1' },
    ])
  })

  it('leaves its permit where another package finds it', async () => {
    const identified: string[] = []
    const admission = {
      admit: () => ({ identify: (id: string) => void identified.push(id), release: () => {} }),
    }
    const app = new Hono().get(
      '/ws',
      upgradeWebSocket((c) => {
        const target: unknown = Reflect.get(c.env.incoming as object, Symbol.for('nats-edge.upgrade'))
        expect(target).toMatchObject({ signal: expect.any(AbortSignal), permit: { identify: expect.any(Function) } })
        const { permit } = target as { permit: { identify(id: string): void } }
        return { onOpen: () => permit.identify('nkey:U1') }
      }),
    )
    await open(await start(app, { admission }), '/ws')
    expect(identified).toEqual(['nkey:U1'])
  })
})
