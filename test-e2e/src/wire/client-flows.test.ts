// SPDX-License-Identifier: Apache-2.0
import { type NatsServer, satisfiesVersion } from '@nats-edge/embedded-nats'
import { forward, type WireGatewayOptions } from '@nats-edge/wire-parser/gateway'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { connectBy, directly, Front, nothingHeld, startFullBroker, type TransportName } from './client-rig.ts'
import { coreFlows } from './clients/core-flows.ts'
import { transcriptOf } from './clients/flow.ts'
import { jetstreamFlows } from './clients/jetstream-flows.ts'
import { storeFlows } from './clients/store-flows.ts'
import { eventually } from './web-socket-rig.ts'

const judged: Partial<WireGatewayOptions> = {
  hooks: { onConnect: () => Promise.resolve(forward()), onPublish: () => forward(), onMessage: () => undefined },
  policies: {
    permissions: { publish: { deny: ['secret.>'] }, subscribe: { deny: ['secret.>'] } },
    rates: [{ by: 'connection', messagesPerSecond: 1_000_000 }],
  },
}

const isLong = inject('propertyRuns') > 1000
const newest = inject('natsServers').at(-1)

const ways: readonly { readonly way: string; readonly transport: TransportName; readonly isJudged: boolean }[] = [
  { way: 'over TCP', transport: 'tcp', isJudged: false },
  { way: 'over WebSocket', transport: 'ws', isJudged: false },
  { way: 'over TCP, each message judged', transport: 'tcp', isJudged: true },
]

describe.each(inject('natsServers'))('a client of nats.js at nats-server $version', (binary) => {
  // Each way has a broker of its own, so that both can be gone at once.
  let broker: NatsServer
  let other: NatsServer
  let plain: Front
  let judging: Front
  // What was seen directly, to compare each way with.
  const direct = new Map<string, Promise<string[]>>()

  beforeAll(async () => {
    ;[broker, other] = await Promise.all([startFullBroker(binary), startFullBroker(binary)])
    plain = await Front.before(broker)
    judging = await Front.before(broker, judged)
  })
  afterAll(async () => {
    await plain?.close()
    await judging?.close()
    await Promise.all([broker?.stop(), other?.stop()])
  })

  // How messages are judged does not depend on the server, and waiting is the same everywhere: the long job does all.
  const done = ways.filter(({ isJudged }) => isLong || !isJudged || binary === newest)
  describe.each(done)('sees through the gateway what it sees directly, $way:', ({ transport, isJudged }) => {
    const isFirst = transport === 'tcp' && !isJudged
    const flows = [...coreFlows, ...jetstreamFlows, ...storeFlows].filter(
      ({ isSlow }) => isLong || isSlow !== true || isFirst,
    )
    for (const flow of flows) {
      const isServed = flow.needs === undefined || satisfiesVersion(binary.version, flow.needs)
      it.skipIf(!isServed)(`${flow.name}${isServed ? '' : ` (needs nats-server ${flow.needs})`}`, async () => {
        const key = `${transport} ${flow.name}`
        const expected =
          direct.get(key) ?? transcriptOf(flow, (name) => connectBy(transport, directly(other), { name }))
        direct.set(key, expected)
        const front = isJudged ? judging : plain
        const [seen, told] = await Promise.all([
          transcriptOf(flow, (name) => connectBy(transport, front.addresses, { name })),
          expected,
        ])
        expect(seen).toEqual(told)
        expect(seen.length).toBeGreaterThan(0)
        await eventually(() => JSON.stringify(front.held) === JSON.stringify(nothingHeld))
      })
    }
  })
})
