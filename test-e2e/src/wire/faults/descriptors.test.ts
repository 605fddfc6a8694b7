// SPDX-License-Identifier: Apache-2.0
import { describe, expect, inject, it, onTestFinished } from 'vitest'
import { type Binary, startFullBroker } from '../client-rig.ts'
import { CrowdClient } from './crowd.ts'
import { GatewayProcess } from './gateway-process.ts'

const newest = inject('natsServers').at(-1) as Binary

// Windows has no such limit; the rest is POSIX.
describe.skipIf(process.platform === 'win32')('reliability F11: a gateway out of descriptors', () => {
  it('turns clients away, keeps those it has and serves again when there are some', async () => {
    const broker = await startFullBroker(newest)
    onTestFinished(() => broker.stop())
    const options = { backends: [{ url: broker.url }], limits: { maxConnectionsPerIp: 1000 } }
    const gateway = await GatewayProcess.start(options, { maxDescriptors: 100 })
    onTestFinished(async () => void (await gateway.end()))
    const before = await gateway.state()
    const kept = await CrowdClient.connected(gateway.addresses.tcp, 'SUB kept 1\r\n')
    const crowd = Array.from({ length: 200 }, () => new CrowdClient(gateway.addresses.tcp))
    for (const each of crowd) each.send('CONNECT {"verbose":false}\r\nPING\r\n')
    await Promise.all(crowd.map((each) => each.until('PONG\r\n')))
    const outside = crowd.filter(({ isClosed }) => isClosed)
    // Two descriptors each: far fewer than half of them fit.
    expect(outside.length).toBeGreaterThan(140)
    expect(crowd.length - outside.length).toBeGreaterThan(10)
    for (const each of outside) expect(each.tail).toMatch(/^(-ERR 'No Backend Available'\r\n)?$/)
    kept.send('PUB kept 2\r\nhi\r\n')
    await kept.until('MSG kept 1 2\r\nhi\r\n')
    for (const each of [...crowd, kept]) each.socket.destroy()
    const after = await gateway.settled(({ held }) => JSON.stringify(held) === JSON.stringify(before.held))
    expect(after.held).toEqual(before.held)
    const again = await CrowdClient.connected(gateway.addresses.tcp)
    await again.ping()
  })
})
