// SPDX-License-Identifier: Apache-2.0
import { readFile } from 'node:fs/promises'
import * as transport from '@nats-io/transport-node'
import { Hono } from 'hono'
import { describe, expect, inject, it, onTestFinished } from 'vitest'
import * as core from '../index.ts'
import * as overNats from '../nats.ts'
import { open, startAttached } from '../upgrade/hosts.test-support.ts'
import { ask, brokerFor, connectTo } from './nats-rig.test-support.ts'

const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8')
const section = /^## NATS\n(.*?)^## /ms.exec(readme)?.[1] ?? ''
const modules = {
  '@nats-io/transport-node': transport,
  '@nats-edge/ws-toolkit': core,
  '@nats-edge/ws-toolkit/nats': overNats,
}

interface Example {
  readonly gateway: core.WsGateway
  readonly nats: transport.NatsConnection
}

describe('README, NATS', () => {
  const [binary] = inject('natsServers').slice(-1)
  if (binary === undefined) throw new Error('no nats-server to test with')
  const broker = brokerFor(binary)

  it('shows an example that asks, publishes and subscribes', async () => {
    const example = /^```ts\n(.*?)^```/ms.exec(section)?.[1] ?? ''
    const script = example
      .replaceAll(/^import (\{.*\}) from ('.*')$/gm, 'const $1 = modules[$2]')
      .replace('nats://127.0.0.1:4222', broker.server.url)
    // oxlint-disable-next-line typescript/no-implied-eval
    const run = new Function('modules', `return (async () => {${script}\nreturn { gateway, nats }})()`) as (
      given: typeof modules,
    ) => Promise<Example>
    const { gateway, nats } = await run(modules)
    onTestFinished(async () => {
      await gateway.close({ drainMs: 0 })
      await nats.close()
    })
    const peer = await connectTo(broker.server)
    const logged = new Promise<string>((resolve) => {
      peer.subscribe('log.t1', { callback: (_error, message) => resolve(message.string()) })
    })
    peer.subscribe('orders.t1.*.get', { callback: (_error, message) => void message.respond('{"n":1}') })
    await peer.flush()
    const client = await open(await startAttached(new Hono().route('/', gateway.routes)), '/shop/t1')
    expect(await ask(client, { type: 'order', id: 1, data: { item: 'a' } })).toMatchObject({ data: { n: 1 } })
    client.ws.send('{"type":"log","data":"seen"}')
    expect(await logged).toBe('"seen"')
    await ask(client, { type: 'subscribe', id: 2, data: { subject: 'quote.A' } })
    peer.publish('quote.A', '5')
    expect(JSON.parse(await client.next())).toEqual({ type: 'message', data: { subject: 'quote.A', data: 5 } })
  })

  it.each([
    'as',
    'authorize',
    'payload',
    'headers',
    'encode',
    'dangerouslyAllowReserved',
    'timeoutMs',
    'maxPending',
    'ack',
    'stream',
    'maxBufferedBytes',
    'event',
    'allow',
    'perConnection',
    'subject',
    'prefix',
  ])('explains the option %s', (name) => {
    expect(section).toMatch(new RegExp(`^\\| \`${name}\` \\|`, 'm'))
  })
})
