// SPDX-License-Identifier: Apache-2.0
import { expect, it, onTestFinished } from 'vitest'
import { type NatsServer, steadyPort } from '@nats-edge/embedded-nats'
import { startBroker, startEdge, until, type TestEdge } from '../edge.test-support.ts'

const config = 'lame_duck_duration: "30s"\nlame_duck_grace_period: "20s"'

/** An edge whose only broker has just said that it is about to stop. */
async function leaving(): Promise<{ edge: TestEdge; broker: NatsServer }> {
  const broker = await startBroker(await steadyPort(), config)
  onTestFinished(async () => {
    // A lame duck takes its time.
    broker.kill('SIGKILL')
    await broker.stop()
  })
  const edge = await startEdge(broker.url)
  onTestFinished(() => edge.close({ delayMs: 0, graceMs: 0 }))
  await edge.ready()
  broker.kill('SIGUSR2')
  await until('it looks for another one', () =>
    says(edge, 'the broker is about to stop (lame duck); looking for another one'),
  )
  await until('it found none', () => says(edge, 'cannot connect to NATS yet; trying on'))
  return { edge, broker }
}

function says(edge: TestEdge, msg: string): boolean {
  return edge.lines.some((line) => line['msg'] === msg)
}

async function ready(edge: TestEdge): Promise<number> {
  return (await fetch(`${edge.adminUrl}/readyz`)).status
}

it('stays at its only broker until that closes, and is back when that is (reliability F6)', async () => {
  const { edge, broker } = await leaving()
  expect([edge.bus.state, await ready(edge)]).toEqual(['connected', 200])
  broker.kill('SIGKILL')
  await broker.exited
  await until('it is lost', async () => (await ready(edge)) === 503)
  const again = await startBroker(broker.port)
  onTestFinished(() => again.stop())
  await until('it is back', async () => (await ready(edge)) === 200)
  expect([edge.bus.state, edge.bus.epoch, says(edge, 'moved to another broker')]).toEqual(['connected', 2, false])
})

it('closes at once while it looks for another broker', async () => {
  const { edge } = await leaving()
  await edge.close({ delayMs: 0 })
  expect([edge.bus.state, says(edge, 'moved to another broker')]).toEqual(['closed', false])
})
