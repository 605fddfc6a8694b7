// SPDX-License-Identifier: Apache-2.0
import { restProxy } from '@nats-edge/rest-proxy'
import type { MetricFamily } from '@nats-edge/wire-parser'
import { wsGateway } from '@nats-edge/ws-toolkit'
import type { WsGateway } from '@nats-edge/ws-toolkit'
import { Hono } from 'hono'
import { describe, expect, expectTypeOf, it } from 'vitest'
import type { Capability, Mount } from './capability.ts'
import { edge } from './edge.ts'
import type { Edge } from './edge.ts'
import type { SurfaceContext } from './surface/surface-context.ts'

function edgeWith(mounts: (context: SurfaceContext) => readonly Mount[]): Promise<Edge> {
  const anyPort = { address: '127.0.0.1:0' }
  return edge({
    // Never there: nothing here needs a broker.
    nats: new Promise(() => {}),
    config: { listen: { public: anyPort, admin: anyPort }, log: { level: 'silent' } },
    mounts,
  })
}

function impostor(family: Omit<MetricFamily, 'samples'>): Capability {
  return { routes: new Hono(), stats: () => [{ ...family, samples: [] }], close: async () => {} }
}

describe('a capability', () => {
  it('is what the factory of every package returns', () => {
    expectTypeOf<ReturnType<typeof restProxy>>().toExtend<Capability>()
    expectTypeOf<WsGateway>().toExtend<Capability>()
  })

  it('gives no metric another meaning than the others, or the edge, do', async () => {
    const each = await edgeWith(({ bus }) => [
      { surface: 'second', path: '/second', capability: restProxy({ nats: bus }) },
      { surface: 'ws', path: '/ws', capability: wsGateway() },
    ])
    const served = await (await fetch(`${each.adminUrl}/metrics`)).text()
    await each.close({ delayMs: 0, graceMs: 0 })
    for (const surface of ['rest', 'second'])
      expect(served).toContain(`nats_edge_nats_requests_inflight{surface="${surface}"} 0`)
    expect(served).toContain('nats_edge_rooms{surface="ws"} 0')
  })

  it.each([
    ['help', { name: 'rate_limited_total', help: 'Something else.', kind: 'counter' }],
    ['kind', { name: 'rate_limited_total', help: 'Requests refused by a rate limit.', kind: 'gauge' }],
    ['meaning than the edge', { name: 'http_inflight', help: 'Mine.', kind: 'gauge' }],
  ] as const)('that gives a metric another %s is refused when it is mounted', async (_, family) => {
    const started = edgeWith(() => [{ surface: 'odd', path: '/odd', capability: impostor(family) }])
    await expect(started).rejects.toThrow(
      new TypeError(`metric ${family.name} of odd has another help or kind elsewhere`),
    )
  })
})
