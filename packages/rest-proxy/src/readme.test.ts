// SPDX-License-Identifier: Apache-2.0
import { readFile } from 'node:fs/promises'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import * as nodeServer from '@hono/node-server'
import { jetstreamManager } from '@nats-io/jetstream'
import * as transport from '@nats-io/transport-node'
import * as hono from 'hono'
import { expect, inject, it } from 'vitest'
import { encodeResponse } from './envelope/nats-proxy.ts'
import * as proxy from './index.ts'
import { optionKeys } from './options.ts'
import { newestServer, startBroker } from './rig.test-support.ts'

const modules: Readonly<Record<string, unknown>> = {
  '@hono/node-server': nodeServer,
  '@nats-edge/rest-proxy': proxy,
  '@nats-io/transport-node': transport,
  hono,
}

type Run = (modules: unknown) => Promise<{ nats: transport.NatsConnection; server: Server }>

const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8')

it('shows an example in the README that does what the README says', async () => {
  const [example = ''] = Array.from(readme.matchAll(/^```ts\n(.*?)^```/gms), (found) => found[1] ?? '')
  const broker = await startBroker(newestServer(inject('natsServers')), { jetstream: true })
  const manager = await jetstreamManager(broker.peer)
  await manager.streams.add({ name: 'ORDERS', subjects: ['orders.created'] })
  broker.peer.subscribe('orders.7.get', { callback: (_error, message) => void message.respond('{"id":7}') })
  const hello = encodeResponse({ statusCode: 200, headers: [], body: Buffer.from('hello ada'), doUpgrade: false })
  broker.peer.subscribe('GET:.hello.ada', { callback: (_error, message) => void message.respond(hello) })
  await broker.peer.flush()
  const script = example
    .replaceAll(/^import (\{.*\}) from '(.*)'$/gm, "const $1 = modules['$2']")
    .replace('nats://127.0.0.1:4222', broker.server.url)
    .replace('port: 8080', "port: 0, hostname: '127.0.0.1'")
  // oxlint-disable-next-line typescript/no-implied-eval -- the example is code, and is run as it stands
  const run = new Function('modules', `return (async () => {${script}\nreturn { nats, server }})()`) as Run
  const { nats, server } = await run(modules)
  await nats.flush()
  if (!server.listening) await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  const url = `http://127.0.0.1:${port}/api`
  expect(await (await fetch(`${url}/orders/7`)).json()).toEqual({ id: 7 })
  const stored = await fetch(`${url}/orders`, { method: 'POST', body: '{}' })
  expect([stored.status, await stored.json()]).toEqual([202, { stream: 'ORDERS', seq: 1, duplicate: false }])
  expect(await (await fetch(`${url}/hello/ada`)).text()).toBe('hello ada')
  await new Promise((resolve) => server.close(resolve))
  await nats.close()
  await broker.stop()
})

it('explains every option and every error code in the README', async () => {
  const source = await readFile(new URL('proxy-error.ts', import.meta.url), 'utf8')
  const codes = Array.from(source.matchAll(/^ {2}\| '(\w+)'$/gm), (found) => found[1] ?? '')
  const proxyPart = readme.slice(0, readme.indexOf('## Writing services'))
  const words = new Set(Array.from(proxyPart.matchAll(/`(\w+)`/g), (found) => found[1] ?? ''))
  expect(codes.length).toBeGreaterThan(20)
  expect([...codes, ...optionKeys].filter((word) => !words.has(word))).toEqual([])
})
