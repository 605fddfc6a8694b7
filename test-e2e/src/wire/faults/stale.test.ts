// SPDX-License-Identifier: Apache-2.0
import { describe, expect, inject, it, onTestFinished } from 'vitest'
import { connectBy, startFullBroker } from '../client-rig.ts'
import { RawWebSocket } from '../web-socket-rig.ts'
import { CrowdClient } from './crowd.ts'
import { GatewayProcess } from './gateway-process.ts'

const config = 'ping_interval: "1s"\nping_max: 2'

describe.each(inject('natsServers'))(
  'reliability F10: clients of nats-server $version that show no sign of life',
  (binary) => {
    it('are given up by the server, in its words, and nobody who answers is', async () => {
      const broker = await startFullBroker(binary, config)
      onTestFinished(() => broker.stop())
      const gateway = await GatewayProcess.start({ backends: [{ url: broker.url }] })
      onTestFinished(async () => void (await gateway.end()))
      const before = await gateway.state()
      const alive = await connectBy('tcp', gateway.addresses)
      const silent = await CrowdClient.connected(gateway.addresses.tcp)
      const silentWebSocket = await RawWebSocket.connected(gateway.addresses.ws)
      expect(await silent.closed()).toMatch(/PING\r\n(?:PING\r\n)*-ERR 'Stale Connection'\r\n$/)
      expect(await silentWebSocket.closed()).toBe(1001)
      expect(silentWebSocket.received).toMatch(/-ERR 'Stale Connection'\r\n$/)
      await alive.flush()
      await alive.close()
      const after = await gateway.settled(({ held }) => JSON.stringify(held) === JSON.stringify(before.held))
      expect(after.held).toEqual(before.held)
    }, 30_000)
  },
)
