// SPDX-License-Identifier: Apache-2.0
import { Agent, request } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { startNatsServer } from '@nats-edge/embedded-nats'
import { connect } from '@nats-io/transport-node'
import { expect, inject, it, onTestFinished } from 'vitest'
import { Balancer } from './support/balancer.ts'
import { RunningEdge, surfacesWith } from './support/running-edge.ts'
import { Traffic } from './support/traffic.ts'

const isLong = inject('propertyRuns') >= 100_000
const least = isLong ? 100_000 : 0
const lines = [...surfacesWith('order: { nats: request, subject: "orders.{id}" }'), 'shutdown: { delay: 300ms }']

// Longer than an edge that stops waits for its balancer: some orders are under way when it closes.
const slowMs = 700

/** A service that takes its time for every tenth order. */
async function serve(url: string): Promise<void> {
  const service = await connect({ servers: url })
  onTestFinished(() => service.close())
  service.subscribe('orders.*', {
    callback: (_error, message) => {
      const isSlow = message.subject.endsWith('0')
      void delay(isSlow ? slowMs : 0).then(() => message.respond('"done"'))
    },
  })
  await service.flush()
}

function ask(agent: Agent, url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { agent }, (response) => {
      let body = ''
      response.setEncoding('utf8').on('data', (text: string) => (body += text))
      response.once('end', () => resolve(`${response.statusCode} ${body}`)).once('error', reject)
    })
    sent.once('error', reject).end()
  })
}

it(
  'reliability F14: two edges behind a balancer are replaced one after the other, and no request fails',
  async () => {
    const broker = await startNatsServer({ binary: inject('natsServers').at(-1) ?? expect.fail('no nats-server') })
    onTestFinished(() => broker.stop())
    await serve(broker.url)
    const start = (): Promise<RunningEdge> => RunningEdge.start([broker.url], lines)
    const edges = await Promise.all([start(), start()])
    const balancer = await Balancer.start(edges)
    const agent = new Agent({ keepAlive: true })
    onTestFinished(() => agent.destroy())
    const traffic = new Traffic(24, async (number) => {
      // What one process can balance beside the start of another.
      if (!isLong) await delay(50)
      return ask(agent, `${balancer.url}/orders/${number}`)
    })
    await traffic.goesOn()
    do {
      for (const [index, edge] of edges.entries()) {
        edge.program.process.kill('SIGTERM')
        await edge.program.exited
        expect(edge.program.exitCode).toBe(0)
        expect(edge.program.output).not.toContain('cut off')
        balancer.remove(edge)
        const next = await start()
        edges[index] = next
        await balancer.add(next)
        await traffic.goesOn()
      }
    } while (traffic.answered < least)
    expect(await traffic.stop()).toEqual(['200 "done"'])
    expect(balancer.failures).toEqual([])
    // Both are at work at the end, not one for two.
    const served = edges.map(async (edge) => edge.metric('nats_messages_total{dir="out"}'))
    for (const messages of await Promise.all(served)) expect(messages).toBeGreaterThan(5)
  },
  isLong ? 600_000 : 60_000,
)
